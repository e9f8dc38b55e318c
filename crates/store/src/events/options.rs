//! What an operator says about an event store.

use std::{fmt, str::FromStr};

/// Where the events are.
#[derive(Clone)]
pub struct EventStoreOptions {
    /// `postgres://…` or `sqlite://…`. May hold a password: never printed.
    pub url: String,
    /// Which table. Ignored for SQLite.
    pub table: Table,
    /// How the horizon is found; `None` to find out.
    pub horizon: Option<HorizonSource>,
    /// Roles that never write events: their open transactions do not hold the horizon.
    pub ignore_roles: Vec<String>,
}

impl fmt::Debug for EventStoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStoreOptions")
            .field("table", &self.table)
            .field("horizon", &self.horizon)
            .field("ignore_roles", &self.ignore_roles)
            .finish_non_exhaustive()
    }
}

/// Which table holds the events.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[expect(clippy::large_enum_variant, reason = "there is one for each store, and it is not moved about")]
pub enum Table {
    /// `eventstore.events2`.
    #[default]
    Zitadel,
    /// Any other.
    Custom {
        /// `schema.name`, or a name in `public`.
        table: String,
        /// What its columns are called.
        columns: Columns,
    },
}

/// What the columns of a custom table are called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Columns {
    /// A whole or decimal number that grows.
    pub position: String,
    /// The kind of thing the event happened to.
    pub aggregate_type: String,
    /// The thing the event happened to.
    pub aggregate_id: String,
    /// What happened.
    pub event_type: String,
    /// The event's number within its aggregate.
    pub sequence: String,
    /// When: `timestamptz`, or `timestamp` taken as UTC.
    pub created_at: String,
    /// `jsonb`, `json`, or JSON in `text` or `bytea`.
    pub payload: String,
    /// Tells apart events that share a position.
    pub in_tx_order: Option<String>,
    /// The tenant.
    pub instance_id: Option<String>,
    /// The version of the payload.
    pub revision: Option<String>,
    /// Who caused it.
    pub creator: Option<String>,
    /// The resource owner.
    pub owner: Option<String>,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            position: "position".to_owned(),
            aggregate_type: "aggregate_type".to_owned(),
            aggregate_id: "aggregate_id".to_owned(),
            event_type: "event_type".to_owned(),
            sequence: "sequence".to_owned(),
            created_at: "created_at".to_owned(),
            payload: "payload".to_owned(),
            in_tx_order: None,
            instance_id: None,
            revision: None,
            creator: None,
            owner: None,
        }
    }
}

impl Columns {
    /// ZITADEL's `events2`, which has all of them.
    pub(crate) fn zitadel() -> Self {
        Self {
            in_tx_order: Some("in_tx_order".to_owned()),
            instance_id: Some("instance_id".to_owned()),
            revision: Some("revision".to_owned()),
            creator: Some("creator".to_owned()),
            owner: Some("owner".to_owned()),
            ..Self::default()
        }
    }
}

/// Where positions come from, and with it how the horizon is found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HorizonSource {
    /// A sequence or an identity column, drawn while the writer holds a lock on the table or the sequence.
    Sequence,
    /// The wall clock in seconds, read while the writer holds a lock on the table.
    Clock,
    /// The start of the writer's transaction in seconds: any open transaction may still write below the head.
    TxStart,
}

impl HorizonSource {
    /// The word in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sequence => "sequence",
            Self::Clock => "clock",
            Self::TxStart => "tx_start",
        }
    }
}

impl fmt::Display for HorizonSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for HorizonSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Sequence, Self::Clock, Self::TxStart]
            .into_iter()
            .find(|source| source.as_str() == text)
            .ok_or_else(|| format!("{text:?} is none of sequence, clock, tx_start"))
    }
}
