//! One failed event as it is listed.

use domain::{FailedEvent, FailedStatus, InstanceId, TargetId, Timestamp};
use serde::Serialize;

use crate::commands::known::Owner;

/// The names are a promise to scripts.
#[derive(Serialize, Debug)]
pub struct Line {
    pub target: String,
    pub target_id: TargetId,
    pub instance_id: InstanceId,
    pub aggregate_type: String,
    pub aggregate_id: String,
    pub sequence: i64,
    pub event_type: String,
    pub position: String,
    pub in_tx_order: i64,
    pub failure_count: u32,
    pub status: FailedStatus,
    pub error: String,
    pub first_failed: Timestamp,
    pub last_failed: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Timestamp>,
}

impl Line {
    /// Of a target that may have been removed.
    pub fn new(owner: Owner, instance_id: InstanceId, event: FailedEvent) -> Self {
        Self {
            target: owner.name,
            target_id: owner.id,
            removed_at: owner.removed_at,
            instance_id,
            aggregate_type: event.key.aggregate_type.to_string(),
            aggregate_id: event.key.aggregate_id.to_string(),
            sequence: event.key.sequence,
            event_type: event.event_type.to_string(),
            position: event.key.position.to_string(),
            in_tx_order: event.key.in_tx_order,
            failure_count: event.failure_count,
            status: event.status,
            error: event.error,
            first_failed: event.first_failed,
            last_failed: event.last_failed,
        }
    }
}
