//! One row of an events table, as it was stored.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use jiff::Timestamp;

use crate::{EventKey, EventType, position::describe};

/// An event. The payload is the stored JSON text, byte for byte, never parsed and printed again.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// Where it stands.
    pub key: EventKey,
    /// What happened.
    pub event_type: EventType,
    /// The version of the event's payload; on the wire `v` + revision. `None` where a store has no such column.
    pub revision: Option<i32>,
    /// When it was written, by the writer's clock.
    pub created_at: Timestamp,
    /// The payload's JSON text. `None` for SQL NULL; the JSON value `null` is a payload of four bytes.
    pub payload: Option<Bytes>,
    /// Who caused it; empty where a store has no such column.
    pub creator: Arc<str>,
    /// The resource owner; empty where a store has no such column.
    pub owner: Arc<str>,
}

/// A row that has a key but could not be decoded otherwise. A target that it may concern halts there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrokenRow {
    /// Where it stands.
    pub key: EventKey,
    /// What happened, if at least that could be read. Without it the row may concern every target.
    pub event_type: Option<EventType>,
    /// Which column, and what is wrong with it. Never the value.
    pub reason: String,
}

/// What a row of the events table became when it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Row {
    /// A whole event.
    Event(Event),
    /// A row that stands in the way until somebody mends or skips it.
    Broken(BrokenRow),
}

impl Row {
    /// Where the row stands.
    #[must_use]
    pub fn key(&self) -> &EventKey {
        match self {
            Self::Event(event) => &event.key,
            Self::Broken(row) => &row.key,
        }
    }

    /// What happened, if it could be read.
    #[must_use]
    pub fn event_type(&self) -> Option<&EventType> {
        match self {
            Self::Event(event) => Some(&event.event_type),
            Self::Broken(row) => row.event_type.as_ref(),
        }
    }

    /// When it was written, if that could be read.
    #[must_use]
    pub fn created_at(&self) -> Option<Timestamp> {
        match self {
            Self::Event(event) => Some(event.created_at),
            Self::Broken(_) => None,
        }
    }

    /// About how much memory the row takes, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        const FIXED: usize = 512;
        match self {
            Self::Event(event) => FIXED + event.payload.as_ref().map_or(0, Bytes::len),
            Self::Broken(_) => FIXED,
        }
    }
}

/// Payloads carry password hashes and tokens: they are never printed, not even in a debugger's line.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event({})", describe(&self.key, Some(&self.event_type)))
    }
}

impl fmt::Display for BrokenRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", describe(&self.key, self.event_type.as_ref()), self.reason)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{BrokenRow, Event, Row};
    use crate::EventKey;

    fn key() -> EventKey {
        EventKey {
            position: "1743070963.262665".parse().expect("a position"),
            in_tx_order: 1,
            instance_id: "312909075211878808".into(),
            aggregate_type: "user".into(),
            aggregate_id: "42".into(),
            sequence: 3,
        }
    }

    fn event(payload: Option<&'static str>) -> Event {
        Event {
            key: key(),
            event_type: "user.human.added".into(),
            revision: Some(2),
            created_at: Timestamp::UNIX_EPOCH,
            payload: payload.map(Into::into),
            creator: "somebody".into(),
            owner: "an-organisation".into(),
        }
    }

    #[test]
    fn an_event_is_printed_without_what_it_carries() {
        let printed = format!("{:?}", Row::Event(event(Some(r#"{"hash":"$2a$10$secret"}"#))));
        assert_eq!(printed, "Event(Event(user.human.added at 1743070963.262665/1 user 42#3))");
    }

    #[test]
    fn a_broken_row_says_where_it_stands_and_what_is_wrong() {
        let mut row = BrokenRow { key: key(), event_type: None, reason: "created_at is infinity".to_owned() };
        assert_eq!(row.to_string(), "1743070963.262665/1 user 42#3: created_at is infinity");
        row.event_type = Some("user.human.added".into());
        assert_eq!(row.to_string(), "user.human.added at 1743070963.262665/1 user 42#3: created_at is infinity");
    }

    #[test]
    fn whole_and_broken_rows_have_a_key_and_where_readable_a_type() {
        let broken = Row::Broken(BrokenRow { key: key(), event_type: None, reason: String::new() });
        let whole = Row::Event(event(None));
        assert_eq!((whole.key(), broken.key()), (&key(), &key()));
        assert_eq!((whole.event_type(), broken.event_type()), (Some(&"user.human.added".into()), None));
    }

    #[test]
    fn a_row_weighs_what_its_payload_does_and_never_nothing() {
        let empty = Row::Event(event(None)).weight();
        assert!(empty > 0);
        assert_eq!(Row::Event(event(Some(r#"{"a":1}"#))).weight(), empty + 7);
    }
}
