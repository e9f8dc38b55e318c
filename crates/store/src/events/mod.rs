//! An event store, as a reader sees it. It is never written to, except that SQLite stores can be made here.
//!
//! The cast: [`EventStoreOptions`] say what to read; [`EventStore::probe`] says how far the writers are;
//! [`EventStore::page`] reads on from a key up to a position; [`EventStore::check`] tells an operator what is amiss.
//!
//! Invariants: rows come in the order of [`EventKey`], each once; a row whose key can be read is never left out and
//! never fails a page, it becomes [`domain::Row::Broken`]; a page is bounded in rows, in bytes and in rows scanned.

mod collect;
mod options;
mod page;
mod postgres;
mod report;
mod sqlite;

use std::path::Path;

use domain::{EventKey, EventType, InstanceId, Position, Row, Timestamp};

pub use options::{Columns, EventStoreOptions, HorizonSource, Table};
pub use page::{Page, PageRequest, SCAN_BOUND};
pub use postgres::{Listener, PostgresEvents, TriggerChange, TriggerChanged};
pub use report::{Finding, Identity, Notifies, Probe, Severity};
pub use sqlite::{NewEvent, SqliteEvents};

use crate::StoreError;

/// An events table that is followed. Cheap to clone.
#[derive(Clone, Debug)]
pub enum EventStore {
    /// In PostgreSQL: ZITADEL's, or one that is described by [`Columns`].
    Postgres(PostgresEvents),
    /// In a SQLite file.
    Sqlite(SqliteEvents),
}

macro_rules! each {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Self::Postgres($store) => $call,
            Self::Sqlite($store) => $call,
        }
    };
}

impl EventStore {
    /// Connects and examines the table. Refuses what cannot be read in order and without loss: a missing table or
    /// column (naming the nearest), no privilege, a standby, a custom position of neither sequence nor identity
    /// without a horizon being set, a sequence with a cache.
    pub async fn connect(options: &EventStoreOptions) -> Result<Self, StoreError> {
        match options.url.split_once(':').map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => PostgresEvents::connect(options).await.map(Self::Postgres),
            Some("sqlite") => SqliteEvents::connect(&options.url).await.map(Self::Sqlite),
            _ => Err(StoreError::Url {
                what: "event store",
                reason: "it must begin with postgres:// or sqlite://".to_owned(),
            }),
        }
    }

    /// Makes a SQLite event store, or opens the one that is there.
    pub async fn create_sqlite(path: &Path) -> Result<Self, StoreError> {
        SqliteEvents::create(path).await.map(Self::Sqlite)
    }

    /// The same store on a few sessions of its own, for a reader of pages.
    #[must_use]
    pub fn alone(&self) -> Self {
        match self {
            Self::Postgres(store) => Self::Postgres(store.alone()),
            Self::Sqlite(store) => Self::Sqlite(store.clone()),
        }
    }

    /// How the horizon is found at present.
    #[must_use]
    pub fn source(&self) -> HorizonSource {
        match self {
            Self::Postgres(store) => store.source(),
            Self::Sqlite(_) => HorizonSource::Sequence,
        }
    }

    /// Why the horizon that was set in the configuration would lose events, if it would.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        match self {
            Self::Postgres(store) => store.doubt(),
            Self::Sqlite(_) => None,
        }
    }

    /// Examines the table again: an upgrade of ZITADEL can change how positions are stamped.
    pub async fn reexamine(&self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(store) => store.reexamine().await,
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Whether events belong to instances. If not, everything is on the instance with the empty name.
    #[must_use]
    pub fn has_instances(&self) -> bool {
        match self {
            Self::Postgres(store) => store.has_instances(),
            Self::Sqlite(_) => true,
        }
    }

    /// Whether whoever adds events says so, as it was when the table was last examined.
    #[must_use]
    pub fn notifies(&self) -> Notifies {
        match self {
            Self::Postgres(store) => store.notifies(),
            Self::Sqlite(_) => Notifies::Never,
        }
    }

    /// Listens for whoever adds events. [`StoreError::Deaf`] where nothing is heard although it is said.
    pub async fn listen(&self) -> Result<Listener, StoreError> {
        match self {
            Self::Postgres(store) => store.listen().await,
            Self::Sqlite(_) => Err(no_trigger()),
        }
    }

    /// Adds the notify trigger or takes it away, where it is not so already. [`StoreError::NotAllowed`] without the rights,
    /// [`StoreError::InUse`] while a writer is in the way; nothing is changed then.
    pub async fn change_trigger(&self, change: TriggerChange) -> Result<TriggerChanged, StoreError> {
        match self {
            Self::Postgres(store) => store.change_trigger(change).await,
            Self::Sqlite(_) => Err(no_trigger()),
        }
    }

    /// The SQL that does the same, for somebody with the rights.
    pub async fn trigger_sql(&self, change: TriggerChange) -> Result<String, StoreError> {
        match self {
            Self::Postgres(store) => store.trigger_sql(change).await,
            Self::Sqlite(_) => Err(no_trigger()),
        }
    }

    /// What an operator should know about this store.
    pub async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        each!(self, store => store.check().await)
    }

    /// Every instance that has events, by skipping through the index. One empty name for stores without instances.
    pub async fn instances(&self) -> Result<Vec<InstanceId>, StoreError> {
        each!(self, store => store.instances().await)
    }

    /// The instances that have an event created since then.
    pub async fn recent_instances(&self, since: Timestamp) -> Result<Vec<InstanceId>, StoreError> {
        each!(self, store => store.recent_instances(since).await)
    }

    /// Which of these have an event with a position above: one cheap statement, one index probe for each.
    pub async fn fresh(&self, known: &[(InstanceId, Position)]) -> Result<Vec<InstanceId>, StoreError> {
        each!(self, store => store.fresh(known).await)
    }

    /// Where the head is and who may still write below it. [`StoreError::Standby`] when in recovery.
    pub async fn probe(&self) -> Result<Probe, StoreError> {
        each!(self, store => store.probe().await)
    }

    /// The next rows after a key, up to a position.
    pub async fn page(&self, request: &PageRequest<'_>) -> Result<Page, StoreError> {
        each!(self, store => store.page(request).await)
    }

    /// One row, if it is there.
    pub async fn event(&self, key: &EventKey) -> Result<Option<Row>, StoreError> {
        each!(self, store => store.event(key).await)
    }

    /// The first position of this time or later.
    pub async fn position_at(&self, time: Timestamp) -> Result<Position, StoreError> {
        each!(self, store => store.position_at(time).await)
    }

    /// The position of the row that is so many rows (at least 1) before a position on an instance. `None`: there are not so many.
    pub async fn position_back(
        &self,
        instance: &InstanceId,
        before: Position,
        rows: u32,
    ) -> Result<Option<Position>, StoreError> {
        each!(self, store => store.position_back(instance, before, rows).await)
    }

    /// The position of the row that is so many rows (at least 1) behind a position on an instance. `None`: up to `up_to` there are not so many.
    pub async fn position_ahead(
        &self,
        instance: &InstanceId,
        behind: Position,
        up_to: Position,
        rows: u32,
    ) -> Result<Option<Position>, StoreError> {
        each!(self, store => store.position_ahead(instance, behind, up_to, rows).await)
    }

    /// How many rows a request is about, counting no further than `cap`. `limit` and `max_bytes` do not matter here.
    pub async fn count(&self, request: &PageRequest<'_>, cap: u64) -> Result<u64, StoreError> {
        each!(self, store => store.count(request, cap).await)
    }

    /// As [`EventStore::count`], by event type; `None` stands for rows without one.
    pub async fn census(
        &self,
        request: &PageRequest<'_>,
        cap: u64,
    ) -> Result<Vec<(Option<EventType>, u64)>, StoreError> {
        each!(self, store => store.census(request, cap).await)
    }

    /// Writes events, all or none. Only a SQLite store can be written to.
    pub async fn append(&self, events: &[NewEvent]) -> Result<Vec<EventKey>, StoreError> {
        match self {
            Self::Postgres(_) => {
                Err(StoreError::Unusable { reason: "a PostgreSQL event store is only read".to_owned() })
            }
            Self::Sqlite(store) => store.append(events).await,
        }
    }
}

fn no_trigger() -> StoreError {
    StoreError::Unusable { reason: "SQLite has nothing to notify another process with".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{EventStore, EventStoreOptions, PageRequest};

    fn moves(future: impl Send) {
        drop(future);
    }

    #[expect(dead_code, reason = "it is enough that this compiles: a task that reads can move between threads")]
    fn every_call_can_be_made_in_a_task(store: &EventStore, options: &EventStoreOptions, request: &PageRequest<'_>) {
        moves(EventStore::connect(options));
        moves(store.reexamine());
        moves(store.check());
        moves(store.instances());
        moves(store.listen());
        moves(store.fresh(&[]));
        moves(store.probe());
        moves(store.page(request));
        moves(store.event(request.after));
        moves(store.count(request, 1));
        moves(store.census(request, 1));
        moves(store.append(&[]));
    }
}
