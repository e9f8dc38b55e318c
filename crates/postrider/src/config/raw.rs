//! The shape of a config file: what serde reads, with every default.
//!
//! Nothing here is checked against anything else; that is `validate`. Every struct refuses unknown keys, and serde's own
//! list of fields is what `problem` looks for the nearest name in, so a key is written down once: here.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use domain::{Ordering, PayloadEncoding, PayloadMode, PayloadType, TargetKind};
use serde::Deserialize;

use super::{
    secret::RawSecret,
    words::{RawSize, RawStart},
};

/// A whole config file, or with only the last two lists a definitions file.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawConfig {
    pub event_store: RawEventStore,
    pub state: RawState,
    pub projection: Projection,
    pub ledger: Ledger,
    pub lease: Lease,
    pub delivery: RawDelivery,
    pub admin: RawAdmin,
    pub log: Log,
    pub traces: RawTraces,
    pub retention: Retention,
    pub definitions: RawDefinitions,
    /// How long a stopping daemon waits for calls in flight.
    #[serde(with = "humantime_serde")]
    pub shutdown_grace: Duration,
    pub target: Vec<RawTarget>,
    pub execution: Vec<RawExecution>,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            event_store: RawEventStore::default(),
            state: RawState::default(),
            projection: Projection::default(),
            ledger: Ledger::default(),
            lease: Lease::default(),
            delivery: RawDelivery::default(),
            admin: RawAdmin::default(),
            log: Log::default(),
            traces: RawTraces::default(),
            retention: Retention::default(),
            definitions: RawDefinitions::default(),
            shutdown_grace: Duration::from_secs(30),
            target: Vec::new(),
            execution: Vec::new(),
        }
    }
}

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

/// How events are read, retried and given up: ZITADEL's words and defaults where it has them.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Projection {
    /// How often an idle tail asks whether anything is new.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
    /// How often every instance is looked at, whatever the cheap query says.
    #[serde(with = "humantime_serde")]
    pub requeue_every: Duration,
    /// Events a page.
    pub bulk_limit: u32,
    /// The first wait after a failure.
    #[serde(with = "humantime_serde")]
    pub retry_failed_after: Duration,
    /// The longest wait between two attempts.
    #[serde(with = "humantime_serde")]
    pub max_retry_interval: Duration,
    /// At this many failures an event is given up.
    pub max_failure_count: u32,
    /// What giving up means.
    pub on_exhausted: OnExhausted,
    /// After this many parked in a row the endpoint is taken to be in trouble.
    pub hold_after_parked: u32,
    /// A hold longer than this counts as a failure of the event; never if left out.
    #[serde(with = "humantime_serde")]
    pub max_hold: Option<Duration>,
    /// Older events are settled without a call; off if left out.
    #[serde(with = "humantime_serde")]
    pub max_event_age: Option<Duration>,
    /// How many events may be settled ahead of the cursor; in strict order none is.
    pub lookahead: u32,
}

impl Default for Projection {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_millis(50),
            requeue_every: Duration::from_mins(1),
            bulk_limit: 200,
            retry_failed_after: Duration::from_secs(1),
            max_retry_interval: Duration::from_mins(5),
            max_failure_count: 5,
            on_exhausted: OnExhausted::default(),
            hold_after_parked: 10,
            max_hold: None,
            max_event_age: None,
            lookahead: 1000,
        }
    }
}

/// What becomes of an event whose failures reached `max_failure_count`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnExhausted {
    /// It is set aside and the cursor moves on.
    #[default]
    Park,
    /// The cursor stays until an operator acts.
    Halt,
}

/// How settlements are gathered into transactions.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ledger {
    #[serde(with = "humantime_serde")]
    pub flush_interval: Duration,
    pub max_group: u32,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { flush_interval: Duration::from_millis(100), max_group: 2000 }
    }
}

/// How long a dead daemon keeps the others waiting.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lease {
    #[serde(with = "humantime_serde")]
    pub duration: Duration,
}

impl Default for Lease {
    fn default() -> Self {
        Self { duration: Duration::from_secs(10) }
    }
}

#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawDelivery {
    /// For targets that name no timeout of their own.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// For targets that name none of their own.
    pub max_in_flight: u32,
    /// Which attempts are written down.
    pub log: LoggedAttempts,
    /// The share of successes that `log = "all"` keeps.
    pub log_sample: f64,
    pub egress: RawEgress,
}

/// Which attempts are written down, for `postrider delivery list`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoggedAttempts {
    Off,
    #[default]
    Failures,
    All,
}

impl Default for RawDelivery {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            max_in_flight: 16,
            log: LoggedAttempts::default(),
            log_sample: 1.0,
            egress: RawEgress::default(),
        }
    }
}

#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawEgress {
    pub allow: Vec<String>,
}

/// HTTP for operators; none if `listen` is empty.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAdmin {
    pub listen: String,
    pub tls: Option<RawTls>,
    /// Whether figures are told without a token.
    pub open_metrics: bool,
}

/// Files in PEM.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTls {
    /// The chain, the server's own first.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Default for RawAdmin {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8788".to_owned(), tls: None, open_metrics: false }
    }
}

/// What the daemon says, on standard error.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or tracing's directives (`info,postrider_engine=debug`).
    pub level: String,
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Auto }
    }
}

/// One line of log, for whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    // Text on a terminal, JSON elsewhere. No doc comments here: they would make the help longer than it need be.
    #[default]
    Auto,
    // For people.
    Text,
    // For machines.
    Json,
}

/// Where traces are sent. Nowhere, unless there is an endpoint.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawTraces {
    /// Of a collector that takes OTLP over HTTP.
    pub endpoint: Option<String>,
    /// What it wants to see of whoever sends them.
    pub headers: BTreeMap<String, RawSecret>,
}

/// How long things are kept that nothing needs any more.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    #[serde(with = "humantime_serde")]
    pub parked: Duration,
    #[serde(with = "humantime_serde")]
    pub deliveries: Duration,
    /// Of each target, whatever their age.
    pub deliveries_per_target: u32,
    #[serde(with = "humantime_serde")]
    pub audit: Duration,
    #[serde(with = "humantime_serde")]
    pub removed: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |days: u64| Duration::from_hours(24 * days);
        Self { parked: days(90), deliveries: days(7), deliveries_per_target: 1000, audit: days(365), removed: days(30) }
    }
}

#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawDefinitions {
    pub file: Option<PathBuf>,
}

#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTarget {
    pub name: String,
    #[serde(default, rename = "type")]
    pub kind: TargetKind,
    pub endpoint: String,
    #[serde(default, with = "humantime_serde")]
    pub timeout: Option<Duration>,
    #[serde(default)]
    pub interrupt_on_error: bool,
    #[serde(default)]
    pub signing_key: Option<RawSecret>,
    #[serde(default)]
    pub signing_keys: Vec<RawSecret>,
    #[serde(default)]
    pub ordering: Ordering,
    #[serde(default)]
    pub max_in_flight: Option<u32>,
    #[serde(default)]
    pub rate_limit: Option<String>,
    #[serde(default)]
    pub rate_burst: Option<u32>,
    #[serde(default)]
    pub max_request: Option<RawSize>,
    #[serde(default)]
    pub max_answer: Option<RawSize>,
    #[serde(default)]
    pub start: RawStart,
    #[serde(default)]
    pub headers: BTreeMap<String, RawSecret>,
    #[serde(default)]
    pub exclude: Vec<String>,
    #[serde(default)]
    pub payload: PayloadMode,
    #[serde(default)]
    pub payload_encoding: PayloadEncoding,
    #[serde(default)]
    pub payload_type: PayloadType,
    /// The one instance it belongs to.
    #[serde(default)]
    pub instance: Option<String>,
}

#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawExecution {
    pub condition: RawCondition,
    #[serde(default)]
    pub targets: Vec<super::words::RawExecutionTarget>,
    #[serde(default)]
    pub instance: Option<String>,
    #[serde(default)]
    pub exclude: Vec<String>,
}

/// Of these exactly one is meant; `validate` says so.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawCondition {
    pub event: Option<String>,
    pub group: Option<String>,
    pub all: Option<bool>,
    /// ZITADEL knows these; events never match them.
    pub request: Option<serde::de::IgnoredAny>,
    /// See `request`.
    pub response: Option<serde::de::IgnoredAny>,
    /// See `request`.
    pub function: Option<serde::de::IgnoredAny>,
}
