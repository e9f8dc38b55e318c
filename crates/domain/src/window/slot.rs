//! One event on its way through a window.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{EventKey, EventType, FailedEvent, FailedStatus, Row};

/// Which slot a call was made for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Ticket(pub(super) u64);

/// Where an event is on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// May be sent when its turn comes.
    Ready,
    /// A call is under way.
    InFlight,
    /// Waits until this reading of the monotonic clock.
    Until(Duration),
    /// Given up; nothing goes past it until an operator acts.
    Halted,
    /// Cannot be decoded; nothing goes past it until the row is mended or skipped.
    Broken(String),
    /// The cursor may pass.
    Settled,
}

/// One event, or a stretch of events that need no call.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub ticket: Ticket,
    pub key: EventKey,
    pub created_at: Option<Timestamp>,
    pub event: Option<Arc<Row>>,
    pub phase: Phase,
    /// Calls made, counted or not.
    pub calls: u32,
    pub failures: u32,
    pub first_failed: Option<Timestamp>,
    /// It was called and answered 2xx: the next event names it as the one before.
    pub delivered: bool,
}

impl Slot {
    /// Events up to `key` that concern nobody.
    pub fn passed(ticket: Ticket, key: EventKey, created_at: Option<Timestamp>) -> Self {
        Self {
            ticket,
            key,
            created_at,
            event: None,
            phase: Phase::Settled,
            calls: 0,
            failures: 0,
            first_failed: None,
            delivered: false,
        }
    }

    /// An event that concerns the target, with what is known of earlier failures.
    pub fn offered(ticket: Ticket, row: Arc<Row>, known: Option<FailedEvent>) -> Self {
        let (created_at, mut phase) = match &*row {
            Row::Event(event) => (Some(event.created_at), Phase::Ready),
            Row::Broken(broken) => (None, Phase::Broken(broken.to_string())),
        };
        if phase == Phase::Ready && known.as_ref().is_some_and(|known| known.status == FailedStatus::Halted) {
            phase = Phase::Halted;
        }
        // One that was given up before, and is come to again because the cursor was moved back, begins anew.
        let counts = |known: &&FailedEvent| known.status != FailedStatus::Parked;
        let failures = known.as_ref().filter(counts).map_or(0, |known| known.failure_count);
        Self {
            ticket,
            key: row.key().clone(),
            created_at,
            event: Some(row),
            phase,
            calls: failures,
            failures,
            first_failed: known.map(|known| known.first_failed),
            delivered: false,
        }
    }

    pub fn event_type(&self) -> EventType {
        self.event.as_deref().and_then(Row::event_type).cloned().unwrap_or_else(|| "".into())
    }

    pub fn is_settled(&self) -> bool {
        self.phase == Phase::Settled
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
