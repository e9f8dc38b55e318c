//! What an operator can set about the engine. Defaults are ZITADEL's projections' where those have the setting.

use std::time::Duration;

use domain::window::Policy;
use store::Retention;

/// See `config.example.toml` for what each setting is for.
#[derive(Clone, Debug)]
pub struct Options {
    /// When to give up, and on whom.
    pub policy: Policy,
    /// The first wait after a failure.
    pub retry_failed_after: Duration,
    /// How often an idle store is asked whether anything is new.
    pub poll_interval: Duration,
    /// How often everything is looked at again, whether or not anything seems new.
    pub requeue_every: Duration,
    /// Rows a page.
    pub bulk_limit: usize,
    /// How many events may be taken in beyond the cursor, where the order allows more than one.
    pub lookahead: usize,
    /// A group of settlements is committed at the latest after this.
    pub flush_interval: Duration,
    /// A group of settlements is committed once it has so many.
    pub max_group: usize,
    /// How long a lease runs without being renewed.
    pub lease_duration: Duration,
    /// How long calls in flight and the last commit may take at the end.
    pub shutdown_grace: Duration,
    /// Which attempts are written down.
    pub delivery_log: DeliveryLog,
    /// How long things are kept that nothing needs any more.
    pub retention: Retention,
}

/// Which attempts are written down, for operators to read.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum DeliveryLog {
    /// None.
    Off,
    /// Those that failed.
    #[default]
    Failures,
    /// Those that failed, and a share of the others.
    All {
        /// The share, from 0 to 1.
        sample: f64,
    },
}

impl Default for Options {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            retry_failed_after: Duration::from_secs(1),
            poll_interval: Duration::from_millis(50),
            requeue_every: Duration::from_mins(1),
            bulk_limit: 200,
            lookahead: 1000,
            flush_interval: Duration::from_millis(100),
            max_group: 2000,
            lease_duration: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(30),
            delivery_log: DeliveryLog::default(),
            retention: Retention::default(),
        }
    }
}
