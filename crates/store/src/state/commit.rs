//! The ledger's commit: what many couriers settled, in one transaction and a handful of statements.
//!
//! Invariants: a settlement whose epoch is not the row's is dropped and changes nothing, and the others of its group are
//! committed all the same; every cursor is locked before anything is written, in the order of ids; a cursor's row, its
//! failed events and what it denied to others change together or not at all.

use std::collections::{BTreeMap, HashMap};

use domain::{CursorId, Epoch, EventKey, FailedChange, FailedEvent, Settlement, Timestamp};
use serde::Serialize;

use super::{
    State, cursors,
    database::{Rows, Work},
    denials, failed, horizon,
    horizon::HorizonMark,
    row,
};
use crate::StoreError;

/// The rows of a group are one parameter: however many there are, it is the same statement, prepared once.
const MOVE: &str = "UPDATE cursors SET position = moved.position, in_tx_order = moved.in_tx_order,
     event_instance_id = moved.event_instance_id, aggregate_type = moved.aggregate_type,
     aggregate_id = moved.aggregate_id, sequence = moved.sequence, event_date = moved.event_date,
     delivered_position = moved.delivered_position, delivered_in_tx_order = moved.delivered_in_tx_order,
     parked_in_a_row = moved.parked_in_a_row, state = moved.state, reason = moved.reason, ahead = moved.ahead,
     last_updated = {now}
     FROM {rows} WHERE cursors.id = moved.id AND cursors.epoch = moved.epoch";

/// A cursor's row as it shall be.
#[derive(Serialize)]
struct Moved<'a> {
    id: i64,
    epoch: i64,
    position: String,
    in_tx_order: i64,
    event_instance_id: &'a str,
    aggregate_type: &'a str,
    aggregate_id: &'a str,
    sequence: i64,
    event_date: Option<i64>,
    delivered_position: Option<String>,
    delivered_in_tx_order: Option<i64>,
    parked_in_a_row: u32,
    state: &'static str,
    reason: Option<String>,
    ahead: Option<String>,
}

const MOVED: Rows = Rows {
    name: "moved",
    columns: &[
        ("id", "BIGINT"),
        ("epoch", "BIGINT"),
        ("position", "TEXT"),
        ("in_tx_order", "BIGINT"),
        ("event_instance_id", "TEXT"),
        ("aggregate_type", "TEXT"),
        ("aggregate_id", "TEXT"),
        ("sequence", "BIGINT"),
        ("event_date", "BIGINT"),
        ("delivered_position", "TEXT"),
        ("delivered_in_tx_order", "BIGINT"),
        ("parked_in_a_row", "BIGINT"),
        ("state", "TEXT"),
        ("reason", "TEXT"),
        ("ahead", "TEXT"),
    ],
};

/// What is left of all settlements of one cursor: the last row, what became of each failed event, and all that it denied.
struct Merged<'a> {
    epoch: Epoch,
    row: &'a Settlement,
    failed: HashMap<&'a EventKey, Last<'a>>,
    denied: Vec<&'a EventKey>,
}

/// The last change of a failed event.
struct Last<'a> {
    put: Option<&'a FailedEvent>,
    /// A row that is there goes first, `first_failed` with it.
    remove: bool,
}

impl State {
    /// Commits settlements, in the order given, and raises the horizon's watermark.
    ///
    /// Returns the cursors whose epoch was not the one presented, or that are gone, in the order of ids: nothing of
    /// theirs was written, and their couriers must stop. Where settlements of one cursor present several epochs, the
    /// highest one speaks.
    pub async fn commit(
        &self,
        settlements: &[(CursorId, Epoch, Settlement)],
        horizon: Option<&HorizonMark>,
    ) -> Result<Vec<CursorId>, StoreError> {
        if settlements.is_empty() && horizon.is_none() {
            return Ok(Vec::new());
        }
        let mut merged = merge(settlements);
        let mut work = self.database.write("commit settlements").await?;
        let mut fenced = Vec::new();
        let epochs: HashMap<CursorId, Epoch> = cursors::lock_epochs(&mut work, merged.keys()).await?;
        merged.retain(|id, merged| {
            let holds = epochs.get(id) == Some(&merged.epoch);
            if !holds {
                fenced.push(*id);
            }
            holds
        });
        write_failed(&mut work, &merged).await?;
        write_cursors(&mut work, &merged).await?;
        let denied = merged.iter().flat_map(|(id, merged)| merged.denied.iter().map(|key| (*id, *key)));
        denials::record_of_gates(&mut work, &denied.collect::<Vec<_>>()).await?;
        if let Some(mark) = horizon {
            horizon::keep(&mut work, mark).await?;
        }
        work.commit().await?;
        Ok(fenced)
    }
}

fn merge(settlements: &[(CursorId, Epoch, Settlement)]) -> BTreeMap<CursorId, Merged<'_>> {
    let mut merged: BTreeMap<CursorId, Merged<'_>> = BTreeMap::new();
    for (id, epoch, settlement) in settlements {
        let new = || Merged { epoch: *epoch, row: settlement, failed: HashMap::new(), denied: Vec::new() };
        let entry = merged.entry(*id).or_insert_with(new);
        if *epoch < entry.epoch {
            continue;
        }
        if *epoch > entry.epoch {
            *entry = new();
        }
        entry.row = settlement;
        entry.denied.extend(&settlement.denied);
        for change in &settlement.failed {
            match change {
                FailedChange::Put(failed) => {
                    entry.failed.entry(&failed.key).or_insert(Last { put: None, remove: false }).put = Some(failed);
                }
                FailedChange::Remove(key) => {
                    entry.failed.insert(key, Last { put: None, remove: true });
                }
            }
        }
    }
    merged
}

async fn write_failed(work: &mut Work, merged: &BTreeMap<CursorId, Merged<'_>>) -> Result<(), StoreError> {
    let (mut removed, mut put) = (Vec::new(), Vec::new());
    for (id, merged) in merged {
        for (key, last) in &merged.failed {
            if last.remove {
                removed.push((*id, (*key).clone()));
            }
            put.extend(last.put.map(|failed| (*id, failed)));
        }
    }
    failed::remove(work, &removed).await?;
    failed::put(work, &put).await
}

async fn write_cursors(work: &mut Work, merged: &BTreeMap<CursorId, Merged<'_>>) -> Result<(), StoreError> {
    if merged.is_empty() {
        return Ok(());
    }
    let moved: Vec<_> = merged.iter().map(|(id, Merged { epoch, row, .. })| Moved::of(*id, *epoch, row)).collect();
    let statement = work.sql(&MOVE.replace("{rows}", &work.rows_bound(&MOVED))).bind(row::to_json(&moved));
    if work.run(statement).await? != moved.len() as u64 {
        return Err(work.invalid("a cursor changed while its row was locked"));
    }
    Ok(())
}

impl<'a> Moved<'a> {
    fn of(id: CursorId, epoch: Epoch, row: &'a Settlement) -> Self {
        Self {
            id: id.0,
            epoch: epoch.0,
            position: row.key.position.to_string(),
            in_tx_order: row.key.in_tx_order,
            event_instance_id: row.key.instance_id.as_str(),
            aggregate_type: row.key.aggregate_type.as_str(),
            aggregate_id: row.key.aggregate_id.as_str(),
            sequence: row.key.sequence,
            event_date: row.event_date.map(Timestamp::as_microsecond),
            delivered_position: row.delivered.map(|(position, _)| position.to_string()),
            delivered_in_tx_order: row.delivered.map(|(_, in_tx_order)| in_tx_order),
            parked_in_a_row: row.parked_in_a_row,
            state: row.state.as_str(),
            reason: row.reason.as_deref().map(row::clean),
            ahead: row.ahead.as_ref().map(row::to_json),
        }
    }
}
