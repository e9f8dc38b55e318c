//! `[admin]`, `[log]`, `[traces]` and `[retention]`: what operators see of a daemon, and for how long.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;

use crate::config::secret::RawSecret;

/// HTTP for operators; none if `listen` is empty.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAdmin {
    pub listen: String,
    pub tls: Option<RawTls>,
    /// Whether figures are told without a token.
    pub open_metrics: bool,
}

impl Default for RawAdmin {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8788".to_owned(), tls: None, open_metrics: false }
    }
}

/// Files in PEM.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTls {
    /// The chain, the server's own first.
    pub certificate: PathBuf,
    pub key: PathBuf,
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
