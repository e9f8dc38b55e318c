//! The figures as Prometheus reads them: what there is, by which name, and what it says.
//!
//! Labels are names of targets, outcomes and states: few, and never anything that came with an event.

use std::{fmt::Write, sync::atomic::AtomicU64};

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

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct Call {
    pub target: String,
    pub outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct OfTarget {
    pub target: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct Failed {
    pub target: String,
    pub status: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct Swept {
    pub what: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct OfStore {
    store: &'static str,
}

pub(super) const EVENT_STORE: OfStore = OfStore { store: "event_store" };
pub(super) const STATE: OfStore = OfStore { store: "state" };

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct Holder {
    pub pid: String,
    pub role: String,
    pub application: String,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    pub deliveries: Family<Call, Counter>,
    pub durations: Family<OfTarget, Histogram, fn() -> Histogram>,
    pub oldest: Family<OfTarget, Gauge<f64, AtomicU64>>,
    pub holds: Family<OfTarget, Gauge>,
    pub failed_events: Family<Failed, Gauge>,
    pub horizon_delay: Gauge<f64, AtomicU64>,
    pub horizon_holder: Family<Holder, Gauge<f64, AtomicU64>>,
    pub listening: Gauge,
    pub notifications: Counter,
    pub leads: Gauge,
    pub leased_targets: Gauge,
    pub lease_changes: Counter,
    pub store_errors: Family<OfStore, Counter>,
    pub commits: Counter,
    pub committed_cursors: Counter,
    pub commit_seconds: Histogram,
    pub attempts_dropped: Counter,
    pub swept: Family<Swept, Counter>,
}

fn call_seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 16))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
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
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// All of them, in Prometheus's text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            let _ = writeln!(text, "# the figures could not be written");
        }
        text
    }

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
}
