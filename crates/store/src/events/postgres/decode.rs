//! From a row of the database to a [`Row`].
//!
//! Invariant: once the key is read, nothing fails any more: what cannot be decoded makes the row
//! [`Row::Broken`], naming the column and never its value.

mod numeric;

use std::sync::Arc;

use bytes::Bytes;
use domain::{AggregateType, BrokenRow, Event, EventKey, EventType, InstanceId, Row, Timestamp};
use serde_json::value::RawValue;
use sqlx::{
    Decode, Postgres, Row as _, Type, ValueRef as _,
    postgres::{PgRow, PgValueRef},
};

use super::layout::Layout;
use crate::StoreError;

const OPERATION: &str = "read a page of events";

/// From 1970 to 2000, where PostgreSQL counts from, in microseconds.
const EPOCH_OFFSET: i64 = 946_684_800_000_000;

/// What stands before the text of a `jsonb` on the wire.
const JSONB_VERSION: u8 = 1;

/// Where the columns of `sql::Builder::output` stand: to look each of them up by its name would take longer than to decode it.
const POSITION: usize = 0;
const IN_TX_ORDER: usize = 1;
const INSTANCE_ID: usize = 2;
const AGGREGATE_TYPE: usize = 3;
const AGGREGATE_ID: usize = 4;
const SEQUENCE: usize = 5;
const EVENT_TYPE: usize = 6;
const REVISION: usize = 7;
const CREATED_AT: usize = 8;
const CREATOR: usize = 9;
const OWNER: usize = 10;
pub(super) const PAYLOAD: usize = 11;
/// How many there are.
pub(super) const OUTPUTS: usize = PAYLOAD + 1;

/// A row whose outputs begin at a column.
#[derive(Clone, Copy)]
pub(super) struct Output<'r> {
    pub row: &'r PgRow,
    pub begins_at: usize,
    /// The row before it in the same answer, if there is one: names that are the same in both are kept once.
    pub before: Option<&'r Row>,
}

impl<'r> Output<'r> {
    fn get<T: Decode<'r, Postgres> + Type<Postgres>>(self, column: usize) -> Result<T, sqlx::Error> {
        match self.before {
            // All rows of an answer have the same types, and looking at them takes as long as decoding what they are of.
            Some(Row::Event(_)) => self.row.try_get_unchecked(self.begins_at + column),
            Some(Row::Broken(_)) | None => self.row.try_get(self.begins_at + column),
        }
    }

    fn raw(self, column: usize) -> Result<PgValueRef<'r>, sqlx::Error> {
        self.row.try_get_raw(self.begins_at + column)
    }
}

/// The whole row.
pub(super) fn row(output: Output<'_>, layout: &Layout) -> Result<Row, StoreError> {
    let key = key(output)?;
    let event_type: Option<EventType> = output
        .get::<Option<&str>>(EVENT_TYPE)
        .ok()
        .flatten()
        .map(|text| same(text, output.before.and_then(Row::event_type), EventType::as_str));
    Ok(match rest(output, layout, event_type.clone()) {
        Ok(rest) => Row::Event(Event {
            key,
            event_type: rest.event_type,
            revision: rest.revision,
            created_at: rest.created_at,
            payload: rest.payload,
            creator: rest.creator,
            owner: rest.owner,
        }),
        Err(reason) => Row::Broken(BrokenRow { key, event_type, reason }),
    })
}

/// The name of the row before if it is this one.
fn same<'t, T: Clone + From<&'t str>>(text: &'t str, before: Option<&T>, as_str: impl Fn(&T) -> &str) -> T {
    before.filter(|before| as_str(before) == text).cloned().unwrap_or_else(|| T::from(text))
}

/// The key of a row: without it there is no telling where the row stands.
pub(super) fn key(output: Output<'_>) -> Result<EventKey, StoreError> {
    let before = output.before.map(Row::key);
    let read = || -> Result<_, sqlx::Error> {
        Ok((
            output.raw(POSITION)?,
            EventKey {
                position: domain::Position::ZERO,
                in_tx_order: output.get(IN_TX_ORDER)?,
                instance_id: same(output.get(INSTANCE_ID)?, before.map(|key| &key.instance_id), InstanceId::as_str),
                aggregate_type: same(
                    output.get(AGGREGATE_TYPE)?,
                    before.map(|key| &key.aggregate_type),
                    AggregateType::as_str,
                ),
                aggregate_id: output.get::<&str>(AGGREGATE_ID)?.into(),
                sequence: output.get(SEQUENCE)?,
            },
        ))
    };
    let (position, key) = read().map_err(StoreError::database(OPERATION))?;
    let position = if position.is_null() {
        Err("position is NULL".to_owned())
    } else {
        position.as_bytes().map_err(|error| error.to_string()).and_then(numeric::position)
    };
    let position = position.map_err(|reason| StoreError::Invalid { operation: OPERATION, reason })?;
    Ok(EventKey { position, ..key })
}

struct Rest {
    event_type: EventType,
    revision: Option<i32>,
    created_at: Timestamp,
    payload: Option<Bytes>,
    creator: Arc<str>,
    owner: Arc<str>,
}

fn rest(output: Output<'_>, layout: &Layout, event_type: Option<EventType>) -> Result<Rest, String> {
    let revision: Option<i64> = output.get(REVISION).map_err(|_| "revision cannot be read")?;
    let before = match output.before {
        Some(Row::Event(event)) => Some(event),
        Some(Row::Broken(_)) | None => None,
    };
    let text = |column: usize, name: &str, before: Option<&Arc<str>>| {
        let text: Option<&str> = output.get(column).map_err(|_| format!("{name} is no text"))?;
        Ok::<_, String>(same(text.unwrap_or_default(), before, Arc::as_ref))
    };
    Ok(Rest {
        event_type: event_type.ok_or("event_type is NULL")?,
        revision: revision.map(i32::try_from).transpose().map_err(|_| "revision is out of range")?,
        created_at: created_at(output)?,
        payload: payload(output, layout)?,
        creator: text(CREATOR, "creator", before.map(|event| &event.creator))?,
        owner: text(OWNER, "owner", before.map(|event| &event.owner))?,
    })
}

/// Read raw: the driver's own types refuse what lies beyond their calendars.
pub(super) fn created_at(output: Output<'_>) -> Result<Timestamp, String> {
    let value = output.raw(CREATED_AT).map_err(|_| "created_at cannot be read")?;
    if value.is_null() {
        return Err("created_at is NULL".to_owned());
    }
    time(value.as_bytes().map_err(|_| "created_at cannot be read")?)
}

fn time(bytes: &[u8]) -> Result<Timestamp, String> {
    let micros = bytes.try_into().map(i64::from_be_bytes).map_err(|_| "created_at is not eight bytes")?;
    match micros {
        i64::MAX => Err("created_at is infinity".to_owned()),
        i64::MIN => Err("created_at is -infinity".to_owned()),
        _ => micros
            .checked_add(EPOCH_OFFSET)
            .and_then(|micros| Timestamp::from_microsecond(micros).ok())
            .ok_or_else(|| "created_at is out of range".to_owned()),
    }
}

/// The stored text. What the database has not looked at as JSON is looked at here.
fn payload(output: Output<'_>, layout: &Layout) -> Result<Option<Bytes>, String> {
    let value = output.raw(PAYLOAD).map_err(|_| "payload cannot be read")?;
    if value.is_null() {
        return Ok(None);
    }
    let mut bytes = value.as_bytes().map_err(|_| "payload cannot be read")?;
    if layout.payload.kind == "jsonb" {
        bytes = bytes.strip_prefix(&[JSONB_VERSION]).ok_or("payload is jsonb of another version")?;
    }
    if !matches!(layout.payload.kind.as_str(), "jsonb" | "json") {
        serde_json::from_slice::<&RawValue>(bytes).map_err(|_| "payload is no JSON")?;
    }
    Ok(Some(Bytes::copy_from_slice(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_beyond_the_calendar_is_refused_and_never_wraps() {
        let read = |micros: i64| time(&micros.to_be_bytes()).map(|time| time.to_string());
        assert_eq!(read(0), Ok("2000-01-01T00:00:00Z".to_owned()));
        assert_eq!(read(-1), Ok("1999-12-31T23:59:59.999999Z".to_owned()));
        assert_eq!(read(i64::MAX), Err("created_at is infinity".to_owned()));
        assert_eq!(read(i64::MIN), Err("created_at is -infinity".to_owned()));
        for beyond in [i64::MAX - 1, i64::MIN + 1, i64::MAX - EPOCH_OFFSET, i64::MAX / 2] {
            assert_eq!(read(beyond), Err("created_at is out of range".to_owned()), "{beyond}");
        }
        assert_eq!(time(b"1234567"), Err("created_at is not eight bytes".to_owned()));
    }
}
