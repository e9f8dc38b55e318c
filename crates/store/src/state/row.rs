//! From columns to the words of `domain`, and back.

use std::{fmt::Display, str::FromStr};

use domain::{Cursor, CursorId, Epoch, EventKey, FailedEvent, InstanceId, Position, TargetId, Timestamp};
use sqlx::{Row as _, any::AnyRow};

/// The columns of an [`EventKey`], in the order that [`key`] is bound.
pub(super) const KEY_COLUMNS: &str = "position, in_tx_order, event_instance_id, aggregate_type, aggregate_id, sequence";

/// The columns that [`cursor`] reads.
pub(super) const CURSOR_COLUMNS: &str = "id, epoch, target_id, instance_id, position, in_tx_order, event_instance_id, \
     aggregate_type, aggregate_id, sequence, event_date, delivered_position, delivered_in_tx_order, parked_in_a_row, \
     generation, last_updated, state, reason, ahead, halt";

/// The columns that [`failed`] reads.
pub(super) const FAILED_COLUMNS: &str = "failed_events.position, failed_events.in_tx_order, \
     failed_events.event_instance_id, failed_events.aggregate_type, failed_events.aggregate_id, failed_events.sequence, \
     failed_events.event_type, failed_events.failure_count, failed_events.status, failed_events.error, \
     failed_events.first_failed, failed_events.last_failed";

pub(super) fn wrong(column: &str, what: impl Display) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: what.to_string().into() }
}

pub(super) fn text(row: &AnyRow, column: &str) -> Result<String, sqlx::Error> {
    row.try_get(column)
}

pub(super) fn optional_text(row: &AnyRow, column: &str) -> Result<Option<String>, sqlx::Error> {
    row.try_get(column)
}

pub(super) fn number(row: &AnyRow, column: &str) -> Result<i64, sqlx::Error> {
    row.try_get(column)
}

pub(super) fn optional_number(row: &AnyRow, column: &str) -> Result<Option<i64>, sqlx::Error> {
    row.try_get(column)
}

pub(super) fn count(row: &AnyRow, column: &str) -> Result<u32, sqlx::Error> {
    number(row, column)?.try_into().map_err(|error| wrong(column, error))
}

pub(super) fn flag(row: &AnyRow, column: &str) -> Result<bool, sqlx::Error> {
    Ok(number(row, column)? != 0)
}

pub(super) fn time(row: &AnyRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    Timestamp::from_microsecond(number(row, column)?).map_err(|error| wrong(column, error))
}

pub(super) fn optional_time(row: &AnyRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    let micros = optional_number(row, column)?;
    micros.map(Timestamp::from_microsecond).transpose().map_err(|error| wrong(column, error))
}

/// A column whose text parses.
pub(super) fn parsed<T>(row: &AnyRow, column: &str) -> Result<T, sqlx::Error>
where
    T: FromStr<Err: Display>,
{
    text(row, column)?.parse().map_err(|error| wrong(column, error))
}

/// A column whose text parses, or nothing.
pub(super) fn optional_parsed<T>(row: &AnyRow, column: &str) -> Result<Option<T>, sqlx::Error>
where
    T: FromStr<Err: Display>,
{
    optional_text(row, column)?.map(|_| parsed(row, column)).transpose()
}

/// A column that holds a word in JSON's spelling, without its quotes.
pub(super) fn word<T: serde::de::DeserializeOwned>(row: &AnyRow, column: &str) -> Result<T, sqlx::Error> {
    serde_json::from_value(serde_json::Value::String(text(row, column)?)).map_err(|error| wrong(column, error))
}

/// A column that holds JSON.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &AnyRow, column: &str) -> Result<T, sqlx::Error> {
    // What is wrong with it may quote a header's value.
    serde_json::from_str(&text(row, column)?).map_err(|_| wrong(column, "it is not the JSON that is expected"))
}

/// A column that holds JSON, or nothing.
pub(super) fn optional_json<T: serde::de::DeserializeOwned>(
    row: &AnyRow,
    column: &str,
) -> Result<Option<T>, sqlx::Error> {
    optional_text(row, column)?.map(|_| json(row, column)).transpose()
}

pub(super) fn key(row: &AnyRow) -> Result<EventKey, sqlx::Error> {
    Ok(EventKey {
        position: parsed(row, "position")?,
        in_tx_order: number(row, "in_tx_order")?,
        instance_id: text(row, "event_instance_id")?.into(),
        aggregate_type: text(row, "aggregate_type")?.into(),
        aggregate_id: text(row, "aggregate_id")?.into(),
        sequence: number(row, "sequence")?,
    })
}

pub(super) fn cursor(row: &AnyRow) -> Result<Cursor, sqlx::Error> {
    let position: Option<Position> = optional_text(row, "delivered_position")?
        .map(|text| text.parse().map_err(|error| wrong("delivered_position", error)))
        .transpose()?;
    Ok(Cursor {
        id: CursorId(number(row, "id")?),
        epoch: Epoch(number(row, "epoch")?),
        target_id: TargetId::from(text(row, "target_id")?),
        instance_id: InstanceId::from(text(row, "instance_id")?),
        key: key(row)?,
        event_date: optional_time(row, "event_date")?,
        delivered: position.zip(optional_number(row, "delivered_in_tx_order")?),
        parked_in_a_row: count(row, "parked_in_a_row")?,
        generation: number(row, "generation")?,
        last_updated: time(row, "last_updated")?,
        state: parsed(row, "state")?,
        reason: optional_text(row, "reason")?,
        ahead: optional_json(row, "ahead")?,
        halt: optional_text(row, "halt")?,
    })
}

pub(super) fn failed(row: &AnyRow) -> Result<FailedEvent, sqlx::Error> {
    Ok(FailedEvent {
        key: key(row)?,
        event_type: text(row, "event_type")?.into(),
        failure_count: count(row, "failure_count")?,
        status: parsed(row, "status")?,
        error: text(row, "error")?,
        first_failed: time(row, "first_failed")?,
        last_failed: time(row, "last_failed")?,
    })
}

/// What is stored as JSON.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("words, keys, lists and maps of text are JSON")
}

/// Text from outside, fit for a TEXT column: PostgreSQL has no NUL in it, and one such text would spoil a whole group.
pub(super) fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// `($1, $2), ($3, $4)`: `rows` times `columns` placeholders, counted from `first`.
pub(super) fn placeholders(rows: usize, columns: usize, first: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            let number = first + row * columns + column;
            if column > 0 {
                text.push_str(", ");
            }
            text.push('$');
            text.push_str(&number.to_string());
        }
        text.push(')');
    }
    text
}

/// Binds the six columns of a key.
macro_rules! bind_key {
    ($statement:expr, $key:expr) => {
        $statement
            .bind($key.position.to_string())
            .bind($key.in_tx_order)
            .bind($key.instance_id.as_str())
            .bind($key.aggregate_type.as_str())
            .bind($key.aggregate_id.as_str())
            .bind($key.sequence)
    };
}
pub(super) use bind_key;
