//! What the daemon knows of itself: whether it is ready, and figures for Prometheus.
//!
//! Labels are names of targets, outcomes and states: few, and never anything that came with an event.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, atomic::AtomicU64},
    time::Duration,
};

use domain::{CursorState, FailedStatus, InstanceId, Outcome, Position, TargetId, TargetName, Timestamp, Writer};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use store::Sweep;

use crate::{
    figures::{Figures, Standing},
    looks::Looks,
};

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

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Call {
    target: String,
    outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfTarget {
    target: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Failed {
    target: String,
    status: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Swept {
    what: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfStore {
    store: &'static str,
}

const EVENT_STORE: OfStore = OfStore { store: "event_store" };
const STATE: OfStore = OfStore { store: "state" };

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Holder {
    pid: String,
    role: String,
    application: String,
}

/// See the module's head.
#[derive(Debug)]
pub struct Status {
    registry: Registry,
    deliveries: Family<Call, Counter>,
    durations: Family<OfTarget, Histogram, fn() -> Histogram>,
    oldest: Family<OfTarget, Gauge<f64, AtomicU64>>,
    holds: Family<OfTarget, Gauge>,
    failed_events: Family<Failed, Gauge>,
    horizon_delay: Gauge<f64, AtomicU64>,
    horizon_holder: Family<Holder, Gauge<f64, AtomicU64>>,
    listening: Gauge,
    notifications: Counter,
    leads: Gauge,
    leased_targets: Gauge,
    lease_changes: Counter,
    store_errors: Family<OfStore, Counter>,
    commits: Counter,
    committed_cursors: Counter,
    commit_seconds: Histogram,
    attempts_dropped: Counter,
    swept: Family<Swept, Counter>,
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

fn call_seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 16))
}

impl Default for Status {
    fn default() -> Self {
        let mut status = Self {
            registry: Registry::with_prefix("postrider"),
            deliveries: Family::default(),
            durations: Family::new_with_constructor(call_seconds),
            oldest: Family::default(),
            holds: Family::default(),
            failed_events: Family::default(),
            horizon_delay: Gauge::default(),
            horizon_holder: Family::default(),
            listening: Gauge::default(),
            notifications: Counter::default(),
            leads: Gauge::default(),
            leased_targets: Gauge::default(),
            lease_changes: Counter::default(),
            store_errors: Family::default(),
            commits: Counter::default(),
            committed_cursors: Counter::default(),
            commit_seconds: call_seconds(),
            attempts_dropped: Counter::default(),
            swept: Family::default(),
            looks: Looks::default(),
            seen: Mutex::default(),
        };
        status.register();
        status
    }
}

impl Status {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("deliveries", "Calls made, by outcome", self.deliveries.clone());
        registry.register_with_unit("delivery", "How long calls took", Unit::Seconds, self.durations.clone());
        registry.register_with_unit(
            "oldest_unsettled",
            "Age of the oldest event that concerns the target and is not settled, as far as it was read; 0 without any",
            Unit::Seconds,
            self.oldest.clone(),
        );
        registry.register(
            "holds",
            "Cursors of the target that hold, because the endpoint is in trouble",
            self.holds.clone(),
        );
        registry.register("failed_events", "Rows of failed_events, by status", self.failed_events.clone());
        registry.register_with_unit(
            "horizon_delay",
            "How long ago the position was stamped that open writers keep the horizon at; 0 while nobody does",
            Unit::Seconds,
            self.horizon_delay.clone(),
        );
        registry.register_with_unit(
            "horizon_holder",
            "Who holds the horizon back, and for how long",
            Unit::Seconds,
            self.horizon_holder.clone(),
        );
        registry.register(
            "event_store_listening",
            "1 while notifications of the event store are listened to",
            self.listening.clone(),
        );
        registry.register(
            "event_store_notifications",
            "Notifications of the event store that were heard",
            self.notifications.clone(),
        );
        registry.register("leads", "1 while this daemon is one of those that share the targets", self.leads.clone());
        registry.register("leased_targets", "Targets that this daemon serves", self.leased_targets.clone());
        registry.register(
            "lease_changes",
            "Times that targets came to this daemon from another one, or went to another one",
            self.lease_changes.clone(),
        );
        registry.register(
            "store_errors",
            "Times that a database did not do what was asked, by which one it is",
            self.store_errors.clone(),
        );
        // There from the beginning, so that the first error is an increase.
        for store in [EVENT_STORE, STATE] {
            let _ = self.store_errors.get_or_create(&store);
        }
        registry.register("commits", "Groups committed to the state", self.commits.clone());
        registry.register("committed_cursors", "Cursors committed in them", self.committed_cursors.clone());
        registry.register_with_unit("commit", "How long commits took", Unit::Seconds, self.commit_seconds.clone());
        registry.register(
            "delivery_log_dropped",
            "Attempts that were not written down, because the state did not take them in time",
            self.attempts_dropped.clone(),
        );
        registry.register("retention_removed", "Rows removed because they are kept no longer", self.swept.clone());
    }

    /// Whether the daemon can do its work.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let seen = self.lock();
        let trouble =
            [("starting", &seen.starting), ("event store", &seen.events_trouble), ("state", &seen.state_trouble)];
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
        self.oldest.clear();
        self.holds.clear();
        for (name, (age, holds)) in ages {
            let label = OfTarget { target: name.to_string() };
            self.oldest.get_or_create(&label).set(age);
            self.holds.get_or_create(&label).set(holds);
        }
        drop(seen);
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            let _ = writeln!(text, "# the figures could not be written");
        }
        text
    }

    /// How often each target was called by this daemon. The sums only grow, but begin anew for a target that was renamed.
    #[must_use]
    pub fn calls(&self) -> HashMap<TargetId, Calls> {
        let names = self.lock().names.clone();
        let of = |name: &TargetName, outcome| {
            self.deliveries.get(&Call { target: name.to_string(), outcome }).map_or(0, |calls| calls.get())
        };
        let calls = names.into_iter().map(|(target, name)| {
            let failed = of(&name, "failed") + of(&name, "unavailable");
            (target, Calls { delivered: of(&name, "delivered"), failed })
        });
        calls.collect()
    }

    /// The figures of a courier that sets out.
    pub(crate) fn figures(&self, name: &TargetName, target: &TargetId, instance: &InstanceId) -> Figures {
        let standing = Arc::new(Mutex::new((CursorState::Live, None)));
        self.lock().standing.insert((target.clone(), instance.clone()), Arc::clone(&standing));
        let of = |outcome| self.deliveries.get_or_create(&Call { target: name.to_string(), outcome }).clone();
        let [delivered, failed, unavailable] = ["delivered", "failed", "unavailable"].map(of);
        let seconds = self.durations.get_or_create(&OfTarget { target: name.to_string() }).clone();
        Figures { delivered, failed, unavailable, seconds, standing }
    }

    /// A call whose answer nobody awaited.
    pub(crate) fn called_unawaited(&self, target: &TargetId, outcome: &Outcome, took: Duration) {
        let name = self.lock().names.get(target).cloned();
        if let Some(name) = name {
            let label = Call { target: name.to_string(), outcome: outcome.label() };
            self.deliveries.get_or_create(&label).inc();
            self.durations.get_or_create(&OfTarget { target: label.target }).observe(took.as_secs_f64());
        }
    }

    /// Attempts were not written down.
    pub(crate) fn attempts_dropped(&self, attempts: u64) {
        self.attempts_dropped.inc_by(attempts);
    }

    /// So much was removed because it is kept no longer.
    pub(crate) fn swept(&self, what: Sweep, removed: u64) {
        self.swept.get_or_create(&Swept { what: what.as_str() }).inc_by(removed);
    }

    /// Waits until what was changed in the state before this call is in force in this daemon, if one runs here: the supervisor looks
    /// at once. How long to wait for a state that is away is the caller's to say.
    pub async fn changes_in_force(&self) {
        self.looks.ask().await;
    }

    /// The databases are not reached yet, for this reason; an engine that runs knows better from then on.
    pub fn starting(&self, reason: Option<String>) {
        self.lock().starting = reason;
    }

    pub(crate) fn committed(&self, cursors: usize, took: Duration) {
        self.commits.inc();
        self.committed_cursors.inc_by(cursors as u64);
        self.commit_seconds.observe(took.as_secs_f64());
        self.lock().state_trouble = None;
    }

    pub(crate) fn state_failed(&self, error: &dyn Error) {
        self.store_errors.get_or_create(&STATE).inc();
        self.lock().state_trouble = Some(error.to_string());
    }

    pub(crate) fn state_readable(&self) {
        self.lock().state_trouble = None;
    }

    pub(crate) fn events_readable(&self) {
        self.lock().events_trouble = None;
    }

    pub(crate) fn events_failed(&self, error: &dyn Error) {
        self.store_errors.get_or_create(&EVENT_STORE).inc();
        self.lock().events_trouble = Some(error.to_string());
    }

    /// Whether notifications of the event store are listened to.
    pub(crate) fn listens(&self, listens: bool) {
        self.listening.set(i64::from(listens));
    }

    pub(crate) fn notified(&self) {
        self.notifications.inc();
    }

    pub(crate) fn leads(&self, leads: bool) {
        self.leads.set(i64::from(leads));
        self.leased_targets.set(0);
        let mut seen = self.lock();
        seen.standing.clear();
        seen.state_trouble = None;
        drop(seen);
        self.oldest.clear();
        self.holds.clear();
    }

    /// How many targets this daemon serves.
    pub(crate) fn leased(&self, targets: usize) {
        self.leased_targets.set(i64::try_from(targets).unwrap_or(i64::MAX));
    }

    /// Targets moved between this daemon and others.
    pub(crate) fn leases_changed(&self) {
        self.lease_changes.inc();
    }

    /// Who holds the horizon is known with how long this daemon has seen it: not every role may see since when it is open.
    pub(crate) fn horizon(&self, safe: Position, head: Position, holder: Option<(&Writer, Duration)>, now: Timestamp) {
        self.horizon_holder.clear();
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
                self.horizon_holder.get_or_create(&label).set(held_for);
                held_for
            }
            _ => 0.0,
        };
        self.horizon_delay.set(delay);
    }

    /// Replaces the names that targets have in the figures, and the counts of their failed events.
    pub(crate) fn targets(
        &self,
        names: HashMap<TargetId, TargetName>,
        failed: &BTreeMap<(TargetName, FailedStatus), i64>,
    ) {
        self.failed_events.clear();
        for ((target, status), count) in failed {
            let label = Failed { target: target.to_string(), status: status.as_str() };
            self.failed_events.get_or_create(&label).set(*count);
        }
        self.lock().names = names;
    }

    pub(crate) fn left(&self, target: &TargetId, instance: &InstanceId) {
        self.lock().standing.remove(&(target.clone(), instance.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no holder of this lock panics")
    }
}
