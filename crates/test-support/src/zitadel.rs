//! A ZITADEL-shaped event store: its schema, and pushes that stamp positions as released and newer versions do.

use domain::{EventKey, EventType, Position};
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, PgPool, Row, postgres::PgRow};

use crate::TestDatabase;

/// The schema, with the function `eventstore.test_push`.
const SCHEMA: &str = include_str!("../fixtures/eventstore.sql");

/// What a push calls. The last two arguments are the types and payloads of its events.
const PUSH: &str = "SELECT *, position::text AS exact_position
   FROM eventstore.test_push($1, $2, $3, $4, $5, $6, $7, $8::text[]::jsonb[])";

/// The columns that [`Written`] needs.
const ALL: &str = "SELECT *, position::text AS exact_position FROM eventstore.events2";

/// How a version of ZITADEL stamps positions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stamp {
    /// Released versions: the start of the transaction, shared by all its events.
    Now,
    /// Since setup step 77: the wall clock for each row, after a shared advisory lock.
    Clock,
}

impl Stamp {
    fn as_str(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Clock => "clock",
        }
    }
}

/// Events of one aggregate that are pushed together.
#[derive(Clone, PartialEq, Debug)]
pub struct Push {
    /// The tenant.
    pub instance_id: String,
    /// The kind of the aggregate.
    pub aggregate_type: String,
    /// The aggregate.
    pub aggregate_id: String,
    /// The resource owner.
    pub owner: String,
    /// Who caused them.
    pub creator: String,
    /// Type and payload of each.
    pub events: Vec<(String, Option<Value>)>,
}

impl Push {
    /// No events yet, for an aggregate of the instance `i1`.
    #[must_use]
    pub fn to(aggregate_type: &str, aggregate_id: &str) -> Self {
        Self {
            instance_id: "i1".to_owned(),
            aggregate_type: aggregate_type.to_owned(),
            aggregate_id: aggregate_id.to_owned(),
            owner: "org1".to_owned(),
            creator: "creator1".to_owned(),
            events: Vec::new(),
        }
    }

    /// On another instance.
    #[must_use]
    pub fn on(mut self, instance_id: &str) -> Self {
        instance_id.clone_into(&mut self.instance_id);
        self
    }

    /// One more event, without a payload.
    #[must_use]
    pub fn event(mut self, event_type: &str) -> Self {
        self.events.push((event_type.to_owned(), None));
        self
    }

    /// One more event, with a payload.
    #[must_use]
    pub fn event_with(mut self, event_type: &str, payload: Value) -> Self {
        self.events.push((event_type.to_owned(), Some(payload)));
        self
    }

    /// Pushes on this connection, in its transaction if one is open.
    pub async fn run(&self, stamp: Stamp, connection: &mut PgConnection) -> Result<Vec<Written>, sqlx::Error> {
        let (types, payloads): (Vec<&str>, Vec<Option<String>>) =
            self.events.iter().map(|(name, payload)| (name.as_str(), payload.as_ref().map(Value::to_string))).unzip();
        sqlx::query_as(PUSH)
            .bind(stamp.as_str())
            .bind(&self.instance_id)
            .bind(&self.aggregate_type)
            .bind(&self.aggregate_id)
            .bind(&self.owner)
            .bind(&self.creator)
            .bind(types)
            .bind(payloads)
            .fetch_all(connection)
            .await
    }
}

/// An event as it stands in a table: what a receiver must have heard of in the end.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Written {
    /// Where it stands.
    pub key: EventKey,
    /// What happened.
    pub event_type: EventType,
}

impl FromRow<'_, PgRow> for Written {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let position: String = row.try_get("exact_position")?;
        let key = EventKey {
            position: position.parse::<Position>().map_err(|error| sqlx::Error::Decode(error.into()))?,
            in_tx_order: row.try_get::<i32, _>("in_tx_order")?.into(),
            instance_id: row.try_get::<String, _>("instance_id")?.into(),
            aggregate_type: row.try_get::<String, _>("aggregate_type")?.into(),
            aggregate_id: row.try_get::<String, _>("aggregate_id")?.into(),
            sequence: row.try_get("sequence")?,
        };
        Ok(Self { key, event_type: row.try_get::<String, _>("event_type")?.into() })
    }
}

impl TestDatabase {
    /// Creates the schema `eventstore` as ZITADEL has it.
    pub async fn zitadel(&self) {
        self.execute(SCHEMA).await;
    }

    /// Pushes in a transaction of its own, and returns what was written, in order.
    pub async fn push(&self, stamp: Stamp, push: &Push) -> Vec<Written> {
        let mut connection = self.pool().acquire().await.expect("the server of the test database takes connections");
        push.run(stamp, &mut connection).await.unwrap_or_else(|error| panic!("the push failed: {error}\n{push:?}"))
    }

    /// Everything in `eventstore.events2`, in the order of the key.
    pub async fn zitadel_events(&self) -> Vec<Written> {
        written(self.pool(), ALL).await
    }
}

/// The rows that `sql` finds, in the order of the key.
pub(crate) async fn written(pool: &PgPool, sql: &str) -> Vec<Written> {
    let rows = sqlx::query_as(AssertSqlSafe(sql.to_owned())).fetch_all(pool).await;
    let mut rows: Vec<Written> = rows.unwrap_or_else(|error| panic!("the events cannot be read: {error}"));
    rows.sort();
    rows
}
