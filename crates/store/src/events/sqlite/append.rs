//! Writing events into a SQLite store, for demonstrations and for applications that have no other store.

use bytes::Bytes;
use domain::{AggregateId, AggregateType, EventKey, EventType, InstanceId, Position, Timestamp};
use serde_json::value::RawValue;

use super::{SqliteEvents, sql};
use crate::StoreError;

const OPERATION: &str = "append events";

/// An event that is to be written. Its position, its sequence and its time are the store's to give.
#[derive(Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// On which instance; may be empty.
    pub instance_id: InstanceId,
    /// The kind of thing.
    pub aggregate_type: AggregateType,
    /// The thing.
    pub aggregate_id: AggregateId,
    /// What happened.
    pub event_type: EventType,
    /// The version of the payload.
    pub revision: Option<i32>,
    /// JSON text.
    pub payload: Option<Bytes>,
    /// Who caused it.
    pub creator: String,
    /// The resource owner.
    pub owner: String,
}

/// Payloads are never printed.
impl std::fmt::Debug for NewEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewEvent({} of {} {})", self.event_type, self.aggregate_type, self.aggregate_id)
    }
}

/// A time as it is stored: always as long, so that the order of the texts is the order of the times.
pub(super) fn created_at(time: Timestamp) -> String {
    format!("{time:.6}")
}

impl SqliteEvents {
    /// Writes events, all or none, each with the next sequence of its aggregate.
    pub async fn append(&self, events: &[NewEvent]) -> Result<Vec<EventKey>, StoreError> {
        let failed = || StoreError::database(OPERATION);
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let mut keys = Vec::with_capacity(events.len());
        for event in events {
            let payload = event.payload.as_deref().map(json).transpose()?;
            let last: i64 = sqlx::query_scalar(sql::LAST_SEQUENCE)
                .bind(event.instance_id.as_str())
                .bind(event.aggregate_type.as_str())
                .bind(event.aggregate_id.as_str())
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed())?;
            let position: i64 = sqlx::query_scalar(sql::APPEND)
                .bind(event.instance_id.as_str())
                .bind(event.aggregate_type.as_str())
                .bind(event.aggregate_id.as_str())
                .bind(event.event_type.as_str())
                .bind(last + 1)
                .bind(event.revision)
                .bind(payload)
                .bind(&event.creator)
                .bind(&event.owner)
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed())?;
            keys.push(EventKey {
                position: Position::from_integer(position),
                in_tx_order: 0,
                instance_id: event.instance_id.clone(),
                aggregate_type: event.aggregate_type.clone(),
                aggregate_id: event.aggregate_id.clone(),
                sequence: last + 1,
            });
        }
        transaction.commit().await.map_err(failed())?;
        Ok(keys)
    }
}

/// The payload as text, if it is JSON.
fn json(payload: &[u8]) -> Result<&str, StoreError> {
    serde_json::from_slice::<&RawValue>(payload)
        .ok()
        .and_then(|_| std::str::from_utf8(payload).ok())
        .ok_or_else(|| StoreError::Invalid { operation: OPERATION, reason: "a payload is no JSON".to_owned() })
}
