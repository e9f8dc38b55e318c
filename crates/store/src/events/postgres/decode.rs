//! From a row of the database to a [`Row`].
//!
//! Invariant: once the key is read, nothing fails any more: what cannot be decoded makes the row
//! [`Row::Broken`], naming the column and never its value.

use bytes::Bytes;
use domain::{BrokenRow, Event, EventKey, EventType, InstanceId, Row, Timestamp};
use serde_json::value::RawValue;
use sqlx::{Row as _, ValueRef as _, postgres::PgRow};

use super::layout::Layout;
use crate::StoreError;

const OPERATION: &str = "read a page of events";

/// From 1970 to 2000, where PostgreSQL counts from, in microseconds.
const EPOCH_OFFSET: i64 = 946_684_800_000_000;

pub(super) fn row(row: &PgRow, layout: &Layout) -> Result<Row, StoreError> {
    let key = key(row)?;
    let event_type: Option<EventType> =
        row.try_get::<Option<String>, _>("r_event_type").ok().flatten().map(EventType::from);
    Ok(match rest(row, layout, event_type.clone()) {
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

/// The key of a row: without it there is no telling where the row stands.
pub(super) fn key(row: &PgRow) -> Result<EventKey, StoreError> {
    let read = || -> Result<_, sqlx::Error> {
        let position: Option<String> = row.try_get("k_position")?;
        let instance: String = row.try_get("k_instance_id")?;
        let aggregate_type: String = row.try_get("k_aggregate_type")?;
        let aggregate_id: String = row.try_get("k_aggregate_id")?;
        Ok((
            position.unwrap_or_default(),
            EventKey {
                position: domain::Position::ZERO,
                in_tx_order: row.try_get("k_in_tx_order")?,
                instance_id: InstanceId::from(instance),
                aggregate_type: aggregate_type.into(),
                aggregate_id: aggregate_id.into(),
                sequence: row.try_get("k_sequence")?,
            },
        ))
    };
    let (position, key) = read().map_err(StoreError::database(OPERATION))?;
    let position = position.parse().map_err(|error: domain::PositionError| StoreError::Invalid {
        operation: OPERATION,
        reason: error.to_string(),
    })?;
    Ok(EventKey { position, ..key })
}

struct Rest {
    event_type: EventType,
    revision: Option<i32>,
    created_at: Timestamp,
    payload: Option<Bytes>,
    creator: String,
    owner: String,
}

fn rest(row: &PgRow, layout: &Layout, event_type: Option<EventType>) -> Result<Rest, String> {
    let revision: Option<i64> = row.try_get("r_revision").map_err(|_| "revision cannot be read")?;
    let text = |column: &str| {
        row.try_get::<Option<String>, _>(column)
            .map(Option::unwrap_or_default)
            .map_err(|_| format!("{} is no text", column.trim_start_matches("r_")))
    };
    Ok(Rest {
        event_type: event_type.ok_or("event_type is NULL")?,
        revision: revision.map(i32::try_from).transpose().map_err(|_| "revision is out of range")?,
        created_at: created_at(row)?,
        payload: payload(row, layout)?,
        creator: text("r_creator")?,
        owner: text("r_owner")?,
    })
}

/// Read raw: the driver's own types refuse what lies beyond their calendars.
fn created_at(row: &PgRow) -> Result<Timestamp, String> {
    let value = row.try_get_raw("r_created_at").map_err(|_| "created_at cannot be read")?;
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
fn payload(row: &PgRow, layout: &Layout) -> Result<Option<Bytes>, String> {
    let value = row.try_get_raw("r_payload").map_err(|_| "payload cannot be read")?;
    if value.is_null() {
        return Ok(None);
    }
    let bytes = value.as_bytes().map_err(|_| "payload cannot be read")?;
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
