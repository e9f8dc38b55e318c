//! One event and one target that the tests begin with.

use std::time::Duration;

use domain::{Event, EventKey, Ordering, PayloadEncoding, PayloadMode, Position, Source, Start, Target, TargetKind};

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
        creator: "312909075212468632".to_owned(),
        owner: "312909075211944344".to_owned(),
    }
}

pub(crate) fn target(endpoint: &str) -> Target {
    Target {
        id: "t1".into(),
        name: "crm".into(),
        kind: TargetKind::Webhook,
        endpoint: endpoint.parse().expect("a valid endpoint"),
        timeout: Duration::from_secs(10),
        interrupt_on_error: false,
        signing_keys: vec!["first-key".into()],
        ordering: Ordering::Strict,
        max_in_flight: 1,
        start: Start::Beginning,
        start_position: Position::ZERO,
        headers: [("X-Tenant".to_owned(), "acme".to_owned())].into(),
        exclude: Vec::new(),
        payload: PayloadMode::Full,
        payload_encoding: PayloadEncoding::Base64,
        paused: false,
        source: Source::File,
    }
}
