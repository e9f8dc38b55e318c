//! Connections to a PostgreSQL event store: read-only, with a time limit on everything.
//!
//! Invariants: no statement is waited for longer than its limit, whatever became of the server or the network, and a
//! connection that did not answer is closed and not used again. The pool knows its own backends, each by its process
//! id and start, so that they are told apart from a writer that is given the same process id later.

use std::{
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, PgPool, Postgres, Row as _,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::error::Elapsed;

use crate::StoreError;

/// For what runs many times a second.
pub(super) const SHORT: Duration = Duration::from_secs(10);
/// For a page; a little more than the server's own `statement_timeout`, which reports more.
pub(super) const LONG: Duration = Duration::from_secs(35);

const CONNECT: Duration = Duration::from_secs(10);
/// A connection that was not used for so long is asked whether it is still there before it is used.
const UNUSED: Duration = Duration::from_secs(1);
const MAX_CONNECTIONS: u32 = 8;

/// What every session is set to.
///
/// Custom plans and no full sorts: a page must be read along the index even when the statistics are old or a bound is
/// a parameter. An incremental sort is not a full one.
const SETTINGS: &str = "SET statement_timeout = '30s'; SET lock_timeout = '10s'; \
    SET default_transaction_read_only = on; SET default_transaction_isolation = 'read committed'; \
    SET plan_cache_mode = force_custom_plan; SET enable_sort = off; SET jit = off; \
    SET max_parallel_workers_per_gather = 0; SET client_encoding = 'UTF8'; \
    SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3";

/// The session's process and when it started, in microseconds since the epoch.
const WHO_AM_I: &str = "SELECT pid, (extract(epoch FROM backend_start) * 1000000)::int8 FROM pg_stat_activity \
    WHERE pid = pg_backend_pid()";

/// The sessions of one pool.
#[derive(Clone, Default, Debug)]
pub(super) struct OwnSessions(Arc<Mutex<Vec<(i32, i64)>>>);

impl OwnSessions {
    /// Far more than are open at a time, so that those that are forgotten are mostly closed. An open one that is forgotten may
    /// hold the horizon for as long as its statement takes.
    const KEPT: usize = 128 * MAX_CONNECTIONS as usize;

    fn add(&self, pid: i32, started: i64) {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| session.0 != pid);
        sessions.push((pid, started));
        let excess = sessions.len().saturating_sub(Self::KEPT);
        sessions.drain(..excess);
    }

    /// Process ids and starts, for `unnest`.
    pub fn arrays(&self) -> (Vec<i32>, Vec<i64>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().unzip()
    }
}

/// A pool that connects when it is first used.
pub(super) fn pool(url: &str) -> Result<(PgPool, OwnSessions), StoreError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| StoreError::Url { what: "event store", reason: reason(error) })?;
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("postrider"),
    };
    let sessions = OwnSessions::default();
    let pool = asked(prepared(&sessions)).max_connections(MAX_CONNECTIONS).connect_lazy_with(options);
    Ok((pool, sessions))
}

/// As [`pool`], for a reader of pages: two that it reads ahead side by side, and one beside them.
pub(super) fn few(like: &PgPool, sessions: &OwnSessions) -> PgPool {
    asked(prepared(sessions)).max_connections(3).connect_lazy_with(PgConnectOptions::clone(&like.connect_options()))
}

/// As [`pool`], for one connection that is kept until it breaks. It is named after what it does.
pub(super) fn pool_of_one(like: &PgPool, sessions: &OwnSessions, does: &str) -> PgPool {
    let options = PgConnectOptions::clone(&like.connect_options());
    let name = format!("{} {does}", options.get_application_name().unwrap_or_default());
    prepared(sessions)
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_lazy_with(options.application_name(&name))
}

/// A question to the server before each statement would double the way of every event. What was used just now is taken as it
/// is; if it is broken after all, the statement says so and is made again.
fn asked(options: PgPoolOptions) -> PgPoolOptions {
    options.idle_timeout(Duration::from_mins(5)).test_before_acquire(false).before_acquire(|connection, meta| {
        Box::pin(async move {
            if meta.idle_for >= UNUSED {
                connection.ping().await?;
            }
            Ok(true)
        })
    })
}

/// Connections that are set up as all are, and known as our own.
fn prepared(sessions: &OwnSessions) -> PgPoolOptions {
    let known = sessions.clone();
    PgPoolOptions::new().acquire_timeout(CONNECT).after_connect(move |connection, _| {
        let known = known.clone();
        Box::pin(async move {
            sqlx::raw_sql(SETTINGS).execute(&mut *connection).await?;
            if let Some(row) = sqlx::query(WHO_AM_I).fetch_optional(&mut *connection).await? {
                known.add(row.try_get(0)?, row.try_get(1)?);
            }
            Ok(())
        })
    })
}

/// Whether the server can be reached at all. The pool would go on trying for as long as it may, and then only say that it has
/// tried; this says at once what is wrong.
pub(super) async fn reach(pool: &PgPool) -> Result<(), StoreError> {
    const OPERATION: &str = "connect to the event store";
    let options = pool.connect_options();
    match tokio::time::timeout(CONNECT, options.connect()).await {
        Ok(connected) => {
            let failed = |source| StoreError::connecting("event store", OPERATION, source, &options);
            // It is only a look: how it ends does not matter.
            let _ = connected.map_err(failed)?.close().await;
            Ok(())
        }
        Err(_) => Err(StoreError::Timeout { operation: OPERATION, after: CONNECT }),
    }
}

/// The driver's words on a URL, which quote single options but never the whole.
fn reason(error: sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(source) => source.to_string(),
        _ => "it does not parse".to_owned(),
    }
}

/// A connection from the pool.
pub(super) async fn acquire(pool: &PgPool, operation: &'static str) -> Result<PoolConnection<Postgres>, StoreError> {
    pool.acquire().await.map_err(StoreError::database(operation))
}

/// A connection with a statement under way. Where that is given up, the connection is closed: given back it would be read to the end
/// of what the statement has to say, however long that takes, and nobody else could have it.
pub(super) struct Busy(Option<PoolConnection<Postgres>>);

impl Busy {
    pub fn new(connection: PoolConnection<Postgres>) -> Self {
        Self(Some(connection))
    }

    pub fn connection(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("it is there until the statement is over")
    }

    /// The statement is over, and everything that it said was read.
    pub fn over(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        drop::<Option<PgConnection>>(self.0.take().map(PoolConnection::detach));
    }
}

/// The end of a statement that was waited for with a limit. After a timeout the connection is in an unknown state and
/// is closed: waiting for it to come round could take as long as TCP does to notice.
pub(super) fn settle<T>(
    operation: &'static str,
    after: Duration,
    connection: PoolConnection<Postgres>,
    result: Result<Result<T, sqlx::Error>, Elapsed>,
) -> Result<T, StoreError> {
    if let Ok(result) = result {
        return result.map_err(StoreError::database(operation));
    }
    drop::<PgConnection>(connection.detach());
    Err(StoreError::Timeout { operation, after })
}

/// A statement that was built once, from quoted names and constants only.
pub(super) fn safe(sql: &Arc<str>) -> AssertSqlSafe<Arc<str>> {
    AssertSqlSafe(Arc::clone(sql))
}
