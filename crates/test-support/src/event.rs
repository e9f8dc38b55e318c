//! Events for tests that need no database, and the types of event that ZITADEL writes.

use domain::{Event, EventKey, Timestamp};
use rand::seq::IndexedRandom;
use serde_json::Value;

/// Event types that ZITADEL writes, each behind the type of its aggregate.
pub const EVENT_TYPES: [(&str, &str); 38] = [
    ("user", "user.human.added"),
    ("user", "user.human.email.changed"),
    ("user", "user.human.email.verified"),
    ("user", "user.human.phone.changed"),
    ("user", "user.human.phone.verified"),
    ("user", "user.human.password.changed"),
    ("user", "user.human.profile.changed"),
    ("user", "user.machine.added"),
    ("user", "user.token.added"),
    ("user", "user.locked"),
    ("user", "user.unlocked"),
    ("user", "user.deactivated"),
    ("user", "user.removed"),
    ("usergrant", "user.grant.added"),
    ("org", "org.added"),
    ("org", "org.changed"),
    ("org", "org.domain.added"),
    ("org", "org.domain.verified"),
    ("org", "org.member.added"),
    ("org", "org.removed"),
    ("project", "project.added"),
    ("project", "project.role.added"),
    ("project", "project.grant.added"),
    ("project", "project.application.added"),
    ("project", "project.removed"),
    ("session", "session.added"),
    ("session", "session.user.checked"),
    ("session", "session.password.checked"),
    ("session", "session.token.set"),
    ("session", "session.terminated"),
    ("instance", "instance.added"),
    ("instance", "instance.domain.added"),
    ("instance", "policy.password.complexity.added"),
    ("idpintent", "idpintent.started"),
    ("auth_request", "auth_request.added"),
    ("oidc_session", "oidc_session.added"),
    ("target", "target.added.v2"),
    ("execution", "execution.set.v2"),
];

/// Builds a [`domain::Event`]; what is not said has an ordinary value.
#[derive(Clone, Debug)]
pub struct EventBuilder {
    event: Event,
}

impl EventBuilder {
    /// An event at position 1, the first of user `u1` on instance `i1`, with the payload `{}`.
    #[must_use]
    pub fn new(event_type: &str) -> Self {
        let key = EventKey {
            position: domain::Position::from_integer(1),
            in_tx_order: 1,
            instance_id: "i1".into(),
            aggregate_type: "user".into(),
            aggregate_id: "u1".into(),
            sequence: 1,
        };
        Self {
            event: Event {
                key,
                event_type: event_type.into(),
                revision: Some(2),
                created_at: Timestamp::from_microsecond(1_743_070_963_262_665).expect("2025 is a time"),
                payload: Some(bytes::Bytes::from_static(b"{}")),
                creator: "creator1".into(),
                owner: "org1".into(),
            },
        }
    }

    /// Any of [`EVENT_TYPES`], of any of 50 aggregates.
    #[must_use]
    pub fn random(rng: &mut impl rand::Rng) -> Self {
        let (aggregate_type, event_type) = EVENT_TYPES.choose(rng).expect("there are event types");
        let aggregate = rand::RngExt::random_range(rng, 0..50);
        Self::new(event_type).aggregate(aggregate_type, &format!("{aggregate_type}{aggregate}"))
    }

    /// Where it stands, as a decimal: `1743070963.262665`.
    #[must_use]
    pub fn position(mut self, position: &str) -> Self {
        self.event.key.position = position.parse().expect("the test says a decimal");
        self
    }

    /// Its place in its transaction.
    #[must_use]
    pub fn in_tx_order(mut self, number: i64) -> Self {
        self.event.key.in_tx_order = number;
        self
    }

    /// On which instance.
    #[must_use]
    pub fn instance(mut self, instance_id: &str) -> Self {
        self.event.key.instance_id = instance_id.into();
        self
    }

    /// To what it happened.
    #[must_use]
    pub fn aggregate(mut self, aggregate_type: &str, aggregate_id: &str) -> Self {
        self.event.key.aggregate_type = aggregate_type.into();
        self.event.key.aggregate_id = aggregate_id.into();
        self
    }

    /// Its number within its aggregate.
    #[must_use]
    pub fn sequence(mut self, sequence: i64) -> Self {
        self.event.key.sequence = sequence;
        self
    }

    /// The version of its payload.
    #[must_use]
    pub fn revision(mut self, revision: Option<i32>) -> Self {
        self.event.revision = revision;
        self
    }

    /// When it was written, in RFC 3339.
    #[must_use]
    pub fn created_at(mut self, time: &str) -> Self {
        self.event.created_at = time.parse().expect("the test says a time");
        self
    }

    /// Its payload.
    #[must_use]
    pub fn payload(self, payload: &Value) -> Self {
        self.payload_text(Some(&payload.to_string()))
    }

    /// The text of its payload, byte for byte, or none.
    #[must_use]
    pub fn payload_text(mut self, payload: Option<&str>) -> Self {
        self.event.payload = payload.map(|text| text.as_bytes().to_vec().into());
        self
    }

    /// Who caused it.
    #[must_use]
    pub fn creator(mut self, creator: &str) -> Self {
        self.event.creator = creator.into();
        self
    }

    /// Who owns it.
    #[must_use]
    pub fn owner(mut self, owner: &str) -> Self {
        self.event.owner = owner.into();
        self
    }

    /// The event.
    #[must_use]
    pub fn build(self) -> Event {
        self.event
    }
}
