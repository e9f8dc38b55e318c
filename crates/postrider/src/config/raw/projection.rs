//! `[projection]`, `[ledger]` and `[lease]`: when events are read, tried again, given up and committed, and who may send.

use std::time::Duration;

use serde::Deserialize;

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
