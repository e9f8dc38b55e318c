//! What a daemon asks of PostgreSQL, as `pg_stat_statements` counts it.

use anyhow::Result;

use crate::server::Store;

/// A role of the daemon's own, so that its statements are told from those of the bench.
pub struct Role {
    name: String,
    url: String,
}

impl Role {
    /// With the rights that the manual asks for, and no others.
    pub async fn create(store: &mut Store) -> Self {
        let name = store.database.create_reader().await;
        let database = store.database.name().to_owned();
        store
            .database
            .execute(&format!(
                "CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
                 GRANT CREATE ON DATABASE {database} TO {name}; GRANT pg_read_all_stats TO {name}"
            ))
            .await;
        let url = store.database.url_as(&name);
        Self { name, url }
    }

    /// How the daemon connects.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many statements it has sent so far.
    pub async fn statements(&self, store: &Store) -> Result<f64> {
        let name = &self.name;
        store
            .number(&format!(
                "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE userid = '{name}'::regrole::oid"
            ))
            .await
    }

    /// How long a page of events took it on average, in milliseconds.
    pub async fn page_time(&self, store: &Store) -> Result<f64> {
        let name = &self.name;
        // Only the statements that read a page say whether there is more.
        store
            .number(&format!(
                "SELECT sum(total_exec_time) / nullif(sum(calls), 0) FROM pg_stat_statements
                 WHERE userid = '{name}'::regrole::oid AND query LIKE '%p_more%'"
            ))
            .await
    }

    /// Counts from zero again.
    pub async fn forget(&self, store: &Store) {
        store.database.execute("SELECT pg_stat_statements_reset()").await;
    }
}
