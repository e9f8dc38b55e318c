//! `[event_store]` and `[state]`: where events are read, and where it is kept what became of them.

use std::path::PathBuf;

use serde::Deserialize;

#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawEventStore {
    pub url: Option<String>,
    pub url_env: Option<String>,
    pub url_file: Option<PathBuf>,
    pub profile: Profile,
    pub table: Option<String>,
    pub columns: Option<RawColumns>,
    pub horizon: Option<HorizonName>,
    pub ignore_roles: Vec<String>,
}

/// Which columns of a custom table mean what.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawColumns {
    pub position: Option<String>,
    pub aggregate_type: Option<String>,
    pub aggregate_id: Option<String>,
    pub event_type: Option<String>,
    pub sequence: Option<String>,
    pub created_at: Option<String>,
    pub payload: Option<String>,
    pub in_tx_order: Option<String>,
    pub instance_id: Option<String>,
    pub revision: Option<String>,
    pub creator: Option<String>,
    pub owner: Option<String>,
}

/// How the events table is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// `eventstore.events2`.
    #[default]
    Zitadel,
    /// A table of the operator's own.
    Custom,
}

/// Where positions come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HorizonName {
    Sequence,
    Clock,
    TxStart,
}

#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawState {
    pub url: Option<String>,
    pub url_env: Option<String>,
    pub url_file: Option<PathBuf>,
    pub master_key: Option<String>,
    pub master_key_env: Option<String>,
    pub master_key_file: Option<PathBuf>,
    pub previous_master_key: Option<String>,
    pub previous_master_key_env: Option<String>,
    pub previous_master_key_file: Option<PathBuf>,
}
