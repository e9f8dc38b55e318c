//! The ledger's commit: what many couriers settled, in one transaction and a handful of statements.
//!
//! Invariants: a settlement whose epoch is not the row's is dropped and changes nothing, and the others of its group are
//! committed all the same; every cursor is locked before anything is written, in the order of ids; a cursor's row, its
//! failed events and what it denied to others change together or not at all.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::{CursorId, Epoch, EventKey, FailedChange, FailedEvent, Settlement, Timestamp};

use super::{State, cursors, database::Work, denials, failed, horizon, horizon::HorizonMark, row};
use crate::StoreError;

const MOVE: &str = "UPDATE cursors SET position = moved.column3, in_tx_order = moved.column4,
     event_instance_id = moved.column5, aggregate_type = moved.column6, aggregate_id = moved.column7,
     sequence = moved.column8, event_date = moved.column9, delivered_position = moved.column10,
     delivered_in_tx_order = moved.column11, parked_in_a_row = moved.column12, state = moved.column13,
     reason = moved.column14, ahead = moved.column15, last_updated = {now}
     FROM (VALUES {rows}) AS moved WHERE cursors.id = moved.column1 AND cursors.epoch = moved.column2";
const MOVE_COLUMNS: usize = 15;

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
        let ids: Vec<CursorId> = merged.keys().copied().collect();
        for chunk in ids.chunks(work.rows_at_once()) {
            let chunk: BTreeSet<CursorId> = chunk.iter().copied().collect();
            let rows = cursors::lock(&mut work, &chunk).await?;
            let epochs: HashMap<CursorId, Epoch> = rows.iter().map(|cursor| (cursor.id, cursor.epoch)).collect();
            for id in chunk {
                if merged.get(&id).map(|merged| merged.epoch) != epochs.get(&id).copied() {
                    merged.remove(&id);
                    fenced.push(id);
                }
            }
        }
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
    let all: Vec<_> = merged.iter().collect();
    for chunk in all.chunks(work.rows_at_once()) {
        let mut statement = work.sql_once(&MOVE.replace("{rows}", &row::placeholders(chunk.len(), MOVE_COLUMNS, 1)));
        for (id, Merged { epoch, row, .. }) in chunk {
            statement = row::bind_key!(statement.bind(id.0).bind(epoch.0), row.key)
                .bind(row.event_date.map(Timestamp::as_microsecond))
                .bind(row.delivered.map(|(position, _)| position.to_string()))
                .bind(row.delivered.map(|(_, in_tx_order)| in_tx_order))
                .bind(i64::from(row.parked_in_a_row))
                .bind(row.state.as_str())
                .bind(row.reason.as_deref().map(row::clean))
                .bind(row.ahead.as_ref().map(row::to_json));
        }
        if work.run(statement).await? != chunk.len() as u64 {
            return Err(work.invalid("a cursor changed while its row was locked"));
        }
    }
    Ok(())
}
