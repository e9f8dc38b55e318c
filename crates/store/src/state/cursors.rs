//! Cursors as rows: reading, creating and locking them.

use std::collections::{BTreeSet, HashMap};

use domain::{Cursor, CursorId, Epoch, EventKey, FailedEvent, FailedStatus, InstanceId, TargetId};
use serde::Serialize;

use super::{
    State,
    database::{Rows, Work},
    failed,
    row::{self, CURSOR_COLUMNS},
};
use crate::StoreError;

const ENSURE: &str = "INSERT INTO cursors (target_id, instance_id, epoch, position, in_tx_order, event_instance_id,
     aggregate_type, aggregate_id, sequence, parked_in_a_row, generation, last_updated, state)
     SELECT column1, column2, 0, column3, column4, column5, column6, column7, column8, 0, 0, {now}, 'catching_up'
     FROM (VALUES {rows}) AS wanted WHERE column1 IS NOT NULL
     ON CONFLICT (target_id, instance_id) DO NOTHING";
const RAISE_EPOCH: &str = "UPDATE cursors SET epoch = epoch + 1, last_updated = {now} WHERE id = $1";

const LOCK_EPOCHS: &str = "SELECT id, epoch FROM cursors WHERE id IN (SELECT wanted.id FROM {rows})
     ORDER BY id {for update}";

#[derive(Serialize)]
pub(super) struct WantedCursor {
    pub(super) id: i64,
}

/// Cursors by their ids.
pub(super) const WANTED: Rows = Rows { name: "wanted", columns: &[("id", "BIGINT")] };

impl State {
    /// Creates the cursors that are missing; those that are there stay as they are.
    pub async fn ensure_cursors(&self, wanted: &[(TargetId, InstanceId, EventKey)]) -> Result<(), StoreError> {
        let mut wanted: Vec<_> = wanted.iter().collect();
        wanted.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
        wanted.dedup_by(|one, other| (&one.0, &one.1) == (&other.0, &other.1));
        let mut work = self.database.write("create cursors").await?;
        for chunk in wanted.chunks(work.rows_at_once()) {
            let mut statement = work.sql_once(&ENSURE.replace("{rows}", &row::placeholders(chunk.len(), 8, 1)));
            for (target, instance, key) in chunk {
                statement = statement.bind(target.to_string()).bind(instance.to_string());
                statement = row::bind_key!(statement, key);
            }
            work.run(statement).await?;
        }
        work.commit().await
    }

    /// Every cursor, those of removed targets included, ordered by target name and instance.
    pub async fn cursors(&self) -> Result<Vec<Cursor>, StoreError> {
        let mut work = self.database.read("read the cursors").await?;
        let sql = format!(
            "SELECT {CURSOR_COLUMNS} FROM cursors
             ORDER BY (SELECT name FROM targets WHERE targets.id = cursors.target_id), target_id, instance_id"
        );
        let rows = work.rows(work.sql(&sql)).await?;
        work.decoded(rows.iter().map(row::cursor).collect())
    }

    /// One cursor.
    pub async fn cursor(&self, target: &TargetId, instance: &InstanceId) -> Result<Option<Cursor>, StoreError> {
        let mut work = self.database.read("read a cursor").await?;
        let sql = format!("SELECT {CURSOR_COLUMNS} FROM cursors WHERE target_id = $1 AND instance_id = $2");
        let row = work.row(work.sql(&sql).bind(target.to_string()).bind(instance.to_string())).await?;
        work.decoded(row.as_ref().map(row::cursor).transpose())
    }

    /// What an operator asked to be sent again: settled events, at the cursor, before it or ahead of it, whose status is
    /// retrying. The first of them in order, so many at the most, and whether there are more.
    pub async fn retries(&self, id: CursorId, most: usize) -> Result<(Vec<FailedEvent>, bool), StoreError> {
        let mut work = self.database.snapshot("read what is to be retried").await?;
        let Some(cursor) = by_id(&mut work, id).await? else {
            work.rollback().await?;
            return Ok((Vec::new(), false));
        };
        // Those that the cursor waits for have the same status, and are no more than what is open, or the head.
        let open = cursor.ahead.as_ref().map_or(1, |ahead| ahead.open.len() + 1);
        let mut failed = failed::first_retrying(&mut work, id, most + open + 1).await?;
        work.rollback().await?;
        failed.retain(|failed| cursor.has_settled(&failed.key));
        let more = failed.len() > most;
        failed.truncate(most);
        Ok((failed, more))
    }
}

async fn by_id(work: &mut Work, id: CursorId) -> Result<Option<Cursor>, StoreError> {
    let row = work.row(work.sql(&format!("SELECT {CURSOR_COLUMNS} FROM cursors WHERE id = $1")).bind(id.0)).await?;
    work.decoded(row.as_ref().map(row::cursor).transpose())
}

/// Locks cursors, in the order of their ids, and reads their epochs. Those that are not there are left out.
pub(super) async fn lock_epochs(
    work: &mut Work,
    ids: impl Iterator<Item = &CursorId>,
) -> Result<HashMap<CursorId, Epoch>, StoreError> {
    let wanted: Vec<_> = ids.map(|id| WantedCursor { id: id.0 }).collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let statement = work.sql(&LOCK_EPOCHS.replace("{rows}", &work.rows_bound(&WANTED))).bind(row::to_json(&wanted));
    let rows = work.rows(statement).await?;
    let decode = |row| Ok((CursorId(row::number(row, "id")?), Epoch(row::number(row, "epoch")?)));
    work.decoded(rows.iter().map(decode).collect())
}

/// Locks cursors, in the order of their ids. Those that are not there are left out.
pub(super) async fn lock(work: &mut Work, ids: &BTreeSet<CursorId>) -> Result<Vec<Cursor>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut statement = work.sql_once(&format!(
        "SELECT {CURSOR_COLUMNS} FROM cursors WHERE id IN {} ORDER BY id {{for update}}",
        row::placeholders(1, ids.len(), 1)
    ));
    for id in ids {
        statement = statement.bind(id.0);
    }
    let rows = work.rows(statement).await?;
    work.decoded(rows.iter().map(row::cursor).collect())
}

/// Locks the cursors of some targets, in the order of their ids.
pub(super) async fn lock_of_targets(work: &mut Work, targets: &BTreeSet<&TargetId>) -> Result<Vec<Cursor>, StoreError> {
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let mut statement = work.sql_once(&format!(
        "SELECT {CURSOR_COLUMNS} FROM cursors WHERE target_id IN {} ORDER BY id {{for update}}",
        row::placeholders(1, targets.len(), 1)
    ));
    for target in targets {
        statement = statement.bind(target.to_string());
    }
    let rows = work.rows(statement).await?;
    work.decoded(rows.iter().map(row::cursor).collect())
}

/// Fences off whoever owns the cursor.
pub(super) async fn raise_epoch(work: &mut Work, id: CursorId) -> Result<(), StoreError> {
    work.run(work.sql(RAISE_EPOCH).bind(id.0)).await.map(drop)
}

/// Forgets what failed ahead of the cursor: it will be reached again, and counted from the start.
pub(super) async fn forget_head_failures(work: &mut Work, cursor: &Cursor) -> Result<(), StoreError> {
    let waiting = failed::of_cursor(work, cursor.id, &[FailedStatus::Retrying, FailedStatus::Halted]).await?;
    let ahead: Vec<_> =
        (waiting.into_iter().filter(|failed| failed.key > cursor.key)).map(|failed| (cursor.id, failed.key)).collect();
    failed::remove(work, &ahead).await
}
