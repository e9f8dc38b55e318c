//! Workers: which daemons there are, and until when each of them may work.
//!
//! A session begins with [`State::join`] and is known by its epoch. It ends by the database's clock, so that no two clocks
//! are compared, and every lease of the worker with it (see [`leases`](super::leases)). One that ran out goes on when it is
//! renewed, unless another worker has buried it by then.
//!
//! Whoever acts for a session locks its row `FOR KEY SHARE`, which lets it be renewed meanwhile; whoever ends one locks it
//! `FOR UPDATE` first, and so waits for them.

use std::{fmt, time::Duration};

use domain::{SignedDuration, Timestamp};
use sqlx::any::AnyRow;

use super::{DaemonLock, State, database::Work, row};
use crate::StoreError;

const JOIN: &str =
    "INSERT INTO workers (id, host, pid, version, started_at, seen_at, epoch, expires_at, lease_duration,
     standing)
     VALUES ($1, $2, $3, $4, {now}, {now}, 1, {now} + $5, $6, 'working')
     ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, epoch = workers.epoch + 1,
     expires_at = excluded.expires_at, lease_duration = excluded.lease_duration, standing = 'working'
     RETURNING epoch";
/// Workers that ended a day ago are nobody's business any more.
const FORGET: &str = "DELETE FROM workers WHERE standing IN ('left', 'expired') AND seen_at < {now} - 86400000000";
const RENEW: &str = "UPDATE workers SET expires_at = {now} + $1, lease_duration = $2, seen_at = {now}
     WHERE id = $3 AND epoch = $4 AND standing IN ('working', 'leaving')";
const WITHDRAW: &str = "UPDATE workers SET standing = 'leaving' WHERE id = $1 AND epoch = $2 AND standing = 'working'";
const LOCK: &str = "SELECT id FROM workers WHERE id = $1 {for update}";
const LOCK_SESSION: &str =
    "SELECT id FROM workers WHERE id = $1 AND epoch = $2 AND standing IN ('working', 'leaving') {for update}";
const LOCK_OVERDUE: &str = "SELECT id FROM workers WHERE id = $1 AND epoch = $2 AND standing IN ('working', 'leaving')
     AND (expires_at <= {now} OR (expires_at = $3 AND expires_at > {now} + lease_duration + 1000000)) {for update}";
const LOCK_ALL: &str = "SELECT id FROM workers WHERE standing IN ('working', 'leaving') ORDER BY id {for update}";
const END: &str = "UPDATE workers SET standing = $1, epoch = epoch + 1,
     expires_at = CASE WHEN expires_at > {now} THEN {now} ELSE expires_at END WHERE id = $2";
const FREE: &str = "DELETE FROM leases WHERE worker_id = $1";
const CHANGED: &str = "UPDATE membership SET version = version + 1 WHERE id = 1";
const WORKERS: &str = "SELECT id, host, pid, version, started_at, seen_at, epoch, expires_at, lease_duration, standing,
     {now} AS asked_at, (SELECT count(*) FROM leases WHERE worker_id = workers.id) AS targets
     FROM workers ORDER BY started_at, id";

/// A lease is taken to run too long when it does so by more than this: the clock is read more than once.
const SLACK: Duration = Duration::from_secs(1);

/// Locks the session while it runs, so that nobody ends it before the transaction does.
pub(super) const HOLD: &str = "SELECT id FROM workers WHERE id = $1 AND epoch = $2
     AND standing IN ('working', 'leaving') AND expires_at > {now} {for key share}";

/// One running daemon; a new one with every start.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WorkerId(pub String);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Where a worker runs, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkerInfo {
    /// The name of the machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// The program's version.
    pub version: String,
}

/// The right of a worker to lease targets, until it expires or is ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// Whose.
    pub worker: WorkerId,
    /// Raised when the worker joins, leaves or is buried.
    pub epoch: i64,
}

/// How a worker stands in the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It has joined.
    Working,
    /// It has been asked to stop, and gives its leases back as it finishes.
    Leaving,
    /// It stopped.
    Left,
    /// Its lease ran out and others have taken its targets.
    Expired,
}

/// A worker as the state knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Worker {
    /// Which.
    pub id: WorkerId,
    /// Where it runs.
    pub info: WorkerInfo,
    /// When it joined first.
    pub started_at: Timestamp,
    /// When its lease was last renewed.
    pub renewed_at: Timestamp,
    /// See [`Session::epoch`].
    pub epoch: i64,
    /// When its lease ends, by the database's clock.
    pub expires_at: Timestamp,
    /// How long its lease still runs if it is not renewed; negative once it is over.
    pub expires_in: SignedDuration,
    /// How long a renewal lasts: its `lease.duration`.
    pub lease_duration: Duration,
    /// How it stands.
    pub standing: Standing,
    /// How many targets it has leased.
    pub targets: u64,
}

impl Worker {
    /// Whether it was neither stopped nor buried. Its lease may have run out all the same.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        matches!(self.standing, Standing::Working | Standing::Leaving)
    }

    /// Whether its lease runs.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.is_at_work() && self.expires_in.is_positive()
    }

    /// Whether its lease runs for longer than one renewal lasts: the database's clock was set back since.
    #[must_use]
    pub fn runs_too_long(&self) -> bool {
        self.is_at_work() && self.expires_in.unsigned_abs() > self.lease_duration + SLACK && self.is_live()
    }
}

impl State {
    /// Makes the worker one of those who share the targets. It has no leases at first; an earlier session of it has ended.
    pub async fn join(&self, worker: &WorkerId, duration: Duration, info: &WorkerInfo) -> Result<Session, StoreError> {
        let mut work = self.database.write("join the workers").await?;
        work.row(work.sql(LOCK).bind(worker.0.clone())).await?;
        let statement = work
            .sql(JOIN)
            .bind(worker.0.clone())
            .bind(row::clean(&info.host))
            .bind(i64::from(info.pid))
            .bind(row::clean(&info.version))
            .bind(micros(duration))
            .bind(micros(duration));
        let row = work.row(statement).await?.ok_or_else(|| work.invalid("the worker was not written"))?;
        let epoch = work.decoded(row::number(&row, "epoch"))?;
        work.run(work.sql(FREE).bind(worker.0.clone())).await?;
        work.run(work.sql(FORGET)).await?;
        changed(&mut work).await?;
        work.commit().await?;
        Ok(Session { worker: worker.clone(), epoch })
    }

    /// Lets the session and all its leases run on for `duration` from now, even when they have expired, as long as nobody
    /// has buried the worker: its epoch proves that. `false`: it has ended, and the worker must join again.
    pub async fn renew(&self, session: &Session, duration: Duration) -> Result<bool, StoreError> {
        let mut work = self.database.read("renew the lease").await?;
        let statement = work
            .sql(RENEW)
            .bind(micros(duration))
            .bind(micros(duration))
            .bind(session.worker.0.clone())
            .bind(session.epoch);
        Ok(work.run(statement).await? == 1)
    }

    /// Has the others know that this worker will take nothing more, and that what it gives back is theirs.
    pub async fn withdraw(&self, session: &Session) -> Result<(), StoreError> {
        let mut work = self.database.write("withdraw from the workers").await?;
        if work.run(work.sql(WITHDRAW).bind(session.worker.0.clone()).bind(session.epoch)).await? == 1 {
            changed(&mut work).await?;
        }
        work.commit().await
    }

    /// Ends the session and gives all its leases back, so that nobody waits for their end. Nothing happens if it has ended.
    pub async fn leave(&self, session: &Session) -> Result<(), StoreError> {
        let mut work = self.database.write("leave the workers").await?;
        let held = work.sql(LOCK_SESSION).bind(session.worker.0.clone()).bind(session.epoch);
        if work.row(held).await?.is_none() {
            return work.rollback().await;
        }
        end(&mut work, &session.worker.0, "left").await?;
        changed(&mut work).await?;
        work.commit().await
    }

    /// Ends the session of a worker whose lease has run out, and frees its targets. `false`: it has been renewed since it
    /// was looked at, or has ended.
    ///
    /// One that [runs too long](Worker::runs_too_long) is ended as well: the caller has made sure that it was not renewed
    /// for its whole duration.
    pub async fn bury(&self, dead: &Worker) -> Result<bool, StoreError> {
        let mut work = self.database.write("bury a worker").await?;
        let overdue =
            work.sql(LOCK_OVERDUE).bind(dead.id.0.clone()).bind(dead.epoch).bind(dead.expires_at.as_microsecond());
        if work.row(overdue).await?.is_none() {
            work.rollback().await?;
            return Ok(false);
        }
        end(&mut work, &dead.id.0, "expired").await?;
        changed(&mut work).await?;
        work.commit().await?;
        Ok(true)
    }

    /// Buries everybody at once: on SQLite the lock on the file proves that they are gone. On PostgreSQL only time does.
    pub async fn bury_everybody(&self, lock: &DaemonLock) -> Result<(), StoreError> {
        if !lock.proves_to_be_alone() {
            return Ok(());
        }
        let mut work = self.database.write("bury the daemons that are gone").await?;
        let rows = work.rows(work.sql(LOCK_ALL)).await?;
        for row in &rows {
            let id = work.decoded(row::text(row, "id"))?;
            end(&mut work, &id, "expired").await?;
        }
        if !rows.is_empty() {
            changed(&mut work).await?;
        }
        work.commit().await
    }

    /// Every worker that the state remembers, the oldest first: those that ended stay for a day.
    pub async fn workers(&self) -> Result<Vec<Worker>, StoreError> {
        workers(&mut self.database.read("read the workers").await?).await
    }
}

async fn end(work: &mut Work, id: &str, standing: &'static str) -> Result<(), StoreError> {
    work.run(work.sql(END).bind(standing).bind(id.to_owned())).await?;
    work.run(work.sql(FREE).bind(id.to_owned())).await.map(drop)
}

/// Has everybody look again. Late in a transaction: whoever changes something waits for this row.
pub(super) async fn changed(work: &mut Work) -> Result<(), StoreError> {
    work.run(work.sql(CHANGED)).await.map(drop)
}

pub(super) async fn workers(work: &mut Work) -> Result<Vec<Worker>, StoreError> {
    let rows = work.rows(work.sql(WORKERS)).await?;
    work.decoded(rows.iter().map(worker).collect())
}

fn worker(row: &AnyRow) -> Result<Worker, sqlx::Error> {
    let expires_at = row::time(row, "expires_at")?;
    let micros = |column| Ok::<_, sqlx::Error>(u64::try_from(row::number(row, column)?).unwrap_or_default());
    Ok(Worker {
        id: WorkerId(row::text(row, "id")?),
        info: WorkerInfo {
            host: row::text(row, "host")?,
            pid: row::count(row, "pid")?,
            version: row::text(row, "version")?,
        },
        started_at: row::time(row, "started_at")?,
        renewed_at: row::time(row, "seen_at")?,
        epoch: row::number(row, "epoch")?,
        expires_at,
        expires_in: expires_at.duration_since(row::time(row, "asked_at")?),
        lease_duration: Duration::from_micros(micros("lease_duration")?),
        standing: row::parsed(row, "standing")?,
        targets: micros("targets")?,
    })
}

impl std::str::FromStr for Standing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "working" => Ok(Self::Working),
            "leaving" => Ok(Self::Leaving),
            "left" => Ok(Self::Left),
            "expired" => Ok(Self::Expired),
            _ => Err(format!("{text:?} is no standing of a worker")),
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}
