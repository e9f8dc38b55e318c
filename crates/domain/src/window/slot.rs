//! One event on its way through a window.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{EventKey, EventType, FailedEvent, FailedStatus, Row};

/// Which slot a call was made for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Ticket {
    /// An event behind the cursor that was asked for again.
    pub(super) again: bool,
    pub(super) number: u64,
}

/// Where an event is on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// May be sent when its turn comes.
    Ready,
    /// A call is under way.
    InFlight,
    /// Waits until this reading of the monotonic clock.
    Until(Duration),
    /// Waits for the verdict of a target before this one, if it is known of which.
    Gated(Option<String>),
    /// Given up; nothing of its lane goes past it until an operator acts.
    Halted,
    /// Cannot be decoded; nothing of its lane goes past it until the row is mended or skipped.
    Broken(String),
    /// The cursor may pass.
    Settled,
}

/// One event, or a stretch of events that need no call.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub key: EventKey,
    pub created_at: Option<Timestamp>,
    /// Kept until the event is settled.
    pub event: Option<Arc<Row>>,
    /// Whether it is an event that concerns the target, and not a stretch of others.
    pub concerns: bool,
    /// Whether targets before this one must have passed the event.
    pub gated: bool,
    pub phase: Phase,
    /// Calls made, counted or not.
    pub calls: u32,
    /// The number of the call that is under way, among all of the window.
    pub call: u64,
    pub failures: u32,
    pub first_failed: Option<Timestamp>,
    /// Why the last call failed.
    pub error: Option<String>,
    /// It was called and answered 2xx: the next event names it as the one before.
    pub delivered: bool,
}

impl Slot {
    /// Events up to `key` that concern nobody.
    pub fn passed(key: EventKey, created_at: Option<Timestamp>) -> Self {
        Self {
            key,
            created_at,
            event: None,
            concerns: false,
            gated: false,
            phase: Phase::Settled,
            calls: 0,
            call: 0,
            failures: 0,
            first_failed: None,
            error: None,
            delivered: false,
        }
    }

    /// An event that concerns the target, with what is known of earlier failures.
    pub fn offered(row: Arc<Row>, gated: bool, known: Option<FailedEvent>) -> Self {
        let mut slot = Self { concerns: true, gated, ..Self::passed(row.key().clone(), None) };
        slot.take_in(row);
        if let Some(known) = known {
            slot.first_failed = Some(known.first_failed);
            // One that was given up before, and is come to again because the cursor was moved back, begins anew.
            if matches!(known.status, FailedStatus::Retrying | FailedStatus::Halted) {
                (slot.failures, slot.calls) = (known.failure_count, known.failure_count);
                slot.error = Some(known.error).filter(|error| !error.is_empty());
            }
            if known.status == FailedStatus::Halted && !matches!(slot.phase, Phase::Broken(_)) {
                slot.phase = Phase::Halted;
            }
        }
        slot
    }

    /// The row as it is now.
    pub fn take_in(&mut self, row: Arc<Row>) {
        (self.created_at, self.phase) = match &*row {
            Row::Event(event) => (Some(event.created_at), self.waiting()),
            Row::Broken(broken) => (None, Phase::Broken(broken.to_string())),
        };
        self.event = Some(row);
    }

    fn waiting(&self) -> Phase {
        if self.gated { Phase::Gated(None) } else { Phase::Ready }
    }

    pub fn event_type(&self) -> EventType {
        self.event.as_deref().and_then(Row::event_type).cloned().unwrap_or_else(|| "".into())
    }

    pub fn is_settled(&self) -> bool {
        self.phase == Phase::Settled
    }

    pub fn is_of_the_aggregate_of(&self, other: &EventKey) -> bool {
        self.key.aggregate_id == other.aggregate_id && self.key.aggregate_type == other.aggregate_type
    }

    /// About how much memory its row takes, in bytes.
    pub fn weight(&self) -> usize {
        self.event.as_deref().map_or(0, Row::weight)
    }

    /// The row of `failed_events` that says how the slot stands.
    pub fn failed(&self, status: FailedStatus, error: &str, now: Timestamp) -> FailedEvent {
        FailedEvent {
            key: self.key.clone(),
            event_type: self.event_type(),
            failure_count: self.failures,
            status,
            error: error.to_owned(),
            first_failed: self.first_failed.unwrap_or(now),
            last_failed: now,
        }
    }
}
