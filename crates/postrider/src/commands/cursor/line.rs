//! One cursor as it is listed: the row of the state, what the event store says is left, who works on it.

use std::collections::{BTreeMap, HashMap};

use domain::{
    Cursor, CursorState, Definitions, FailedStatus, InstanceId, Position, Router, Row, Target, TargetId, Timestamp,
};
use serde::Serialize;
use store::{EventStore, FailedFilter, PageRequest, State, StoreError, WorkerId};

use crate::{clock, output::Tone};

/// How many pages of the bounded scan are read to find the oldest event that is left.
const SCANS: usize = 10;
/// Where counting stops.
pub const COUNT_CAP: u64 = 100_000;

/// The names are a promise to scripts.
#[derive(Serialize, Debug)]
pub struct Line {
    pub target: String,
    pub target_id: TargetId,
    pub instance_id: InstanceId,
    pub state: CursorState,
    pub position: Position,
    pub in_tx_order: i64,
    pub aggregate_type: String,
    pub aggregate_id: String,
    pub sequence: i64,
    pub event_date: Option<Timestamp>,
    pub last_updated: Timestamp,
    pub lag_events: Option<u64>,
    /// `None` where the event store did not say.
    pub lag_seconds: Option<f64>,
    pub failed_events: u64,
    /// The live worker that has leased the target.
    pub worker: Option<String>,
    pub reason: Option<String>,
    #[serde(skip)]
    pub cursor: Cursor,
}

impl Line {
    pub fn tone(&self) -> Tone {
        match self.state {
            CursorState::Halted => Tone::Bad,
            CursorState::Retrying | CursorState::Holding => Tone::Warning,
            CursorState::Paused => Tone::Dim,
            CursorState::Live | CursorState::CatchingUp | CursorState::Waiting => Tone::Plain,
        }
    }
}

/// What is known about all cursors at once.
pub struct Overview {
    pub definitions: Definitions,
    router: Router,
    failed: HashMap<(TargetId, InstanceId), u64>,
    workers: BTreeMap<TargetId, WorkerId>,
}

impl Overview {
    pub async fn read(state: &State) -> anyhow::Result<Self> {
        let definitions = state.definitions().await?;
        let mut failed = HashMap::new();
        for (target, instance, event) in state.failed_events(&FailedFilter::default()).await? {
            if event.status != FailedStatus::Interrupted {
                *failed.entry((target, instance)).or_default() += 1;
            }
        }
        let workers = state.holders().await?;
        Ok(Self { router: Router::build(&definitions)?, definitions, failed, workers })
    }

    /// Without what the event store would say.
    pub fn line(&self, target: &Target, cursor: Cursor) -> Line {
        let place = (cursor.target_id.clone(), cursor.instance_id.clone());
        Line {
            target: target.name.to_string(),
            target_id: cursor.target_id.clone(),
            instance_id: cursor.instance_id.clone(),
            state: if target.paused { CursorState::Paused } else { cursor.state },
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
            reason: cursor.reason.clone(),
            cursor,
        }
    }

    /// The age of the oldest event after the cursor that matches, 0 if there is none.
    pub async fn lag_seconds(&self, line: &Line, events: &EventStore, head: Position) -> Result<f64, StoreError> {
        let Some(filter) = self.router.filter(&line.target_id, &line.instance_id) else { return Ok(0.0) };
        let mut after = line.cursor.key.clone();
        for _ in 0..SCANS {
            let request = PageRequest {
                instance: &line.instance_id,
                after: &after,
                up_to: head,
                filter: Some(&filter),
                limit: 100,
                max_bytes: 64 * 1024,
            };
            let page = events.page(&request).await?;
            let concerns = |row: &&Row| {
                row.event_type().is_none_or(|one| self.router.concerns(&line.target_id, &line.instance_id, one))
            };
            if let Some(row) = page.rows.iter().find(concerns) {
                return Ok(match row {
                    Row::Event(event) => clock::now().duration_since(event.created_at).as_secs_f64().max(0.0),
                    Row::Broken(_) => 0.0,
                });
            }
            match page.end {
                Some(end) if page.more => after = end,
                _ => break,
            }
        }
        Ok(0.0)
    }

    /// How many events after the cursor can match, up to [`COUNT_CAP`].
    pub async fn lag_events(&self, line: &Line, events: &EventStore, head: Position) -> Result<u64, StoreError> {
        let Some(filter) = self.router.filter(&line.target_id, &line.instance_id) else { return Ok(0) };
        let request = PageRequest {
            instance: &line.instance_id,
            after: &line.cursor.key,
            up_to: head,
            filter: Some(&filter),
            limit: usize::MAX,
            max_bytes: usize::MAX,
        };
        events.count(&request, COUNT_CAP).await
    }
}
