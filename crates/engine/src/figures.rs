//! One courier's figures, looked up once for each name of its target: they are touched with every call.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use domain::{CursorState, Outcome, TargetName, Timestamp};
use prometheus_client::metrics::{counter::Counter, histogram::Histogram};

/// How a courier stands, and when the oldest event was written that it has not settled.
pub(crate) type Standing = (CursorState, Option<Timestamp>);

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Figures {
    /// What the target was called when they were looked up.
    pub name: TargetName,
    pub delivered: Counter,
    pub failed: Counter,
    pub unavailable: Counter,
    pub seconds: Histogram,
    pub standing: Arc<Mutex<Standing>>,
}

impl Figures {
    pub fn called(&self, outcome: &Outcome, took: Duration) {
        match outcome {
            Outcome::Delivered => self.delivered.inc(),
            Outcome::Failed { .. } => self.failed.inc(),
            Outcome::Unavailable { .. } => self.unavailable.inc(),
        };
        self.seconds.observe(took.as_secs_f64());
    }

    pub fn stands(&self, state: CursorState, oldest: Option<Timestamp>) {
        *lock(&self.standing) = (state, oldest);
    }
}

/// Looks at how a courier stands.
pub(crate) fn lock(standing: &Mutex<Standing>) -> MutexGuard<'_, Standing> {
    standing.lock().expect("no holder of this lock panics")
}
