//! The connection to the state's database: one SQL text for PostgreSQL and SQLite.
//!
//! Both are spoken to through sqlx's `Any` driver, with `$1` numbering and only BIGINT and TEXT. Where they differ, a
//! statement says so with a word in braces: `{now}` is the database's clock in microseconds since 1970, `{for update}`
//! and `{for key share}` lock rows (SQLite locks the whole file when a transaction begins, and needs no more).
//!
//! Invariants: every statement has a time limit, on the server and here; a connection that was left in the middle of
//! something is closed and never goes back to the pool; an error names the operation and never the URL's password.

use std::{path::PathBuf, str::FromStr, sync::Once, time::Duration};

use sqlx::{
    Any, AnyConnection, AnyPool, Connection as _,
    any::{AnyArguments, AnyConnectOptions, AnyPoolOptions, AnyRow},
    pool::PoolConnection,
    postgres::PgConnectOptions,
    query::Query,
    sqlite::SqliteConnectOptions,
};

use domain::Timestamp;

use super::row;
use crate::StoreError;

/// How long a statement may take as seen from here: the server gives up after 30 s, one that is gone never answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(35);
/// How long it may take to get a connection, including making one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Ledger, leases and operators: few at a time.
const CONNECTIONS: u32 = 8;

/// Everything lives in this schema, sqlx's list of migrations included.
pub(super) const SCHEMA: &str = "postrider";

/// A daemon that is frozen in the middle of a transaction must not keep its rows locked, nor, where it is in the event
/// store's database, the horizon held, for longer than leases usually run.
const POSTGRES_SESSION: &str = "SET search_path TO postrider; SET timezone TO 'UTC'; \
     SET statement_timeout TO 30000; SET lock_timeout TO 30000; SET idle_in_transaction_session_timeout TO 5000; \
     SET default_transaction_isolation TO 'read committed'";
const SQLITE_SESSION: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON";

static DRIVERS: Once = Once::new();

/// Which database holds the state.
#[derive(Clone, Debug)]
pub(super) enum Backend {
    /// A schema in a PostgreSQL database.
    Postgres,
    /// A file.
    Sqlite(PathBuf),
}

impl Backend {
    fn begin(&self) -> &'static str {
        match self {
            Self::Postgres => "BEGIN",
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
        }
    }

    fn snapshot(&self) -> &'static str {
        match self {
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Self::Sqlite(_) => "BEGIN",
        }
    }

    fn fill(&self, sql: &str) -> String {
        let (now, update, share) = match self {
            Self::Postgres => {
                ("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint", "FOR UPDATE", "FOR KEY SHARE")
            }
            Self::Sqlite(_) => ("CAST(unixepoch('subsec') * 1000000 AS INTEGER)", "", ""),
        };
        sql.replace("{now}", now).replace("{for update}", update).replace("{for key share}", share)
    }
}

/// A pool of connections to the state's database.
#[derive(Clone, Debug)]
pub(super) struct Database {
    pool: AnyPool,
    pub(super) backend: Backend,
}

impl Database {
    /// PostgreSQL is connected to at once; a SQLite file is made when it is first written to.
    pub(super) async fn connect(url: &str) -> Result<Self, StoreError> {
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let failed = StoreError::database("connect to the state");
        let mut options = AnyConnectOptions::from_str(url).map_err(|_| unusable("it is no URL"))?;
        let pool = AnyPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(CONNECT_TIMEOUT);
        match options.database_url.scheme() {
            "postgres" | "postgresql" => {
                let pool = pool.after_connect(|conn, _| Box::pin(prepare(conn, POSTGRES_SESSION)));
                first_look(&options).await?;
                Ok(Self { pool: pool.connect_lazy_with(options), backend: Backend::Postgres })
            }
            "sqlite" => {
                let file = SqliteConnectOptions::from_str(url).map_err(failed)?.get_filename().to_owned();
                if !options.database_url.query_pairs().any(|(name, _)| name == "mode") {
                    options.database_url.query_pairs_mut().append_pair("mode", "rwc");
                }
                let pool = pool.after_connect(|conn, _| Box::pin(prepare(conn, SQLITE_SESSION)));
                Ok(Self { pool: pool.connect_lazy_with(options), backend: Backend::Sqlite(file) })
            }
            _ => Err(unusable("it must begin with postgres:// or sqlite://")),
        }
    }

    /// Statements that each stand for themselves.
    pub(super) async fn read(&self, operation: &'static str) -> Result<Work, StoreError> {
        let conn = self.pool.acquire().await.map_err(StoreError::database(operation))?;
        Ok(Work { conn: Some(conn), operation, backend: self.backend.clone(), clean: true, open: false })
    }

    /// Several readings of one moment; ended with [`Work::rollback`].
    pub(super) async fn snapshot(&self, operation: &'static str) -> Result<Work, StoreError> {
        self.begin(operation, self.backend.snapshot()).await
    }

    /// One transaction. Without [`Work::commit`] nothing of it stays.
    pub(super) async fn write(&self, operation: &'static str) -> Result<Work, StoreError> {
        self.begin(operation, self.backend.begin()).await
    }

    async fn begin(&self, operation: &'static str, begin: &'static str) -> Result<Work, StoreError> {
        let mut work = self.read(operation).await?;
        work.open = true;
        work.raw(begin).await?;
        Ok(work)
    }
}

/// One connection outside the pool: a pool goes on trying where nobody listens, and in the end cannot say why.
async fn first_look(options: &AnyConnectOptions) -> Result<(), StoreError> {
    let operation = "connect to the state";
    let look = async { AnyConnection::connect_with(options).await?.close().await };
    match tokio::time::timeout(CONNECT_TIMEOUT, look).await {
        Ok(answer) => answer.map_err(|source| match PgConnectOptions::from_str(options.database_url.as_str()) {
            Ok(options) => StoreError::connecting("state", operation, source, &options),
            Err(_) => StoreError::Database { operation, source },
        }),
        Err(_) => Err(StoreError::Timeout { operation, after: CONNECT_TIMEOUT }),
    }
}

fn unusable(reason: &str) -> StoreError {
    StoreError::Url { what: "state", reason: reason.to_owned() }
}

async fn prepare(conn: &mut AnyConnection, session: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(session).execute(conn).await.map(drop)
}

/// A piece of work on one connection.
pub(super) struct Work {
    conn: Option<PoolConnection<Any>>,
    operation: &'static str,
    backend: Backend,
    /// No statement is half done.
    clean: bool,
    /// A transaction is open.
    open: bool,
}

/// Rows that are bound as one parameter: a JSON list of objects.
pub(super) struct Rows {
    /// What the statement calls them.
    pub name: &'static str,
    /// Their columns, with PostgreSQL's types.
    pub columns: &'static [(&'static str, &'static str)],
}

/// A statement with what is bound to it.
pub(super) type Statement = Query<'static, Any, AnyArguments>;

impl Work {
    /// A statement for both databases.
    pub(super) fn sql(&self, sql: &str) -> Statement {
        sqlx::query(sqlx::AssertSqlSafe(self.backend.fill(sql)))
    }

    /// Rows that are bound as `$1`, for a FROM.
    pub(super) fn rows_bound(&self, rows: &Rows) -> String {
        let columns = |one: &dyn Fn(&str, &str) -> String| {
            rows.columns.iter().map(|(name, kind)| one(name, kind)).collect::<Vec<_>>().join(", ")
        };
        let name = rows.name;
        match self.backend {
            Backend::Postgres => {
                let columns = columns(&|column, kind| format!("{column} {kind}"));
                format!("json_to_recordset($1::json) AS {name}({columns})")
            }
            Backend::Sqlite(_) => {
                let columns = columns(&|column, _| format!("value ->> '{column}' AS {column}"));
                format!("(SELECT {columns} FROM json_each($1)) AS {name}")
            }
        }
    }

    /// How many rows go into one statement. PostgreSQL is a round trip away; in SQLite the parameters of a statement are found by
    /// name, one after the other, so that a long one costs the square of its length.
    pub(super) fn rows_at_once(&self) -> usize {
        match self.backend {
            Backend::Postgres => 500,
            Backend::Sqlite(_) => 32,
        }
    }

    /// A statement whose text depends on the number of its rows; it is not kept prepared.
    pub(super) fn sql_once(&self, sql: &str) -> Statement {
        self.sql(sql).persistent(false)
    }

    pub(super) async fn rows(&mut self, statement: Statement) -> Result<Vec<AnyRow>, StoreError> {
        self.bounded(async |conn| statement.fetch_all(conn).await).await
    }

    pub(super) async fn row(&mut self, statement: Statement) -> Result<Option<AnyRow>, StoreError> {
        self.bounded(async |conn| statement.fetch_optional(conn).await).await
    }

    /// How many rows were affected.
    pub(super) async fn run(&mut self, statement: Statement) -> Result<u64, StoreError> {
        self.bounded(async |conn| statement.execute(conn).await.map(|done| done.rows_affected())).await
    }

    /// A text without parameters.
    pub(super) async fn raw(&mut self, sql: &'static str) -> Result<(), StoreError> {
        self.bounded(async |conn| sqlx::raw_sql(sql).execute(conn).await.map(drop)).await
    }

    /// The time by the database's clock.
    pub(super) async fn now(&mut self) -> Result<Timestamp, StoreError> {
        let row = self.row(self.sql("SELECT {now} AS now")).await?.ok_or_else(|| self.invalid("there is no time"))?;
        self.decoded(row::time(&row, "now"))
    }

    /// What a row's decoder says, as an error of this operation.
    pub(super) fn decoded<T>(&self, decoded: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        decoded.map_err(StoreError::database(self.operation))
    }

    /// Something that is stored is not as it must be.
    pub(super) fn invalid(&self, reason: &str) -> StoreError {
        StoreError::Invalid { operation: self.operation, reason: reason.to_owned() }
    }

    /// Makes the transaction last.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        self.raw("COMMIT").await?;
        self.open = false;
        Ok(())
    }

    /// Ends a transaction that has nothing to keep.
    pub(super) async fn rollback(mut self) -> Result<(), StoreError> {
        self.raw("ROLLBACK").await?;
        self.open = false;
        Ok(())
    }

    /// The connection itself, for the migrations; it is closed afterwards.
    pub(super) fn into_connection(mut self) -> PoolConnection<Any> {
        let mut conn = self.conn.take().expect("only taken here and when dropped");
        conn.close_on_drop();
        conn
    }

    async fn bounded<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        self.clean = false;
        let conn = self.conn.as_mut().expect("only taken when dropped");
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, work(conn)).await;
        self.clean = answer.is_ok();
        match answer {
            Ok(answer) => answer.map_err(StoreError::database(self.operation)),
            Err(_) => Err(StoreError::Timeout { operation: self.operation, after: ANSWER_TIMEOUT }),
        }
    }
}

/// A connection that is in the middle of something is closed: the server rolls back.
impl Drop for Work {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take()
            && (self.open || !self.clean)
        {
            drop(conn.detach());
        }
    }
}
