//! From a row of the file to a [`Row`]. SQLite stores any type in any column: each is looked at.

use bytes::Bytes;
use domain::{BrokenRow, Event, EventKey, EventType, Position, Row, Timestamp};
use serde_json::value::RawValue;
use sqlx::{Row as _, sqlite::SqliteRow};

use crate::StoreError;

pub(super) fn key(row: &SqliteRow) -> Result<EventKey, StoreError> {
    let read = || -> Result<EventKey, sqlx::Error> {
        Ok(EventKey {
            position: Position::from_integer(row.try_get("position")?),
            in_tx_order: row.try_get("in_tx_order")?,
            instance_id: row.try_get::<String, _>("instance_id")?.into(),
            aggregate_type: row.try_get::<String, _>("aggregate_type")?.into(),
            aggregate_id: row.try_get::<String, _>("aggregate_id")?.into(),
            sequence: row.try_get("sequence")?,
        })
    };
    read().map_err(StoreError::database("read a page of events"))
}

pub(super) fn row(row: &SqliteRow) -> Result<Row, StoreError> {
    let key = key(row)?;
    let event_type: Option<EventType> = row.try_get::<String, _>("event_type").ok().map(EventType::from);
    let broken = key.clone();
    Ok(match event(row, key, event_type.clone()) {
        Ok(event) => Row::Event(event),
        Err(reason) => Row::Broken(BrokenRow { key: broken, event_type, reason: reason.to_owned() }),
    })
}

fn event(row: &SqliteRow, key: EventKey, event_type: Option<EventType>) -> Result<Event, &'static str> {
    let payload: Option<Vec<u8>> = row.try_get("r_payload").map_err(|_| "payload cannot be read")?;
    if let Some(payload) = &payload {
        serde_json::from_slice::<&RawValue>(payload).map_err(|_| "payload is no JSON")?;
    }
    Ok(Event {
        key,
        event_type: event_type.ok_or("event_type is no text")?,
        revision: row.try_get("revision").map_err(|_| "revision is no number")?,
        created_at: created_at(row)?,
        payload: payload.map(Bytes::from),
        creator: row.try_get::<&str, _>("creator").map_err(|_| "creator is no text")?.into(),
        owner: row.try_get::<&str, _>("owner").map_err(|_| "owner is no text")?.into(),
    })
}

pub(super) fn created_at(row: &SqliteRow) -> Result<Timestamp, &'static str> {
    let text: String = row.try_get("created_at").map_err(|_| "created_at is no text")?;
    text.parse().map_err(|_| "created_at is no RFC 3339 time")
}
