//! An event store in PostgreSQL, ZITADEL's or any other table.
//!
//! The cast: [`examine`] finds the table, its columns and where positions come from, and refuses what cannot be read
//! safely; [`sql`] builds the statements for it once; [`probe`] asks for the head and the writers; [`read`] reads, [`decode`]
//! makes rows of it; [`check`] tells an operator what is amiss. [`trigger`] is what tells when events are added, [`notify`] adds it
//! where that is allowed, [`listen`] hears it.
//!
//! Invariants: but for the trigger, nothing is written and no lock is taken that a writer would wait for; each statement is a transaction
//! of its own; whatever decides how far it is safe to read says which server answered.

mod check;
mod connection;
mod decode;
mod examine;
mod layout;
mod listen;
mod notify;
#[cfg(test)]
mod plans;
mod probe;
mod read;
mod sql;
mod stamp;
mod trigger;

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use domain::{EventKey, EventType, InstanceId, Position, Row, Timestamp};
use sqlx::PgPool;

use self::{
    connection::{LONG, OwnSessions, acquire},
    layout::Examined,
    sql::Statements,
};
pub use self::{
    listen::Listener,
    notify::{TriggerChange, TriggerChanged},
};
use super::{EventStoreOptions, Finding, HorizonSource, Notifies, Page, PageRequest, Probe};
use crate::StoreError;

/// An events table in PostgreSQL. Cheap to clone.
#[derive(Clone)]
pub struct PostgresEvents {
    pool: PgPool,
    sessions: OwnSessions,
    options: Arc<EventStoreOptions>,
    ignore_roles: Arc<Vec<String>>,
    known: Arc<RwLock<Known>>,
}

/// What was found, and the statements for it. Replaced as a whole.
type Known = (Arc<Examined>, Arc<Statements>);

impl fmt::Debug for PostgresEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (examined, _) = self.known();
        f.debug_struct("PostgresEvents")
            .field("table", &examined.layout.table)
            .field("source", &examined.source)
            .finish_non_exhaustive()
    }
}

impl PostgresEvents {
    pub(super) async fn connect(options: &EventStoreOptions) -> Result<Self, StoreError> {
        let (pool, sessions) = connection::pool(&options.url)?;
        connection::reach(&pool).await?;
        let known = look(&pool, options).await?;
        Ok(Self {
            pool,
            sessions,
            ignore_roles: Arc::new(options.ignore_roles.clone()),
            options: Arc::new(options.clone()),
            known: Arc::new(RwLock::new(known)),
        })
    }

    /// What is found when the table is examined again is found for both.
    pub(super) fn alone(&self) -> Self {
        Self { pool: connection::few(&self.pool, &self.sessions), ..self.clone() }
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn source(&self) -> HorizonSource {
        self.known().0.source
    }

    pub(super) fn doubt(&self) -> Option<String> {
        self.known().0.doubt.clone()
    }

    pub(super) fn has_instances(&self) -> bool {
        self.known().0.layout.instance_id.is_some()
    }

    pub(super) async fn reexamine(&self) -> Result<(), StoreError> {
        let found = look(&self.pool, &self.options).await?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(())
    }

    pub(super) fn notifies(&self) -> Notifies {
        self.known().0.trigger.notifies()
    }

    /// Listens on the channel that the trigger speaks on, on a connection of its own.
    pub(super) async fn listen(&self) -> Result<Listener, StoreError> {
        Listener::start(self).await
    }

    pub(super) async fn change_trigger(&self, change: TriggerChange) -> Result<TriggerChanged, StoreError> {
        notify::change(self, change).await
    }

    pub(super) async fn trigger_sql(&self, change: TriggerChange) -> Result<String, StoreError> {
        notify::sql(self, change).await
    }

    pub(super) async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        check::check(self).await
    }

    pub(super) async fn instances(&self) -> Result<Vec<InstanceId>, StoreError> {
        read::instances(self).await
    }

    pub(super) async fn recent_instances(&self, since: Timestamp) -> Result<Vec<InstanceId>, StoreError> {
        read::recent(self, since).await
    }

    pub(super) async fn fresh(&self, known: &[(InstanceId, Position)]) -> Result<Vec<InstanceId>, StoreError> {
        read::fresh(self, known).await
    }

    pub(super) async fn probe(&self) -> Result<Probe, StoreError> {
        probe::probe(self).await
    }

    pub(super) async fn page(&self, request: &PageRequest<'_>) -> Result<Page, StoreError> {
        read::page(self, request).await
    }

    pub(super) async fn event(&self, key: &EventKey) -> Result<Option<Row>, StoreError> {
        read::event(self, key).await
    }

    pub(super) async fn position_at(&self, time: Timestamp) -> Result<Position, StoreError> {
        read::position_at(self, time).await
    }

    pub(super) async fn position_back(
        &self,
        instance: &InstanceId,
        before: Position,
        rows: u32,
    ) -> Result<Option<Position>, StoreError> {
        read::position_back(self, instance, before, rows).await
    }

    pub(super) async fn position_ahead(
        &self,
        instance: &InstanceId,
        behind: Position,
        up_to: Position,
        rows: u32,
    ) -> Result<Option<Position>, StoreError> {
        read::position_ahead(self, instance, behind, up_to, rows).await
    }

    pub(super) async fn count(&self, request: &PageRequest<'_>, cap: u64) -> Result<u64, StoreError> {
        read::count(self, request, cap).await
    }

    pub(super) async fn census(
        &self,
        request: &PageRequest<'_>,
        cap: u64,
    ) -> Result<Vec<(Option<EventType>, u64)>, StoreError> {
        read::census(self, request, cap).await
    }
}

/// Examines the table and builds the statements for it.
async fn look(pool: &PgPool, options: &EventStoreOptions) -> Result<Known, StoreError> {
    const OPERATION: &str = "connect to the event store";
    let mut connection = acquire(pool, OPERATION).await?;
    let Ok(found) = tokio::time::timeout(LONG, examine::examine(&mut connection, options)).await else {
        drop(connection.detach());
        return Err(StoreError::Timeout { operation: OPERATION, after: LONG });
    };
    let examined = found?;
    let statements = Statements::new(&examined.layout, examined.source, examined.identity);
    Ok((Arc::new(examined), Arc::new(statements)))
}
