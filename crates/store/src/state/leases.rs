//! The lease: which of several daemons works. It ends by the database's clock, so that no two clocks are compared.

use std::{fmt, time::Duration};

use domain::Timestamp;

use super::{DaemonLock, State, row};
use crate::StoreError;

const ACQUIRE: &str = "INSERT INTO leases (name, worker_id, epoch, acquired_at, expires_at)
     VALUES ('daemon', $1, 1, {now}, {now} + $2)
     ON CONFLICT (name) DO UPDATE SET worker_id = excluded.worker_id, epoch = leases.epoch + 1, acquired_at = {now},
     expires_at = {now} + $3
     WHERE leases.worker_id IS NULL OR leases.worker_id = $4 OR leases.expires_at <= {now}
     RETURNING epoch";
const RENEW: &str = "UPDATE leases SET expires_at = {now} + $3
     WHERE name = 'daemon' AND worker_id = $1 AND epoch = $2";
const RELEASE: &str = "UPDATE leases SET worker_id = NULL, expires_at = 0
     WHERE name = 'daemon' AND worker_id = $1 AND epoch = $2";
const LEADER: &str =
    "SELECT leases.worker_id, leases.epoch, leases.acquired_at, leases.expires_at - {now} AS remaining,
     workers.host, workers.pid, workers.version, workers.started_at
     FROM leases JOIN workers ON workers.id = leases.worker_id
     WHERE leases.name = 'daemon' AND leases.expires_at > {now}";
const SEEN: &str = "INSERT INTO workers (id, host, pid, version, started_at, seen_at)
     VALUES ($1, $2, $3, $4, {now}, {now})
     ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at";
/// Workers that were not seen for a month are nobody's business any more.
const FORGET: &str = "DELETE FROM workers WHERE id <> $1 AND seen_at < {now} - 2592000000000";

/// Locks the lease while it is this worker's and runs, so that nobody takes it over before the transaction ends.
pub(super) const HOLD: &str = "SELECT epoch FROM leases
     WHERE name = 'daemon' AND worker_id = $1 AND epoch = $2 AND expires_at > {now} {for share}";

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

/// The right to work, until it expires.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// Whose.
    pub worker: WorkerId,
    /// Raised each time the lease is given to somebody.
    pub epoch: i64,
}

/// Who works at the moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaseInfo {
    /// The daemon.
    pub worker: WorkerId,
    /// Its machine.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// Its program's version.
    pub version: String,
    /// When it was first seen.
    pub started_at: Timestamp,
    /// Since when it has the lease.
    pub acquired_at: Timestamp,
    /// See [`Lease::epoch`].
    pub epoch: i64,
    /// How long the lease still runs if it is not renewed.
    pub expires_in: Duration,
}

impl State {
    /// Takes the lease if nobody has it, or the one who had it let it expire. `None`: it is somebody else's.
    ///
    /// A worker that already holds it gets a new epoch, with which its earlier [`Lease`] ends.
    pub async fn acquire(
        &self,
        worker: &WorkerId,
        duration: Duration,
        info: &WorkerInfo,
    ) -> Result<Option<Lease>, StoreError> {
        let mut work = self.database.write("acquire the lease").await?;
        let statement = work
            .sql(ACQUIRE)
            .bind(worker.0.clone())
            .bind(micros(duration))
            .bind(micros(duration))
            .bind(worker.0.clone());
        let row = work.row(statement).await?;
        let epoch = work.decoded(row.map(|row| row::number(&row, "epoch")).transpose())?;
        if epoch.is_some() {
            let seen = work
                .sql(SEEN)
                .bind(worker.0.clone())
                .bind(row::clean(&info.host))
                .bind(i64::from(info.pid))
                .bind(row::clean(&info.version));
            work.run(seen).await?;
            work.run(work.sql(FORGET).bind(worker.0.clone())).await?;
        }
        work.commit().await?;
        Ok(epoch.map(|epoch| Lease { worker: worker.clone(), epoch }))
    }

    /// Ends the lease of a daemon that was killed: on SQLite the lock on the file proves that it is gone. On PostgreSQL
    /// only time does.
    pub async fn end_dead_lease(&self, lock: &DaemonLock) -> Result<(), StoreError> {
        if !lock.proves_to_be_alone() {
            return Ok(());
        }
        let mut work = self.database.write("end the lease of a daemon that is gone").await?;
        work.run(work.sql("UPDATE leases SET worker_id = NULL, expires_at = 0 WHERE name = 'daemon'")).await?;
        work.commit().await
    }

    /// Lets the lease run on for `duration` from now, even one that has expired, as long as nobody has taken it since: its
    /// epoch proves that. `false`: it is another's, and must be acquired again.
    pub async fn renew(&self, lease: &Lease, duration: Duration) -> Result<bool, StoreError> {
        let mut work = self.database.read("renew the lease").await?;
        let statement = work.sql(RENEW).bind(lease.worker.0.clone()).bind(lease.epoch).bind(micros(duration));
        Ok(work.run(statement).await? == 1)
    }

    /// Gives the lease back, so that another worker need not wait for its end. Nothing happens if it has ended.
    pub async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let mut work = self.database.read("release the lease").await?;
        let statement = work.sql(RELEASE).bind(lease.worker.0.clone()).bind(lease.epoch);
        work.run(statement).await.map(drop)
    }

    /// Who holds the lease; `None` while nobody does.
    pub async fn leader(&self) -> Result<Option<LeaseInfo>, StoreError> {
        let mut work = self.database.read("read the lease").await?;
        let row = work.row(work.sql(LEADER)).await?;
        work.decoded(row.as_ref().map(info).transpose())
    }
}

fn info(row: &sqlx::any::AnyRow) -> Result<LeaseInfo, sqlx::Error> {
    Ok(LeaseInfo {
        worker: WorkerId(row::text(row, "worker_id")?),
        host: row::text(row, "host")?,
        pid: row::count(row, "pid")?,
        version: row::text(row, "version")?,
        started_at: row::time(row, "started_at")?,
        acquired_at: row::time(row, "acquired_at")?,
        epoch: row::number(row, "epoch")?,
        expires_in: Duration::from_micros(row::number(row, "remaining")?.try_into().unwrap_or_default()),
    })
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}
