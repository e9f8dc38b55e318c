//! Leases: which worker has which target. They have no end of their own; they end with the worker's session.
//!
//! A target that nobody has leased has no row here.

use std::collections::BTreeMap;

use domain::TargetId;

use super::{
    State, row,
    workers::{self, HOLD, Session, Worker, WorkerId},
};
use crate::StoreError;

const TAKE: &str = "INSERT INTO leases (target_id, worker_id, acquired_at)
     SELECT column1, column2, {now} FROM (VALUES {rows}) AS wanted WHERE column1 IS NOT NULL
     ON CONFLICT (target_id) DO NOTHING RETURNING target_id";
const GIVE_BACK: &str = "DELETE FROM leases WHERE worker_id = $1 AND target_id IN {targets}";
const LEASES: &str = "SELECT target_id, worker_id FROM leases";
const LOOK: &str = "SELECT {now} AS now, (SELECT revision FROM revision WHERE id = 1) AS revision,
     (SELECT version FROM membership WHERE id = 1) AS membership,
     (SELECT count(*) FROM workers WHERE standing IN ('working', 'leaving') AND id <> $1
     AND (expires_at <= {now} OR expires_at > {now} + lease_duration + 1000000)) AS doubtful";

/// What a daemon asks for several times a second, in one statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    /// The database's clock.
    pub now: domain::Timestamp,
    /// See [`State::revision`].
    pub revision: i64,
    /// Raised whenever a worker joins, leaves, is buried or gives a lease back.
    pub membership: i64,
    /// The lease of another worker has run out, or runs longer than it can.
    pub doubtful: bool,
}

/// Who there is and what everybody has, at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Crowd {
    /// See [`Look::membership`].
    pub membership: i64,
    /// Every worker that is [at work](Worker::is_at_work), dead ones that were not buried included.
    pub workers: Vec<Worker>,
    /// Who has leased each target. What is not here is free.
    pub holders: BTreeMap<TargetId, WorkerId>,
}

impl State {
    /// Whether there is anything new for this worker to look at.
    pub async fn look(&self, session: &Session) -> Result<Look, StoreError> {
        let mut work = self.database.read("look for changes").await?;
        let row = work.row(work.sql(LOOK).bind(session.worker.0.clone())).await?;
        let row = row.ok_or_else(|| work.invalid("there was no answer"))?;
        let look = || {
            Ok(Look {
                now: row::time(&row, "now")?,
                revision: row::number(&row, "revision")?,
                membership: row::number(&row, "membership")?,
                doubtful: row::number(&row, "doubtful")? > 0,
            })
        };
        work.decoded(look())
    }

    /// Who shares the targets, and how.
    pub async fn crowd(&self) -> Result<Crowd, StoreError> {
        let mut work = self.database.snapshot("read the leases").await?;
        let row = work.row(work.sql("SELECT version FROM membership WHERE id = 1")).await?;
        let row = row.ok_or_else(|| work.invalid("the row of the membership is gone"))?;
        let membership = work.decoded(row::number(&row, "version"))?;
        let mut workers = workers::workers(&mut work).await?;
        workers.retain(Worker::is_at_work);
        let rows = work.rows(work.sql(LEASES)).await?;
        let holder = |row| Ok((row::text(row, "target_id")?.into(), WorkerId(row::text(row, "worker_id")?)));
        let holders = work.decoded(rows.iter().map(holder).collect())?;
        work.rollback().await?;
        Ok(Crowd { membership, workers, holders })
    }

    /// Leases those of the targets that nobody has, and returns them; none if the session has ended.
    pub async fn take(&self, session: &Session, targets: &[TargetId]) -> Result<Vec<TargetId>, StoreError> {
        // In one order everywhere, so that two who want the same do not wait for each other.
        let mut wanted: Vec<_> = targets.iter().collect();
        wanted.sort();
        wanted.dedup();
        let mut work = self.database.write("lease targets").await?;
        let held = work.sql(HOLD).bind(session.worker.0.clone()).bind(session.epoch);
        if work.row(held).await?.is_none() {
            work.rollback().await?;
            return Ok(Vec::new());
        }
        let mut taken = Vec::new();
        for chunk in wanted.chunks(work.rows_at_once()) {
            let mut statement = work.sql_once(&TAKE.replace("{rows}", &row::placeholders(chunk.len(), 2, 1)));
            for target in chunk {
                statement = statement.bind(target.to_string()).bind(session.worker.0.clone());
            }
            for row in work.rows(statement).await? {
                taken.push(work.decoded(row::text(&row, "target_id"))?.into());
            }
        }
        work.commit().await?;
        Ok(taken)
    }

    /// Gives leases back, so that others may take them. Nothing happens to those that the session does not have.
    pub async fn give_back(&self, session: &Session, targets: &[TargetId]) -> Result<(), StoreError> {
        let mut work = self.database.write("give leases back").await?;
        let held = work.sql(HOLD).bind(session.worker.0.clone()).bind(session.epoch);
        if work.row(held).await?.is_none() {
            return work.rollback().await;
        }
        let mut given = 0;
        for chunk in targets.chunks(work.rows_at_once()) {
            let sql = GIVE_BACK.replace("{targets}", &row::placeholders(1, chunk.len(), 2));
            let mut statement = work.sql_once(&sql).bind(session.worker.0.clone());
            for target in chunk {
                statement = statement.bind(target.to_string());
            }
            given += work.run(statement).await?;
        }
        if given > 0 {
            workers::changed(&mut work).await?;
        }
        work.commit().await
    }

    /// Which live worker has leased each target. Those that nobody serves at the moment are left out.
    pub async fn holders(&self) -> Result<BTreeMap<TargetId, WorkerId>, StoreError> {
        let Crowd { workers, mut holders, .. } = self.crowd().await?;
        holders.retain(|_, holder| workers.iter().any(|worker| worker.id == *holder && worker.is_live()));
        Ok(holders)
    }
}
