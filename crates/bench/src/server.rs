//! The database: a private PostgreSQL that keeps its word, and stores with a backlog on it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use test_support::{PrivatePostgres, TestDatabase};

use crate::cpu;

/// The instance that all events are on.
pub const INSTANCE: &str = "312909075211878808";

/// The size of an ordinary payload: a call has a body of about 600 bytes.
pub const PAYLOAD: &str = r#"{"email": "gigi@zitadel.example.com", "userName": "gigi", "firstName": "Gigi", "lastName": "Giraffe",
 "displayName": "Gigi Giraffe", "preferredLanguage": "en", "gender": 1, "address": {"country": "CH", "locality": "St. Gallen"}}"#;

/// As an operator runs it, with memory for what is measured here.
const SETTINGS: [(&str, &str); 6] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "1GB"),
    ("max_wal_size", "8GB"),
    ("max_connections", "100"),
];

/// A server of the bench's own.
pub struct Server {
    postgres: PrivatePostgres,
}

impl Server {
    /// With `pg_stat_statements` where statements are counted: not every server has it.
    pub async fn start(count_statements: bool) -> Self {
        let mut settings = SETTINGS.to_vec();
        if count_statements {
            settings.push(("shared_preload_libraries", "pg_stat_statements"));
        }
        Self { postgres: PrivatePostgres::start_with(&settings).await }
    }

    /// Processor time of the whole server so far.
    pub fn cpu(&self) -> Result<Duration> {
        cpu::of_family(self.postgres.pid())
    }

    /// An event store of ZITADEL's shape, empty.
    pub async fn store(&self) -> Store {
        let database = self.postgres.database().await;
        database.zitadel().await;
        Store { database, written: 0 }
    }

    /// What the server calls itself.
    pub async fn version(&self) -> String {
        let database = self.postgres.database().await;
        let version = database.value("SELECT current_setting('server_version')").await;
        self.drop(database).await;
        version.unwrap_or_default()
    }

    /// Gives the room of a store back.
    pub async fn remove(&self, store: Store) {
        self.drop(store.database).await;
    }

    async fn drop(&self, database: TestDatabase) {
        let name = database.name().to_owned();
        database.close().await;
        self.postgres.execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}

/// An event store on the server.
pub struct Store {
    pub database: TestDatabase,
    written: usize,
}

impl Store {
    /// Appends events of aggregates of their own, each of the type that `event_type` says in SQL, in terms of the number `n`.
    /// All of them lie in the past, in the order of their numbers, a millisecond apart.
    pub async fn append(&mut self, events: usize, event_type: &str) {
        let (first, last) = (self.written + 1, self.written + events);
        let payload = PAYLOAD.replace('\'', "''");
        self.database
            .execute(&format!(
                "INSERT INTO eventstore.events2
                 SELECT '{INSTANCE}', 'user', '3129090752' || lpad(n::text, 8, '0'), {event_type}, 1, 2, now(),
                    '{payload}'::jsonb, '312909075212468632', '312909075211944344', {} + n * 0.001, 1
                 FROM generate_series({first}::bigint, {last}) n",
                Self::BEGINNING
            ))
            .await;
        self.written = last;
    }

    /// Before the position of the first event: ten million of them end before the bench was written.
    const BEGINNING: u32 = 1_700_000_000;

    /// A position as the config has it: between the event with this number and the next.
    pub fn behind(event: usize) -> String {
        format!("{}.{:03}5", Self::BEGINNING as usize + event / 1_000, event % 1_000)
    }

    /// Lets the server do now what it would otherwise do while something is measured.
    pub async fn settle(&self) {
        self.database.execute("VACUUM (ANALYZE) eventstore.events2").await;
        self.database.execute("CHECKPOINT").await;
    }

    /// Forgets that a daemon was ever here.
    pub async fn forget_state(&self) {
        self.database.execute("SET client_min_messages = warning; DROP SCHEMA IF EXISTS postrider CASCADE").await;
        self.database.execute("CHECKPOINT").await;
    }

    /// A number that a statement finds.
    pub async fn number(&self, sql: &str) -> Result<f64> {
        let value = self.database.value(sql).await.with_context(|| format!("{sql} finds something"))?;
        value.parse().with_context(|| format!("{sql} finds a number, not {value:?}"))
    }
}
