//! The schema of the state and its version.
//!
//! A migration that has landed never changes; the next one is a new file. sqlx keeps its list (`_sqlx_migrations`) beside
//! the tables it is about.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path};

use sqlx::migrate::Migrator;

use super::{
    State,
    database::{Backend, SCHEMA, Work},
    rights::Need,
    row,
};
use crate::StoreError;

static POSTGRES: Migrator = sqlx::migrate!("../../migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("../../migrations/sqlite");

const POSTGRES_HAS_LIST: &str = "SELECT count(*) AS found FROM pg_catalog.pg_tables WHERE schemaname = 'postrider' AND tablename = '_sqlx_migrations'";
const SQLITE_HAS_LIST: &str =
    "SELECT count(*) AS found FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'";
const POSTGRES_HAS_SCHEMA: &str = "SELECT count(*) AS found FROM pg_catalog.pg_namespace WHERE nspname = $1";
const VERSION: &str = "SELECT coalesce(max(version), 0) AS version FROM _sqlx_migrations";

/// Several processes may bring the same SQLite file up to date at the same time, and each migration is a race of its own: who
/// loses one finds it done at the next attempt. So many attempts more than there are migrations.
const MORE_ATTEMPTS: usize = 2;

/// What a migration did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Migrated {
    /// The version before; 0 where there was nothing.
    pub from: i64,
    /// The version now.
    pub to: i64,
}

impl State {
    /// Brings the schema up to date. Safe to run again, and from several processes at once.
    pub async fn migrate(&self) -> Result<Migrated, StoreError> {
        if let Backend::Sqlite(file) = &self.database.backend {
            create_private(file);
        }
        let known = newest(self.migrator());
        let from = self.version().await?;
        if from > known {
            return Err(StoreError::SchemaNewer { found: from, known });
        }
        if matches!(self.database.backend, Backend::Postgres) {
            match self.missing_right(Need::Create).await? {
                // Somebody else has brought it up to date: there is nothing to do that would need the right.
                Some(_) if from == known => return Ok(Migrated { from, to: known }),
                Some(missing) => return Err(StoreError::StateNotAllowed { missing }),
                None => self.create_schema().await?,
            }
        }
        let attempts = self.migrator().iter().count() + MORE_ATTEMPTS;
        let mut attempt = 1;
        loop {
            match self.run_migrations().await {
                Ok(()) => return Ok(Migrated { from, to: known }),
                Err(_) if attempt < attempts && matches!(self.database.backend, Backend::Sqlite(_)) => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the schema is the one this program knows.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let (found, known) = (self.version().await?, newest(self.migrator()));
        match found.cmp(&known) {
            std::cmp::Ordering::Less if found == 0 => Err(StoreError::SchemaMissing),
            std::cmp::Ordering::Less => Err(StoreError::SchemaOlder { found, known }),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(StoreError::SchemaNewer { found, known }),
        }
    }

    fn migrator(&self) -> &'static Migrator {
        match self.database.backend {
            Backend::Postgres => &POSTGRES,
            Backend::Sqlite(_) => &SQLITE,
        }
    }

    async fn version(&self) -> Result<i64, StoreError> {
        let has_list = match &self.database.backend {
            Backend::Postgres => POSTGRES_HAS_LIST,
            Backend::Sqlite(file) if !file.exists() => return Ok(0),
            Backend::Sqlite(_) => SQLITE_HAS_LIST,
        };
        if let Some(missing) = self.missing_right(Need::Read).await? {
            return Err(StoreError::StateNotAllowed { missing });
        }
        let mut work = self.database.read("read the version of the state's schema").await?;
        let statement = work.sql(has_list);
        if !found(&mut work, statement).await? {
            return Ok(0);
        }
        let row = work.row(work.sql(VERSION)).await?;
        row.map_or(Ok(0), |row| work.decoded(row::number(&row, "version")))
    }

    /// Only where it is missing: `CREATE SCHEMA IF NOT EXISTS` asks for the privilege in any case.
    async fn create_schema(&self) -> Result<(), StoreError> {
        let mut work = self.database.write("create the schema postrider").await?;
        work.raw("SELECT pg_advisory_xact_lock(8031176)").await?;
        let statement = work.sql(POSTGRES_HAS_SCHEMA).bind(SCHEMA);
        if !found(&mut work, statement).await? {
            work.raw("CREATE SCHEMA postrider").await?;
        }
        work.commit().await
    }

    async fn run_migrations(&self) -> Result<(), StoreError> {
        let mut work = self.database.read("migrate the state").await?;
        if matches!(self.database.backend, Backend::Postgres) {
            work.raw("SET statement_timeout TO 0; SET lock_timeout TO 0").await?;
        }
        let mut conn = work.into_connection();
        // Migrator::run is this, but its future cannot move between threads when it is given one connection.
        self.migrator().run_direct(None, &mut *conn, false).await.map_err(|source| StoreError::Migrate { source })
    }
}

async fn found(work: &mut Work, statement: super::database::Statement) -> Result<bool, StoreError> {
    let row = work.row(statement).await?;
    row.map_or(Ok(false), |row| work.decoded(row::flag(&row, "found")))
}

fn newest(migrator: &Migrator) -> i64 {
    migrator.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Makes the file for its owner alone, since signing keys and headers are in it; one that is there stays as it is. SQLite
/// gives the files beside it the same permissions.
fn create_private(file: &Path) {
    // A folder that is not there, or not ours: what SQLite says of it next is clearer.
    let _ = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
}
