//! One cursor as it is listed: the row of the state, what the event store says is left, who works on it.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use domain::{Cursor, CursorState, FailedStatus, InstanceId, Position, Router, Target, TargetId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use store::{EventStore, State, StoreError, WorkerId};

use crate::{Caller, Known, OperateError, Owner, Reckoner, clock, head::first_unsettled};

/// How many pages of the bounded scan are read to find the oldest event that is left.
const SCANS: usize = 10;

/// One cursor. The names are a promise to scripts.
#[derive(Clone, Serialize, Debug, JsonSchema)]
#[schemars(rename = "Cursor")]
pub struct Line {
    /// Its name.
    pub target: String,
    /// Its id.
    #[schemars(with = "String")]
    pub target_id: TargetId,
    /// Where.
    #[schemars(with = "String")]
    pub instance_id: InstanceId,
    /// How the courier stands.
    #[schemars(with = "String")]
    pub state: CursorState,
    /// The last settled event.
    #[schemars(with = "String")]
    pub position: Position,
    /// Within its transaction.
    pub in_tx_order: i64,
    /// Of the last settled event.
    pub aggregate_type: String,
    /// Of the last settled event.
    pub aggregate_id: String,
    /// Of the last settled event.
    pub sequence: i64,
    /// When the last settled event happened.
    pub event_date: Option<Timestamp>,
    /// When the row was written last.
    pub last_updated: Timestamp,
    /// How many events are left, where it was counted.
    pub lag_events: Option<u64>,
    /// How old the oldest event that is left is, in seconds; `None` where the event store did not say.
    pub lag_seconds: Option<f64>,
    /// How many failed events it has.
    pub failed_events: u64,
    /// The live worker that has leased the target.
    pub worker: Option<String>,
    /// Why it does not go on.
    pub reason: Option<String>,
    /// Since when its target is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Timestamp>,
    /// The row itself.
    #[serde(skip)]
    pub cursor: Cursor,
}

/// What is known about all cursors at once.
#[derive(Debug)]
pub struct Overview {
    /// The targets.
    pub known: Known,
    router: Router,
    failed: HashMap<(TargetId, InstanceId), u64>,
    workers: BTreeMap<TargetId, WorkerId>,
}

impl Overview {
    /// Read from the state.
    pub async fn read(state: &State, caller: &Caller) -> Result<Self, OperateError> {
        let known = Known::read(state, caller).await?;
        let mut failed = HashMap::new();
        for count in state.failed_counts().await? {
            if count.status != FailedStatus::Interrupted {
                *failed.entry((count.target, count.instance)).or_default() += count.events;
            }
        }
        let workers = state.holders().await?;
        Ok(Self { router: Router::build(&known.definitions)?, known, failed, workers })
    }

    /// Without what the event store would say.
    #[must_use]
    pub fn line(&self, owner: &Owner, cursor: Cursor) -> Line {
        let place = (cursor.target_id.clone(), cursor.instance_id.clone());
        Line {
            target: owner.name.clone(),
            target_id: cursor.target_id.clone(),
            instance_id: cursor.instance_id.clone(),
            state: self.state(&cursor),
            position: cursor.key.position,
            // Between events there is no order within a transaction.
            in_tx_order: if cursor.key.is_edge() { 0 } else { cursor.key.in_tx_order },
            aggregate_type: cursor.key.aggregate_type.to_string(),
            aggregate_id: cursor.key.aggregate_id.to_string(),
            sequence: cursor.key.sequence,
            event_date: cursor.event_date,
            last_updated: cursor.last_updated,
            lag_events: None,
            lag_seconds: None,
            failed_events: self.failed.get(&place).copied().unwrap_or_default(),
            worker: self.workers.get(&cursor.target_id).map(|worker| worker.0.clone()),
            reason: cursor.halt.clone().or_else(|| cursor.reason.clone()),
            removed_at: owner.removed_at,
            cursor,
        }
    }

    /// What operators did comes before what the courier last said.
    fn state(&self, cursor: &Cursor) -> CursorState {
        let paused = |target: &Target| target.id == cursor.target_id && target.paused;
        match &cursor.halt {
            _ if self.known.definitions.targets.iter().any(paused) => CursorState::Paused,
            Some(_) => CursorState::Halted,
            None => cursor.state,
        }
    }

    /// The age of the oldest event that is not settled, 0 if there is none.
    pub async fn lag_seconds(&self, line: &Line, events: &EventStore, head: Position) -> Result<f64, StoreError> {
        let oldest = first_unsettled(&self.router, &line.cursor, events, head, SCANS).await?;
        let created_at = oldest.and_then(|row| row.created_at());
        Ok(created_at.map_or(0.0, |created_at| clock::now().duration_since(created_at).as_secs_f64().max(0.0)))
    }

    /// Counts what is left for each cursor, up to a cap.
    pub async fn reckoner<'a>(
        &'a self,
        events: &'a EventStore,
        max_event_age: Option<Duration>,
    ) -> Result<Reckoner<'a>, StoreError> {
        Reckoner::new(&self.router, events, max_event_age).await
    }
}
