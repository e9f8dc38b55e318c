//! A request that arrived, and what an event sent as a webhook says of itself.

use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::{EventKey, EventType, SignatureError, SigningKey, Timestamp};
use serde_json::Value;

/// How far apart the clocks of a test may be.
const TOLERANCE: Duration = Duration::from_mins(5);

/// A request that arrived at a [`crate::Receiver`].
#[derive(Clone, Debug)]
pub struct Arrival {
    /// How many arrived before it.
    pub number: usize,
    /// The number of the connection it came by: the same for requests that share one.
    pub connection: usize,
    /// When its last byte was read.
    pub at: Instant,
    /// The same, by the clock on the wall.
    pub time: Timestamp,
    /// `POST`.
    pub method: String,
    /// The path, with the query.
    pub path: String,
    /// Names in small letters, and values, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: Bytes,
    /// The status that the receiver sends back, if it sends one.
    pub answered: Option<u16>,
}

impl Arrival {
    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// Whether it was answered with 2xx.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.answered.is_some_and(|status| (200..300).contains(&status))
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("the body is no JSON ({error}): {self:?}"))
    }

    /// The key of the event: the body's, with the header `Postrider-Position`.
    #[must_use]
    pub fn key(&self) -> EventKey {
        let body = self.json();
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let position = self.header("postrider-position").and_then(|position| position.split_once('/'));
        let position = position.and_then(|(position, order)| Some((position.parse().ok()?, order.parse().ok()?)));
        let (position, in_tx_order) = position.unwrap_or_else(|| panic!("there is no Postrider-Position: {self:?}"));
        EventKey {
            position,
            in_tx_order,
            instance_id: text("instanceID").into(),
            aggregate_type: text("aggregateType").into(),
            aggregate_id: text("aggregateID").into(),
            sequence: body.get("sequence").and_then(Value::as_i64).unwrap_or_default(),
        }
    }

    /// The event's type, as the body has it.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        self.json().get("event_type").and_then(Value::as_str).unwrap_or_default().into()
    }

    /// The number of the attempt, from the header `Postrider-Attempt`.
    #[must_use]
    pub fn attempt(&self) -> Option<u32> {
        self.header("postrider-attempt")?.parse().ok()
    }

    /// Whether the header `ZITADEL-Signature` was made with one of these keys, for these bytes, just now.
    pub fn verify(&self, keys: &[SigningKey]) -> Result<(), SignatureError> {
        let header = self.header("zitadel-signature").unwrap_or_default();
        domain::verify(header, &self.body, keys, self.time.as_second(), TOLERANCE)
    }
}
