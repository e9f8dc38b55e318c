//! What becomes of an event after a call, one call at a time.
//!
//! ZITADEL's projections are the model: a failure counts against the event and is tried again until `max_failure_count`,
//! then the event is given up; trouble of the other side as a whole (there the database, here the endpoint) counts
//! against nobody, the projection waits.

use std::time::Duration;

use crate::Outcome;

/// What to do with an event that failed `max_failure_count` times.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnExhausted {
    /// Park it and go on.
    #[default]
    Park,
    /// Stay before it until an operator acts.
    Halt,
}

/// When to give up, and on whom. Defaults are ZITADEL's where it has them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Failures until an event is given up; at least 1.
    pub max_failure_count: u32,
    /// What giving up means.
    pub on_exhausted: OnExhausted,
    /// Events parked in a row, without a delivery between, until the endpoint itself is suspected; 0 for never.
    pub hold_after_parked: u32,
    /// How long a hold may last before it counts as a failure of the event at the head.
    pub max_hold: Option<Duration>,
    /// Older events are settled as expired.
    pub max_event_age: Option<Duration>,
    /// No wait is longer, whatever `Retry-After` says.
    pub max_retry_interval: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_failure_count: 5,
            on_exhausted: OnExhausted::Park,
            hold_after_parked: 10,
            max_hold: None,
            max_event_age: None,
            max_retry_interval: Duration::from_mins(5),
        }
    }
}

/// What was known about an event and its target before the outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    /// Failures counted so far.
    pub failures: u32,
    /// How long the target has been holding, if it is.
    pub held_for: Option<Duration>,
    /// `hold_after_parked` was reached: the endpoint is under suspicion.
    pub suspected: bool,
    /// The event was asked for again by an operator after it had been given up.
    pub again: bool,
}

/// What becomes of the event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// Settled: delivered.
    Settle,
    /// Counted, tried again after the delay for this many failures.
    Retry,
    /// Counted and given up: the cursor moves on.
    Park,
    /// Counted and given up: the cursor stays.
    Halt,
    /// Not counted: the endpoint is probed again after the delay for this many probes, or as it asked.
    Hold { retry_after: Option<Duration> },
}

impl Policy {
    /// What becomes of an event after a call. Never looks at a clock.
    pub(crate) fn next(&self, before: Before, outcome: &Outcome) -> Next {
        let hold_is_over = matches!((before.held_for, self.max_hold), (Some(held), Some(max)) if held >= max);
        match outcome {
            Outcome::Delivered => Next::Settle,
            Outcome::Unavailable { retry_after, .. } if !hold_is_over => {
                Next::Hold { retry_after: retry_after.map(|asked| asked.min(self.max_retry_interval)) }
            }
            Outcome::Failed { .. } if before.suspected && !hold_is_over => Next::Hold { retry_after: None },
            Outcome::Failed { .. } | Outcome::Unavailable { .. } => self.counted(before),
        }
    }

    fn counted(&self, before: Before) -> Next {
        if before.failures.saturating_add(1) < self.max_failure_count {
            return Next::Retry;
        }
        match self.on_exhausted {
            OnExhausted::Halt if !before.again => Next::Halt,
            OnExhausted::Halt | OnExhausted::Park => Next::Park,
        }
    }

    /// Whether so many events parked in a row are the endpoint's doing.
    pub(crate) fn suspects(&self, parked_in_a_row: u32) -> bool {
        self.hold_after_parked > 0 && parked_in_a_row >= self.hold_after_parked
    }
}
