//! `[delivery]`: what is common to all calls.

use std::time::Duration;

use serde::Deserialize;

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

/// Which attempts are written down, for `postrider delivery list`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoggedAttempts {
    Off,
    #[default]
    Failures,
    All,
}

#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawEgress {
    pub allow: Vec<String>,
}
