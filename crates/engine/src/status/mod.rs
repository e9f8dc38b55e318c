//! What the daemon knows of itself, for whoever asks: whether it is ready, how often targets were called, and figures.
//!
//! The parts: [`reports`] takes what the tasks of the daemon tell; [`metrics`] has the figures as Prometheus reads them.

mod metrics;
mod reports;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use domain::{CursorState, InstanceId, TargetId, TargetName, Timestamp};

use self::metrics::{Call, Metrics, OfTarget};
use crate::{figures::Standing, looks::Looks};

/// Whether the daemon can do its work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// It has joined the workers, and both databases answer; there may be no targets for it at the moment.
    Ready,
    /// It cannot, for this reason.
    NotReady(String),
}

/// Calls of one target since this daemon has known it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Calls {
    /// With a good answer.
    pub delivered: u64,
    /// With another one, or none.
    pub failed: u64,
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct Status {
    metrics: Metrics,
    pub(crate) looks: Looks,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    starting: Option<String>,
    events_trouble: Option<String>,
    state_trouble: Option<String>,
    names: HashMap<TargetId, TargetName>,
    standing: BTreeMap<(TargetId, InstanceId), Arc<Mutex<Standing>>>,
}

impl Status {
    /// Whether the daemon can do its work.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let seen = self.lock();
        let trouble =
            [("event store", &seen.events_trouble), ("state", &seen.state_trouble), ("starting", &seen.starting)];
        match trouble
            .into_iter()
            .find_map(|(what, trouble)| trouble.as_ref().map(|trouble| format!("{what}: {trouble}")))
        {
            Some(reason) => Readiness::NotReady(reason),
            None => Readiness::Ready,
        }
    }

    /// The figures in Prometheus's text format.
    #[must_use]
    pub fn metrics(&self, now: Timestamp) -> String {
        let mut ages: BTreeMap<&TargetName, (f64, i64)> = BTreeMap::new();
        let seen = self.lock();
        for ((target, _), standing) in &seen.standing {
            let Some(name) = seen.names.get(target) else { continue };
            let (state, oldest) = *crate::figures::lock(standing);
            let age = oldest.map_or(0.0, |oldest| now.duration_since(oldest).as_secs_f64().max(0.0));
            let entry = ages.entry(name).or_default();
            entry.0 = entry.0.max(age);
            entry.1 += i64::from(state == CursorState::Holding);
        }
        // Targets that others serve now are no longer this daemon's to report.
        self.metrics.oldest.clear();
        self.metrics.holds.clear();
        for (name, (age, holds)) in ages {
            let label = OfTarget { target: name.to_string() };
            self.metrics.oldest.get_or_create(&label).set(age);
            self.metrics.holds.get_or_create(&label).set(holds);
        }
        drop(seen);
        self.metrics.text()
    }

    /// How often each target was called by this daemon. The sums only grow, but begin anew for a target that was renamed.
    #[must_use]
    pub fn calls(&self) -> HashMap<TargetId, Calls> {
        let names = self.lock().names.clone();
        let of = |name: &TargetName, outcome| {
            self.metrics.deliveries.get(&Call { target: name.to_string(), outcome }).map_or(0, |calls| calls.get())
        };
        let calls = names.into_iter().map(|(target, name)| {
            let failed = of(&name, "failed") + of(&name, "unavailable");
            (target, Calls { delivered: of(&name, "delivered"), failed })
        });
        calls.collect()
    }

    /// Waits until what was changed in the state before this call is in force in this daemon, if one runs here: the supervisor looks
    /// at once. How long to wait for a state that is away is the caller's to say.
    pub async fn changes_in_force(&self) {
        self.looks.ask().await;
    }

    /// What keeps the daemon from beginning, or keeps it so far; an engine that runs knows better from when it has joined the workers.
    pub fn starting(&self, reason: Option<String>) {
        self.lock().starting = reason;
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::{Readiness, Status};

    #[test]
    fn a_daemon_is_ready_while_it_is_one_of_the_workers() {
        let status = Status::default();
        status.starting(Some("the workers are not joined yet".to_owned()));
        assert_eq!(status.readiness(), Readiness::NotReady("starting: the workers are not joined yet".to_owned()));
        status.leads(true);
        assert_eq!(status.readiness(), Readiness::Ready);
        status.leads(false);
        assert!(matches!(status.readiness(), Readiness::NotReady(reason) if reason.contains("not one of the workers")));
    }
}
