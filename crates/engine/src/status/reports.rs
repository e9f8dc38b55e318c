//! What the tasks of a daemon tell of themselves: their calls and commits, their trouble, who leads, and where the horizon is.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    sync::{Arc, Mutex},
    time::Duration,
};

use domain::{CursorState, FailedStatus, InstanceId, Outcome, Position, TargetId, TargetName, Timestamp, Writer};
use store::Sweep;

use super::{
    Status,
    metrics::{Call, EVENT_STORE, Failed, Holder, OfTarget, STATE, Swept},
};
use crate::figures::Figures;

impl Status {
    /// The figures of a courier that sets out, or whose target has another name now.
    pub(crate) fn figures(&self, name: &TargetName, target: &TargetId, instance: &InstanceId) -> Figures {
        let standing = Arc::new(Mutex::new((CursorState::Live, None)));
        self.lock().standing.insert((target.clone(), instance.clone()), Arc::clone(&standing));
        let of = |outcome| self.metrics.deliveries.get_or_create(&Call { target: name.to_string(), outcome }).clone();
        let [delivered, failed, unavailable] = ["delivered", "failed", "unavailable"].map(of);
        let seconds = self.metrics.durations.get_or_create(&OfTarget { target: name.to_string() }).clone();
        Figures { name: name.clone(), delivered, failed, unavailable, seconds, standing }
    }

    /// A call whose answer nobody awaited.
    pub(crate) fn called_unawaited(&self, target: &TargetId, outcome: &Outcome, took: Duration) {
        let name = self.lock().names.get(target).cloned();
        if let Some(name) = name {
            let label = Call { target: name.to_string(), outcome: outcome.label() };
            self.metrics.deliveries.get_or_create(&label).inc();
            self.metrics.durations.get_or_create(&OfTarget { target: label.target }).observe(took.as_secs_f64());
        }
    }

    /// Attempts were not written down.
    pub(crate) fn attempts_dropped(&self, attempts: u64) {
        self.metrics.attempts_dropped.inc_by(attempts);
    }

    /// So much was removed because it is kept no longer.
    pub(crate) fn swept(&self, what: Sweep, removed: u64) {
        self.metrics.swept.get_or_create(&Swept { what: what.as_str() }).inc_by(removed);
    }

    pub(crate) fn committed(&self, cursors: usize, took: Duration) {
        self.metrics.commits.inc();
        self.metrics.committed_cursors.inc_by(cursors as u64);
        self.metrics.commit_seconds.observe(took.as_secs_f64());
        self.lock().state_trouble = None;
    }

    pub(crate) fn state_failed(&self, error: &dyn Error) {
        self.metrics.store_errors.get_or_create(&STATE).inc();
        self.lock().state_trouble = Some(error.to_string());
    }

    pub(crate) fn state_readable(&self) {
        self.lock().state_trouble = None;
    }

    pub(crate) fn events_readable(&self) {
        self.lock().events_trouble = None;
    }

    pub(crate) fn events_failed(&self, error: &dyn Error) {
        self.metrics.store_errors.get_or_create(&EVENT_STORE).inc();
        self.lock().events_trouble = Some(error.to_string());
    }

    /// Whether notifications of the event store are listened to.
    pub(crate) fn listens(&self, listens: bool) {
        self.metrics.listening.set(i64::from(listens));
    }

    pub(crate) fn notified(&self) {
        self.metrics.notifications.inc();
    }

    pub(crate) fn leads(&self, leads: bool) {
        self.starting((!leads).then(|| "it is not one of the workers any more".to_owned()));
        self.metrics.leads.set(i64::from(leads));
        self.metrics.leased_targets.set(0);
        let mut seen = self.lock();
        seen.standing.clear();
        seen.state_trouble = None;
        drop(seen);
        self.metrics.oldest.clear();
        self.metrics.holds.clear();
        self.metrics.failed_events.clear();
    }

    /// How many targets this daemon serves.
    pub(crate) fn leased(&self, targets: usize) {
        self.metrics.leased_targets.set(i64::try_from(targets).unwrap_or(i64::MAX));
    }

    /// Targets moved between this daemon and others.
    pub(crate) fn leases_changed(&self) {
        self.metrics.lease_changes.inc();
    }

    /// Who holds the horizon is known with how long this daemon has seen it: not every role may see since when it is open.
    pub(crate) fn horizon(&self, safe: Position, head: Position, holder: Option<(&Writer, Duration)>, now: Timestamp) {
        self.metrics.horizon_holder.clear();
        let delay = match holder {
            Some((writer, seen_for)) if safe < head => {
                let open_for = writer.since.map_or(0.0, |since| now.duration_since(since).as_secs_f64());
                let held_for = open_for.max(seen_for.as_secs_f64());
                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                let label = Holder {
                    pid: writer.pid.map(|pid| pid.to_string()).unwrap_or_default(),
                    role: text(&writer.role),
                    application: text(&writer.application),
                };
                self.metrics.horizon_holder.get_or_create(&label).set(held_for);
                held_for
            }
            _ => 0.0,
        };
        self.metrics.horizon_delay.set(delay);
    }

    /// Replaces the names that targets have in the figures, and the counts of their failed events.
    pub(crate) fn targets(
        &self,
        names: HashMap<TargetId, TargetName>,
        failed: &BTreeMap<(TargetName, FailedStatus), i64>,
    ) {
        self.metrics.failed_events.clear();
        for ((target, status), count) in failed {
            let label = Failed { target: target.to_string(), status: status.as_str() };
            self.metrics.failed_events.get_or_create(&label).set(*count);
        }
        self.lock().names = names;
    }

    pub(crate) fn left(&self, target: &TargetId, instance: &InstanceId) {
        self.lock().standing.remove(&(target.clone(), instance.clone()));
    }
}
