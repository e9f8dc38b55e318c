//! The daemons that share the targets.

use domain::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use store::{Standing, Worker};

use crate::words::age;

/// One daemon. The names are a promise to scripts.
#[derive(Clone, Serialize, Debug, JsonSchema)]
pub struct Daemon {
    /// Its id.
    pub worker: String,
    /// Where it runs.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// Which postrider.
    pub version: String,
    /// Since when.
    pub started_at: Timestamp,
    /// How long its lease runs; negative once it is over.
    pub expires_in_seconds: f64,
    /// `live`, `expired` or `left`.
    pub state: &'static str,
    /// How many targets it has leased.
    pub targets: u64,
    /// Which lease.
    pub epoch: i64,
}

impl Daemon {
    /// As it stands.
    #[must_use]
    pub fn of(worker: &Worker) -> Self {
        Self {
            worker: worker.id.to_string(),
            host: worker.info.host.clone(),
            pid: worker.info.pid,
            version: worker.info.version.clone(),
            started_at: worker.started_at,
            expires_in_seconds: worker.expires_in.as_secs_f64(),
            state: state(worker),
            targets: worker.targets,
            epoch: worker.epoch,
        }
    }
}

fn state(worker: &Worker) -> &'static str {
    match worker.standing {
        Standing::Working | Standing::Leaving if worker.is_live() => "live",
        Standing::Working | Standing::Leaving | Standing::Expired => "expired",
        Standing::Left => "left",
    }
}

/// What is wrong with a lease that outlives the clock it is judged by.
#[must_use]
pub fn runs_too_long(worker: &Worker) -> Option<String> {
    worker.runs_too_long().then(|| {
        format!(
            "the lease of worker {} runs for another {}, longer than its lease.duration of {}: the database's clock was set \
             back; a daemon that runs renews it at once, and one that is gone loses its targets after lease.duration to \
             any other that runs",
            worker.id,
            age(worker.expires_in.as_secs_f64()),
            age(worker.lease_duration.as_secs_f64())
        )
    })
}
