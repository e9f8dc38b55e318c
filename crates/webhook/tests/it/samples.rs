//! One event and one target that the tests begin with.

use domain::{Event, EventKey, Target};

pub(crate) fn event() -> Event {
    Event {
        key: EventKey {
            position: "1743070963.262665".parse().expect("a valid position"),
            in_tx_order: 1,
            instance_id: "312909075211878808".into(),
            aggregate_type: "user".into(),
            aggregate_id: "312909075212468632".into(),
            sequence: 1,
        },
        event_type: "user.human.added".into(),
        revision: Some(2),
        created_at: "2025-03-27T10:22:43.262665Z".parse().expect("a valid time"),
        payload: None,
        creator: "312909075212468632".into(),
        owner: "312909075211944344".into(),
    }
}

pub(crate) fn target(endpoint: &str) -> Target {
    Target {
        signing_keys: vec!["first-key".into()],
        headers: [("X-Tenant".to_owned(), "acme".to_owned())].into(),
        ..Target::new("t1".into(), "crm".into(), endpoint.parse().expect("a valid endpoint"))
    }
}
