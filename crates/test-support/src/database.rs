//! A database of its own for every test.
//!
//! Databases are created on the server that `scripts/with-postgres` starts and are dropped, with whoever is still
//! connected, when the [`TestDatabase`] goes out of scope. Creating one takes some 30 ms, dropping it 10.

use std::{
    env, iter, mem, process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, Row as _, Transaction, postgres::PgPoolOptions};
use url::Url;

/// The environment variable that names the server for tests: a superuser's URL.
pub const SERVER: &str = "POSTRIDER_TEST_POSTGRES";

/// How long dropping a database may take before the rest is left to the end of the server.
const DROP_WITHIN: Duration = Duration::from_secs(20);

/// A fresh database. See the head of this module.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    server: Url,
    pool: PgPool,
    roles: Vec<String>,
    /// Whether to drop it in the end; pointless where the server itself goes away.
    dropped: bool,
}

impl TestDatabase {
    /// A fresh database, ordered by bytes (`C`), on the server of [`SERVER`].
    pub async fn create() -> Self {
        Self::create_on(&shared_server(), "", true).await
    }

    /// As [`Self::create`], but text is ordered as people in the USA expect it: `a`, `B`, `c`.
    ///
    /// Whatever agrees with Rust's order only by luck disagrees here.
    pub async fn create_icu() -> Self {
        Self::create_on(&shared_server(), "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'", true).await
    }

    pub(crate) async fn create_on(server: &Url, options: &str, dropped: bool) -> Self {
        static CREATED: AtomicU32 = AtomicU32::new(0);
        let number = CREATED.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}_{:08x}", process::id(), rand::random::<u32>());
        // template0: a connection to template1, of anybody, would be in the way.
        run(server, &format!("CREATE DATABASE {name} TEMPLATE template0 {options}")).await.unwrap_or_else(|error| {
            panic!(
                "{SERVER} names a server on which no database can be created ({error}); scripts/test starts a good one"
            )
        });
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .connect_lazy(at(server, None, &name).as_str())
            .expect("a URL that has just been used is a URL");
        Self { name, server: server.clone(), pool, roles: Vec::new(), dropped }
    }

    /// The same database as another server has it; it is left there in the end.
    pub(crate) fn elsewhere(&self, server: &Url) -> Self {
        Self::there(server, &self.name)
    }

    /// A database that somebody else has made; it is left there in the end.
    pub(crate) fn there(server: &Url, name: &str) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .connect_lazy(at(server, None, name).as_str())
            .expect("a server's URL is a URL");
        Self { name: name.to_owned(), server: server.clone(), pool, roles: Vec::new(), dropped: false }
    }

    /// The URL of the database, as superuser.
    #[must_use]
    pub fn url(&self) -> String {
        at(&self.server, None, &self.name).into()
    }

    /// The URL of the database, as another role.
    #[must_use]
    pub fn url_as(&self, role: &str) -> String {
        at(&self.server, Some(role), &self.name).into()
    }

    /// What the database is called on its server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connections to the database, as superuser; at most 16.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection of its own, as superuser, with the application name of whoever needs to be found by it.
    pub async fn connection(&self, application_name: &str) -> PgConnection {
        let mut url = at(&self.server, None, &self.name);
        url.query_pairs_mut().append_pair("application_name", application_name);
        PgConnection::connect(url.as_str()).await.expect("the server of the test database takes connections")
    }

    /// Runs one statement or several, as superuser.
    pub async fn execute(&self, sql: &str) {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await;
        done.unwrap_or_else(|error| panic!("the test's SQL failed: {error}\n{sql}"));
    }

    /// Keeps everybody else from a table until what is returned is dropped.
    pub async fn lock_table(&self, table: &str) -> Transaction<'static, Postgres> {
        let mut held = self.pool.begin().await.expect("a transaction can begin");
        let lock = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *held).await.expect("the table is there");
        held
    }

    /// The only value of the only row, as text; `None` for NULL.
    pub async fn value(&self, sql: &str) -> Option<String> {
        let wrapped = format!("SELECT (SELECT value FROM ({sql}) AS answer (value))::text");
        let value = sqlx::query_scalar(AssertSqlSafe(wrapped)).fetch_one(&self.pool).await;
        value.unwrap_or_else(|error| panic!("the test's SQL failed: {error}\n{sql}"))
    }

    /// The first column of what `sql` finds, as text, after something else was said in the same session.
    pub async fn rows(&self, first: &str, sql: &str) -> Vec<String> {
        let mut connection = self.connection("rows").await;
        for statement in [first, sql] {
            let statement = AssertSqlSafe(statement.to_owned());
            let found = sqlx::raw_sql(statement).fetch_all(&mut connection).await;
            let found = found.unwrap_or_else(|error| panic!("the test's SQL failed: {error}\n{sql}"));
            if !found.is_empty() {
                return found.iter().map(|row| row.try_get_unchecked(0).expect("it is text")).collect();
            }
        }
        Vec::new()
    }

    /// Creates a role that may log in and nothing else, and returns its name.
    ///
    /// Roles belong to the whole server: the name is made unlike any other test's, and the role goes with the database.
    pub async fn create_role(&mut self, name: &str) -> String {
        let role = format!("{}_{name}", self.name);
        self.execute(&format!("CREATE ROLE {role} LOGIN")).await;
        self.roles.push(role.clone());
        role
    }

    /// Creates a role that may read ZITADEL's events and nothing else, and returns its name.
    pub async fn create_reader(&mut self) -> String {
        let role = self.create_role("reader").await;
        let usage = format!("GRANT USAGE ON SCHEMA eventstore TO {role}");
        self.execute(&format!("{usage}; GRANT SELECT ON eventstore.events2 TO {role}")).await;
        role
    }

    /// Drops the database now, and waits until that is done.
    pub async fn close(self) {
        self.pool.close().await;
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if !self.dropped {
            return;
        }
        let server = self.server.clone();
        let (name, roles) = (self.name.clone(), mem::take(&mut self.roles));
        // A runtime of its own: the test's may be gone, and its threads must not be blocked on themselves.
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let done = tokio::time::timeout(DROP_WITHIN, drop_database(&server, &name, &roles)).await;
                done.unwrap_or(Err(sqlx::Error::PoolTimedOut))
            })
        });
        match dropping.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("{} stays until its server stops: {error}", self.name),
            Err(_) => eprintln!("{} stays until its server stops", self.name),
        }
    }
}

/// The server of [`SERVER`].
fn shared_server() -> Url {
    let url = env::var(SERVER).unwrap_or_else(|_| {
        panic!(
            "{SERVER} is not set: run this test with scripts/test, or with `scripts/with-postgres cargo nextest run`"
        )
    });
    url.parse().unwrap_or_else(|error| panic!("{SERVER} is no URL: {error}"))
}

/// The URL of a database on a server.
pub(crate) fn at(server: &Url, role: Option<&str>, database: &str) -> Url {
    let mut url = server.clone();
    url.set_path(database);
    if let Some(role) = role {
        url.set_username(role).expect("a URL with a host takes a user");
        url.set_password(None).expect("a URL with a host takes no password");
    }
    url
}

/// Drops a database and its roles. Prepared transactions are in the way even of FORCE, and can be rolled back only in
/// their own database.
async fn drop_database(server: &Url, name: &str, roles: &[String]) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(server.as_str()).await?;
    let prepared = "SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts WHERE database = $1";
    for rollback in sqlx::query_scalar::<_, String>(prepared).bind(name).fetch_all(&mut connection).await? {
        run(&at(server, None, name), &rollback).await?;
    }
    let roles = roles.iter().map(|role| format!("DROP ROLE IF EXISTS {role}"));
    for statement in iter::once(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).chain(roles) {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    }
    connection.close().await
}

/// One statement on a connection of its own.
async fn run(server: &Url, statement: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(server.as_str()).await?;
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await?;
    connection.close().await
}
