//! What the tests of event stores have in common.

use std::sync::Arc;

use domain::{Event, EventKey, InstanceId, Position, Row, TypeFilter};
use postrider_store::{Columns, EventStore, EventStoreOptions, HorizonSource, Page, PageRequest, StoreError, Table};
use test_support::{CUSTOM_TABLE, TestDatabase};

/// Far behind every position there is.
pub fn far() -> Position {
    Position::from_integer(9_000_000_000)
}

pub fn zitadel(url: String) -> EventStoreOptions {
    EventStoreOptions { url, table: Table::Zitadel, horizon: None, ignore_roles: Vec::new() }
}

/// The columns of the table that `TestDatabase::custom` makes.
pub fn custom_columns() -> Columns {
    Columns {
        position: "id".into(),
        aggregate_type: "stream_type".into(),
        aggregate_id: "stream_id".into(),
        event_type: "name".into(),
        sequence: "version".into(),
        created_at: "created".into(),
        payload: "data".into(),
        ..Columns::default()
    }
}

pub fn custom(url: String) -> EventStoreOptions {
    custom_with(url, CUSTOM_TABLE, custom_columns())
}

pub fn custom_with(url: String, table: &str, columns: Columns) -> EventStoreOptions {
    EventStoreOptions { table: Table::Custom { table: table.to_owned(), columns }, ..zitadel(url) }
}

pub async fn connected(options: EventStoreOptions) -> EventStore {
    EventStore::connect(&options).await.unwrap_or_else(|error| panic!("the store is good: {}", chain(&error)))
}

/// A ZITADEL-shaped store in a fresh database.
pub async fn zitadel_store() -> (TestDatabase, EventStore) {
    let db = TestDatabase::create().await;
    db.zitadel().await;
    let store = connected(zitadel(db.url())).await;
    (db, store)
}

/// Why a store is refused.
pub async fn refusal(options: EventStoreOptions) -> String {
    let error = EventStore::connect(&options).await.expect_err("the store is refused");
    assert!(!error.is_transient(), "waiting does not help: {error}");
    error.to_string()
}

/// An error and everything it comes from.
pub fn chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

/// What to ask for: everything on an instance, unless it is changed.
pub struct Ask {
    pub instance: InstanceId,
    pub after: EventKey,
    pub up_to: Position,
    pub filter: Option<TypeFilter>,
    pub limit: usize,
    pub max_bytes: usize,
}

impl Ask {
    pub fn on(instance: &str) -> Self {
        Self {
            instance: instance.into(),
            after: EventKey::before(Position::ZERO),
            up_to: far(),
            filter: None,
            limit: 1000,
            max_bytes: 64 << 20,
        }
    }

    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    pub fn types(self, types: &[&str], groups: &[&str]) -> Self {
        let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        Self { filter: Some(TypeFilter { all: false, types: texts(types), groups: texts(groups) }), ..self }
    }

    pub fn request(&self) -> PageRequest<'_> {
        PageRequest {
            instance: &self.instance,
            after: &self.after,
            up_to: self.up_to,
            filter: self.filter.as_ref(),
            limit: self.limit,
            max_bytes: self.max_bytes,
        }
    }

    pub async fn page(&self, store: &EventStore) -> Page {
        store.page(&self.request()).await.unwrap_or_else(|error| panic!("a page is read: {}", chain(&error)))
    }

    /// Page after page to the end; the pages too.
    pub async fn all(mut self, store: &EventStore) -> (Vec<Arc<Row>>, Vec<Page>) {
        let (mut rows, mut pages) = (Vec::new(), Vec::new());
        loop {
            let page = self.page(store).await;
            rows.extend(page.rows.iter().cloned());
            let end = page.end.clone();
            let more = page.more;
            pages.push(page);
            if !more {
                return (rows, pages);
            }
            self.after = end.expect("a page that is cut short has an end");
        }
    }
}

pub fn keys(rows: &[Arc<Row>]) -> Vec<EventKey> {
    rows.iter().map(|row| row.key().clone()).collect()
}

pub fn event(row: &Row) -> &Event {
    match row {
        Row::Event(event) => event,
        Row::Broken(row) => panic!("this row is whole: {row}"),
    }
}

pub fn payload(row: &Row) -> Option<&str> {
    event(row).payload.as_ref().map(|bytes| std::str::from_utf8(bytes).expect("JSON is UTF-8"))
}

pub fn with_source(options: EventStoreOptions, source: HorizonSource) -> EventStoreOptions {
    EventStoreOptions { horizon: Some(source), ..options }
}
