//! What a target with `interrupt_on_error` settled without delivering it, for the targets behind it.
//!
//! A range of keys is stored with both ends. Where they are the same it is that event; where they differ, an operator
//! moved the cursor from the first to the last, and all between them was skipped: without the first, with the last.
//! Rows are kept until everybody behind the target has passed them.

use std::collections::BTreeSet;

use domain::{Cursor, CursorId, Denied, EventKey, InstanceId, TargetId};

use super::{
    State,
    database::Work,
    row::{self, CURSOR_COLUMNS},
};
use crate::StoreError;

const OF_CURSOR: &str = "SELECT first_key, last_key FROM denials WHERE cursor_id = $1";
const GIVEN_UP: &str =
    "SELECT cursor_id, position, in_tx_order, event_instance_id, aggregate_type, aggregate_id, sequence
     FROM failed_events WHERE status IN ('parked', 'interrupted')
     AND cursor_id IN (SELECT id FROM cursors WHERE target_id = $1)";
const FORGET_ALL: &str = "DELETE FROM denials WHERE cursor_id IN (SELECT id FROM cursors WHERE target_id = $1)";
const OF_GATES: &str = "SELECT cursors.id FROM cursors JOIN targets ON targets.id = cursors.target_id
     WHERE targets.interrupt_on_error = 1 AND cursors.id IN {cursors}";
const FORGET: &str = "DELETE FROM denials WHERE cursor_id = $1 AND first_key = $2 AND last_key = $3";

/// What is denied by which cursor.
pub(super) type Denial<'a> = (CursorId, &'a EventKey, &'a EventKey);

/// Writes denials down; one that is there already does no harm.
pub(super) async fn record(work: &mut Work, denials: &[Denial<'_>]) -> Result<(), StoreError> {
    for chunk in denials.chunks(work.rows_at_once()) {
        let mut statement = work.sql_once(&format!(
            "INSERT INTO denials (cursor_id, first_key, last_key) VALUES {} ON CONFLICT DO NOTHING",
            row::placeholders(chunk.len(), 3, 1)
        ));
        for (cursor, first, last) in chunk {
            statement =
                statement.bind(cursor.0).bind(row::clean(&row::to_json(first))).bind(row::clean(&row::to_json(last)));
        }
        work.run(statement).await?;
    }
    Ok(())
}

/// The ranges that a cursor has denied.
pub(super) async fn of_cursor(work: &mut Work, id: CursorId) -> Result<Vec<(EventKey, EventKey)>, StoreError> {
    let rows = work.rows(work.sql(OF_CURSOR).bind(id.0)).await?;
    let decode = |row| Ok((row::json(row, "first_key")?, row::json(row, "last_key")?));
    work.decoded(rows.iter().map(decode).collect())
}

/// Forgets what a cursor has denied beyond a place that it was moved back to: it comes to those events again.
pub(super) async fn forget_beyond(work: &mut Work, id: CursorId, place: &EventKey) -> Result<(), StoreError> {
    for (first, last) in of_cursor(work, id).await? {
        if last > *place {
            forget(work, id, &first, &last).await?;
            if first < *place {
                record(work, &[(id, &first, place)]).await?;
            }
        }
    }
    Ok(())
}

/// Of what couriers settled without delivering it, writes down what others may wait for: that of targets with
/// `interrupt_on_error`, as they are defined now.
pub(super) async fn record_of_gates(work: &mut Work, denied: &[(CursorId, &EventKey)]) -> Result<(), StoreError> {
    let cursors: BTreeSet<CursorId> = denied.iter().map(|(cursor, _)| *cursor).collect();
    let mut gates = BTreeSet::new();
    for chunk in cursors.into_iter().collect::<Vec<_>>().chunks(work.rows_at_once()) {
        let sql = OF_GATES.replace("{cursors}", &row::placeholders(1, chunk.len(), 1));
        let mut statement = work.sql_once(&sql);
        for cursor in chunk {
            statement = statement.bind(cursor.0);
        }
        for row in work.rows(statement).await? {
            gates.insert(CursorId(work.decoded(row::number(&row, "id"))?));
        }
    }
    let of_gates = denied.iter().filter(|(cursor, _)| gates.contains(cursor));
    record(work, &of_gates.map(|(cursor, key)| (*cursor, *key, *key)).collect::<Vec<_>>()).await
}

/// A target interrupts those behind it from now on: what it has given up is denied to them.
pub(super) async fn begin(work: &mut Work, target: &TargetId) -> Result<(), StoreError> {
    let rows = work.rows(work.sql(GIVEN_UP).bind(target.to_string())).await?;
    let decode = |row| Ok((CursorId(row::number(row, "cursor_id")?), row::key(row)?));
    let given_up: Vec<(CursorId, EventKey)> = work.decoded(rows.iter().map(decode).collect())?;
    record(work, &given_up.iter().map(|(cursor, key)| (*cursor, key, key)).collect::<Vec<_>>()).await
}

/// Nobody waits for a target any more.
pub(super) async fn end(work: &mut Work, target: &TargetId) -> Result<(), StoreError> {
    work.run(work.sql(FORGET_ALL).bind(target.to_string())).await.map(drop)
}

async fn forget(work: &mut Work, id: CursorId, first: &EventKey, last: &EventKey) -> Result<(), StoreError> {
    let statement = work.sql(FORGET).bind(id.0).bind(row::to_json(first)).bind(row::to_json(last));
    work.run(statement).await.map(drop)
}

impl State {
    /// The cursors of gates as they are committed, in no order, and what each of them denied where that is not known
    /// already. A gate without a cursor is left out.
    pub async fn gates(
        &self,
        gates: &[(TargetId, InstanceId)],
        mut is_known: impl FnMut(&Cursor) -> bool,
    ) -> Result<Vec<(Cursor, Option<Denied>)>, StoreError> {
        let mut work = self.database.snapshot("read how far the targets before others have come").await?;
        let mut read: Vec<(Cursor, Option<Denied>)> = Vec::new();
        for chunk in gates.chunks(work.rows_at_once()) {
            let rows = row::placeholders(chunk.len(), 2, 1);
            let sql = format!("SELECT {CURSOR_COLUMNS} FROM cursors WHERE (target_id, instance_id) IN (VALUES {rows})");
            let mut statement = work.sql_once(&sql);
            for (target, instance) in chunk {
                statement = statement.bind(target.to_string()).bind(instance.to_string());
            }
            let rows = work.rows(statement).await?;
            let cursors: Vec<Cursor> = work.decoded(rows.iter().map(row::cursor).collect())?;
            read.extend(cursors.into_iter().map(|cursor| (cursor, None)));
        }
        for (cursor, denied) in read.iter_mut().filter(|(cursor, _)| !is_known(cursor)) {
            let mut all = Denied::default();
            for (first, last) in of_cursor(&mut work, cursor.id).await? {
                all.add(first, last);
            }
            *denied = Some(all);
        }
        work.rollback().await?;
        Ok(read)
    }

    /// Forgets what a cursor has denied and nobody behind it waits for any more: all of it is at or before `passed`.
    pub async fn forget_denials(&self, id: CursorId, passed: &EventKey) -> Result<(), StoreError> {
        let mut work = self.database.write("forget what was denied long ago").await?;
        for (first, last) in of_cursor(&mut work, id).await? {
            if last <= *passed {
                forget(&mut work, id, &first, &last).await?;
            }
        }
        work.commit().await
    }
}
