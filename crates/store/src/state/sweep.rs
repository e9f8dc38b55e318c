//! Retention: what nothing needs any more goes, in short transactions of a bounded number of rows, by the database's clock.
//!
//! Invariants: nothing that a courier has in its hands is touched (failed events go under the lock of their cursor, and only
//! parked and interrupted ones); several daemons may sweep at once. What this file deliberately does not do: guess that an
//! instance is gone because it has no events.

use std::{collections::BTreeSet, time::Duration};

use domain::{CursorId, EventKey, TargetId};

use super::{
    State, cursors,
    database::{Statement, Work},
    failed,
    row::{self, KEY_COLUMNS},
    web_keys,
};
use crate::StoreError;

/// Rows a transaction.
const BATCH: u32 = 1000;
/// Between two of them, so that others have their turn: a SQLite file has one writer.
const PAUSE: Duration = Duration::from_millis(20);

const OLD_FAILED: &str = "SELECT cursor_id, {key} FROM failed_events
     WHERE status IN ('parked', 'interrupted') AND last_failed < {now} - $1 ORDER BY last_failed LIMIT $2";
const DELETE_OLD_FAILED: &str = "DELETE FROM failed_events WHERE status IN ('parked', 'interrupted')
     AND last_failed < {now} - $1 AND (cursor_id, {key}) IN (VALUES {rows})";

const OLD_DELIVERIES: &str = "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries
     WHERE started_at < {now} - $1 ORDER BY started_at, id LIMIT $2 {for update})";
const CROWDED: &str = "SELECT target_id FROM deliveries GROUP BY target_id HAVING count(*) > $1 ORDER BY target_id";
const CROWD_ENDS: &str = "SELECT id, started_at FROM deliveries WHERE target_id = $1
     ORDER BY started_at DESC, id DESC LIMIT 1 OFFSET $2";
const CROWDED_DELIVERIES: &str = "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries
     WHERE target_id = $1 AND (started_at, id) <= ($2, $3) ORDER BY started_at, id LIMIT $4 {for update})";

const OLD_AUDIT: &str = "DELETE FROM audit WHERE id IN (SELECT id FROM audit
     WHERE at < {now} - $1 ORDER BY at, id LIMIT $2 {for update})";

const OLD_TOKENS: &str = "DELETE FROM tokens WHERE id IN (SELECT id FROM tokens
     WHERE coalesce(revoked_at, expires_at) < {now} - $1 LIMIT $2 {for update})";

const OLD_WEB_KEYS: &str = "DELETE FROM web_keys WHERE id IN (SELECT id FROM web_keys
     WHERE retired_at <= {now} - $1 LIMIT $2 {for update})";

/// An execution cannot name a target that was removed; should one do so, the target stays.
const REMOVED: &str = "SELECT id FROM targets WHERE removed_at < {now} - $1
     AND NOT EXISTS (SELECT 1 FROM execution_targets WHERE execution_targets.target_id = targets.id) ORDER BY id";
const DELIVERIES_OF: &str = "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries
     WHERE target_id = $1 ORDER BY started_at, id LIMIT $2 {for update})";
const FAILED_OF: &str = "SELECT cursor_id, {key} FROM failed_events
     WHERE cursor_id IN (SELECT id FROM cursors WHERE target_id = $1) LIMIT $2";
const DELETE_CURSORS: &str = "DELETE FROM cursors WHERE target_id = $1";
const DELETE_TARGET: &str = "DELETE FROM targets WHERE id = $1 AND removed_at IS NOT NULL";

/// How long things are kept that nothing needs any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retention {
    /// Failed events that were parked or interrupted, since they failed last.
    pub parked: Duration,
    /// Attempts, since they began.
    pub deliveries: Duration,
    /// Attempts of each target, whatever their age.
    pub deliveries_per_target: u32,
    /// Operators' acts.
    pub audit: Duration,
    /// Targets that were removed, with their cursors and failed events.
    pub removed: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |days: u64| Duration::from_hours(24 * days);
        Self { parked: days(90), deliveries: days(7), deliveries_per_target: 1000, audit: days(365), removed: days(30) }
    }
}

/// What goes in one sweep.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sweep {
    /// Parked and interrupted events that are too old.
    FailedEvents,
    /// Attempts that are too old, and those of a target that has too many.
    Deliveries,
    /// Operators' acts that are too old, and tokens that have been worth nothing for as long.
    Audit,
    /// Targets that were removed long ago.
    RemovedTargets,
    /// Web keys that are not published any more, with their private halves.
    WebKeys,
}

impl Sweep {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::FailedEvents, Self::Deliveries, Self::Audit, Self::RemovedTargets, Self::WebKeys];

    /// A short word for a metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FailedEvents => "failed_events",
            Self::Deliveries => "deliveries",
            Self::Audit => "audit",
            Self::RemovedTargets => "removed_targets",
            Self::WebKeys => "web_keys",
        }
    }
}

impl State {
    /// Removes all that is due, batch by batch, and returns how much: rows, and for removed targets the targets. What was
    /// removed before an error, or before the future is dropped, stays removed.
    pub async fn sweep(&self, what: Sweep, retention: &Retention) -> Result<u64, StoreError> {
        match what {
            Sweep::FailedEvents => self.sweep_failed_events(micros(retention.parked)).await,
            Sweep::Deliveries => {
                let age = micros(retention.deliveries);
                let old = self.in_batches(|work| work.sql(OLD_DELIVERIES).bind(age).bind(i64::from(BATCH))).await?;
                Ok(old + self.sweep_crowded_deliveries(retention.deliveries_per_target).await?)
            }
            Sweep::Audit => {
                let age = micros(retention.audit);
                let old = self.in_batches(|work| work.sql(OLD_AUDIT).bind(age).bind(i64::from(BATCH))).await?;
                Ok(old + self.in_batches(|work| work.sql(OLD_TOKENS).bind(age).bind(i64::from(BATCH))).await?)
            }
            Sweep::RemovedTargets => self.sweep_removed_targets(micros(retention.removed)).await,
            Sweep::WebKeys => {
                let published = web_keys::PUBLISHED_AFTER;
                self.in_batches(|work| work.sql(OLD_WEB_KEYS).bind(published).bind(i64::from(BATCH))).await
            }
        }
    }

    /// Runs a statement, each time as a transaction of its own, until it finds nothing.
    async fn in_batches(&self, statement: impl Fn(&Work) -> Statement) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let mut work = self.database.read("remove what is kept no longer").await?;
            let done = work.run(statement(&work)).await?;
            drop(work);
            all += done;
            if done < u64::from(BATCH) {
                return Ok(all);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn sweep_failed_events(&self, age: i64) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let mut work = self.database.write("remove old failed events").await?;
            let sql = OLD_FAILED.replace("{key}", KEY_COLUMNS);
            let statement = work.sql(&sql).bind(age).bind(i64::from(BATCH));
            let due = keys(&mut work, statement).await?;
            if due.is_empty() {
                work.rollback().await?;
                return Ok(all);
            }
            // Only under this lock do they change; what an operator asked for meanwhile is found not to be due any more.
            let ids: BTreeSet<CursorId> = due.iter().map(|(cursor, _)| *cursor).collect();
            cursors::lock(&mut work, &ids).await?;
            let mut done = 0;
            for chunk in due.chunks(work.rows_at_once()) {
                let sql = DELETE_OLD_FAILED.replace("{key}", KEY_COLUMNS);
                let mut statement =
                    work.sql_once(&sql.replace("{rows}", &row::placeholders(chunk.len(), 7, 2))).bind(age);
                for (cursor, key) in chunk {
                    statement = row::bind_key!(statement.bind(cursor.0), key);
                }
                done += work.run(statement).await?;
            }
            work.commit().await?;
            all += done;
            if done == 0 {
                return Ok(all);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn sweep_crowded_deliveries(&self, keep: u32) -> Result<u64, StoreError> {
        let mut work = self.database.read("count attempts").await?;
        let rows = work.rows(work.sql(CROWDED).bind(i64::from(keep))).await?;
        let crowded: Vec<String> = work.decoded(rows.iter().map(|row| row::text(row, "target_id")).collect())?;
        let mut all = 0;
        for target in crowded {
            let row = work.row(work.sql(CROWD_ENDS).bind(target.clone()).bind(i64::from(keep))).await?;
            let decode = |row| Ok((row::number(row, "started_at")?, row::number(row, "id")?));
            let Some((at, id)) = work.decoded(row.as_ref().map(decode).transpose())? else { continue };
            let statement = |work: &Work| {
                work.sql(CROWDED_DELIVERIES).bind(target.clone()).bind(at).bind(id).bind(i64::from(BATCH))
            };
            all += self.in_batches(statement).await?;
        }
        Ok(all)
    }

    async fn sweep_removed_targets(&self, age: i64) -> Result<u64, StoreError> {
        let mut work = self.database.read("list targets that were removed").await?;
        let rows = work.rows(work.sql(REMOVED).bind(age)).await?;
        let removed: Vec<TargetId> =
            work.decoded(rows.iter().map(|row| row::text(row, "id").map(Into::into)).collect())?;
        drop(work);
        let mut all = 0;
        for target in &removed {
            let id = target.to_string();
            self.in_batches(|work| work.sql(DELIVERIES_OF).bind(id.clone()).bind(i64::from(BATCH))).await?;
            while self.remove_failed_events_of(target).await? > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let mut work = self.database.write("remove a target for good").await?;
            cursors::lock_of_targets(&mut work, &BTreeSet::from([target])).await?;
            work.run(work.sql(DELETE_CURSORS).bind(id.clone())).await?;
            all += work.run(work.sql(DELETE_TARGET).bind(id)).await?;
            work.commit().await?;
        }
        Ok(all)
    }

    async fn remove_failed_events_of(&self, target: &TargetId) -> Result<usize, StoreError> {
        let mut work = self.database.write("remove the failed events of a removed target").await?;
        cursors::lock_of_targets(&mut work, &BTreeSet::from([target])).await?;
        let sql = FAILED_OF.replace("{key}", KEY_COLUMNS);
        let statement = work.sql(&sql).bind(target.to_string()).bind(i64::from(BATCH));
        let found = keys(&mut work, statement).await?;
        failed::remove(&mut work, &found).await?;
        work.commit().await?;
        Ok(found.len())
    }
}

async fn keys(work: &mut Work, statement: Statement) -> Result<Vec<(CursorId, EventKey)>, StoreError> {
    let rows = work.rows(statement).await?;
    let decode = |row| Ok((CursorId(row::number(row, "cursor_id")?), row::key(row)?));
    work.decoded(rows.iter().map(decode).collect())
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}
