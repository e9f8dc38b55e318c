//! The window: which event may be sent now, what is settled, how far the cursor may go.
//!
//! A state machine without I/O, driven by a courier. In: the events that concern the target in the order of their keys
//! ([`Window::offer`]), stretches that do not ([`Window::pass`]), outcomes ([`Window::record`]), verdicts of targets before
//! this one ([`Window::judge`]), the time. Out: the next step ([`Window::next`]) and what the ledger shall commit
//! ([`Window::settlement`]).
//!
//! The cast: [`line`] holds the events and knows which may go next, [`again`] those that operators asked for again,
//! [`intake`] takes events in, [`calls`] sends and records, [`hold`] waits for an endpoint in trouble, [`policy`] says what
//! becomes of an event after a call.
//!
//! Invariants, each a property test:
//! - the cursor only grows, and never passes an event that is not settled;
//! - an event is called only when everything before it in its lane is settled: the lane is everything in strict order,
//!   an aggregate in order by aggregate; never more than `max_in_flight` calls are under way, one in strict order;
//! - what is settled beyond the cursor is part of the settlement, and is not called again after a restart;
//! - a hold counts nothing, and lets one call at a time through;
//! - an event that was given up is in `failed_events`, one that was delivered is not;
//! - an event is not called before every gate has passed it, and never when one did not.
//!
//! What it deliberately does not do: read a clock, roll dice (delays are an argument), know pages, targets or databases.

mod again;
mod calls;
mod hold;
mod intake;
mod line;
mod policy;
mod slot;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;

pub use policy::{OnExhausted, Policy};
pub use slot::Ticket;

use crate::{
    Ahead, Cursor, CursorState, Event, EventKey, FailedChange, FailedEvent, FailedStatus, Ordering, Position, Row,
    Settlement, Target,
};
use again::Again;
use hold::Hold;
use line::Line;
use slot::Phase;

/// The time, twice: for people and for waiting. A wall clock that is set back makes no wait longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// What goes into records.
    pub wall: Timestamp,
    /// A monotonic clock's reading; only differences mean anything.
    pub monotonic: Duration,
}

/// What a courier shall do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Make this call, and record its outcome.
    Send(Send),
    /// Nothing may go before this reading of the monotonic clock, unless something is offered, recorded or judged.
    WaitUntil(Duration),
    /// Nothing to do until something is offered, recorded or judged.
    Idle,
    /// Nothing may go until an operator acts.
    Halted,
}

/// One call to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Send {
    /// To record the outcome with.
    pub ticket: Ticket,
    /// What to send.
    pub event: Arc<Row>,
    /// From 1.
    pub attempt: u32,
    /// The event that was delivered before, for targets in strict order.
    pub previous: Option<(Position, i64)>,
}

impl Send {
    /// The event: only decoded rows are ever sent.
    #[must_use]
    pub fn event(&self) -> &Event {
        match &*self.event {
            Row::Event(event) => event,
            Row::Broken(_) => unreachable!("a window never sends a row that could not be decoded"),
        }
    }
}

/// Whether a courier is close to the head of the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Reads what the tail has just read.
    Live,
    /// Reads pages of its own.
    CatchingUp,
}

/// In which order a target is called, and how much a window may take in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shape {
    /// What stays in order.
    pub ordering: Ordering,
    /// Calls at a time; one in strict order.
    pub max_in_flight: usize,
    /// Events between the cursor and what was read last; one in strict order.
    pub lookahead: usize,
    /// Memory for their rows, in bytes. One event is always taken in.
    pub max_bytes: usize,
}

impl Shape {
    /// As a target wants it.
    #[must_use]
    pub fn of(target: &Target, lookahead: usize, max_bytes: usize) -> Self {
        let max_in_flight = match target.ordering {
            Ordering::Strict => 1,
            Ordering::Aggregate | Ordering::None => usize::try_from(target.max_in_flight).unwrap_or(usize::MAX).max(1),
        };
        Self { ordering: target.ordering, max_in_flight, lookahead: lookahead.max(1), max_bytes }
    }
}

/// How long to wait before the n-th try in a row (from 1).
pub type Delays<'a> = dyn FnMut(u32) -> Duration + 'a;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Dirty {
    /// Committed as it stands.
    Clean,
    /// The cursor passed events that concern nobody: may wait.
    Passed,
    /// Something was settled, failed, or changed its state.
    Settled,
}

/// See the module's head.
#[derive(Debug)]
pub struct Window {
    policy: Policy,
    shape: Shape,
    cursor: EventKey,
    event_date: Option<Timestamp>,
    delivered: Option<(Position, i64)>,
    parked_in_a_row: u32,
    line: Line,
    again: Again,
    /// What was settled beyond the cursor before this window began, as far as it was not read again yet.
    resumed: Option<Ahead>,
    /// Failures of events that were not offered yet.
    known: BTreeMap<EventKey, FailedEvent>,
    hold: Option<Hold>,
    /// Why an operator halted the cursor.
    halt: Option<String>,
    progress: Progress,
    changes: Vec<FailedChange>,
    denied: Vec<EventKey>,
    settled: usize,
    dirty: Dirty,
    calls: u64,
}

impl Window {
    /// Takes up a cursor where it stands, with the failed events beyond it.
    #[must_use]
    pub fn resume(policy: Policy, shape: Shape, cursor: &Cursor, failed: Vec<FailedEvent>) -> Self {
        let known = failed.into_iter().filter(|row| row.key > cursor.key).map(|row| (row.key.clone(), row)).collect();
        Self {
            policy,
            line: Line::new(shape.ordering),
            shape,
            cursor: cursor.key.clone(),
            event_date: cursor.event_date,
            delivered: cursor.delivered,
            parked_in_a_row: cursor.parked_in_a_row,
            again: Again::default(),
            resumed: cursor.ahead.clone().filter(|ahead| ahead.to > cursor.key),
            known,
            hold: None,
            halt: cursor.halt.clone(),
            progress: Progress::Live,
            changes: Vec::new(),
            denied: Vec::new(),
            settled: 0,
            dirty: if cursor.state == CursorState::Live { Dirty::Clean } else { Dirty::Settled },
            calls: 0,
        }
    }

    /// Takes up another number of calls at a time. `false`: the ordering is another one, and a new window must take over.
    #[must_use]
    pub fn reshape(&mut self, shape: Shape) -> bool {
        let same = shape.ordering == self.shape.ordering;
        if same {
            self.shape = shape;
        }
        same
    }

    /// How much memory the rows may take from here on, in bytes.
    pub fn set_max_bytes(&mut self, max_bytes: usize) {
        self.shape.max_bytes = max_bytes;
    }

    /// Everything up to here is settled.
    #[must_use]
    pub fn cursor(&self) -> &EventKey {
        &self.cursor
    }

    /// Where the next event to offer must lie beyond: the last one offered or passed.
    #[must_use]
    pub fn read_to(&self) -> &EventKey {
        self.line.back().map_or(&self.cursor, |slot| &slot.key)
    }

    /// Whether another event may be offered. One in strict order keeps no more in memory than the event at its head, and a
    /// target that waits for its endpoint no more than it needs to find out whether that answers again.
    #[must_use]
    pub fn wants_more(&self) -> bool {
        if self.line.is_empty() {
            return true;
        }
        self.shape.ordering != Ordering::Strict
            && self.halt.is_none()
            && (self.hold.is_none() || !(self.line.is_moving() || self.again.front().is_some()))
            && self.line.len() < self.shape.lookahead
            && self.line.bytes() < self.shape.max_bytes
    }

    /// When the oldest event that concerns the target and is not settled was written.
    #[must_use]
    pub fn oldest_unsettled(&self) -> Option<Timestamp> {
        self.line.front().filter(|slot| !slot.is_settled()).and_then(|slot| slot.created_at)
    }

    /// What to put into the cursor's row. Of several events the one that the cursor waits before speaks.
    #[must_use]
    pub fn state(&self) -> (CursorState, Option<&str>) {
        if let Some(reason) = &self.halt {
            return (CursorState::Halted, Some(reason));
        }
        if let Some(hold) = &self.hold {
            return (CursorState::Holding, Some(hold.reason()));
        }
        if let Some(front) = self.line.front() {
            let error = front.error.as_deref();
            match &front.phase {
                Phase::Broken(reason) => return (CursorState::Halted, Some(reason)),
                Phase::Halted => {
                    let told = "an event failed too often; see `postrider failed list`, then retry, discard or skip it";
                    return (CursorState::Halted, Some(told));
                }
                Phase::Gated(reason) => {
                    return (CursorState::Waiting, reason.as_deref().or(Some("for the targets before it")));
                }
                Phase::Until(_) => return (CursorState::Retrying, error),
                Phase::InFlight | Phase::Ready if front.failures > 0 => return (CursorState::Retrying, error),
                Phase::InFlight | Phase::Ready | Phase::Settled => {}
            }
        }
        match self.progress {
            Progress::CatchingUp => (CursorState::CatchingUp, None),
            Progress::Live => (CursorState::Live, None),
        }
    }

    /// Says whether the courier reads the tail's pages or its own.
    pub fn set_progress(&mut self, progress: Progress) {
        if self.progress != progress {
            self.progress = progress;
            self.dirty = Dirty::Settled;
        }
    }

    /// The events that were given up since the last settlement.
    pub fn newly_parked(&self) -> impl Iterator<Item = &FailedEvent> {
        self.changes.iter().filter_map(|change| match change {
            FailedChange::Put(failed) if failed.status == FailedStatus::Parked => Some(failed),
            FailedChange::Put(_) | FailedChange::Remove(_) => None,
        })
    }

    /// How many events were settled since the last settlement.
    #[must_use]
    pub fn unsubmitted(&self) -> usize {
        self.settled
    }

    /// Whether there is something to commit that must not wait for long.
    #[must_use]
    pub fn owes_a_settlement(&self) -> bool {
        self.dirty == Dirty::Settled
    }

    /// What the ledger shall commit, if anything changed since the last time, and how many events it settles.
    ///
    /// A cursor that only passed events that concern nobody is not worth a commit of its own: `also_passed` asks for it.
    pub fn settlement(&mut self, also_passed: bool) -> Option<(Settlement, usize)> {
        match self.dirty {
            Dirty::Clean => return None,
            Dirty::Passed if !also_passed => return None,
            Dirty::Passed | Dirty::Settled => {}
        }
        self.dirty = Dirty::Clean;
        let (state, reason) = self.state();
        let settlement = Settlement {
            key: self.cursor.clone(),
            event_date: self.event_date,
            delivered: self.delivered,
            parked_in_a_row: self.parked_in_a_row,
            state,
            reason: reason.map(str::to_owned),
            failed: std::mem::take(&mut self.changes),
            ahead: self.ahead(),
            denied: std::mem::take(&mut self.denied),
        };
        Some((settlement, std::mem::take(&mut self.settled)))
    }

    /// What is settled beyond the cursor, by this window and, where it has not read yet, by the one before.
    fn ahead(&self) -> Option<Ahead> {
        let Some(resumed) = self.resumed.as_ref().filter(|resumed| resumed.to > *self.read_to()) else {
            return self.line.ahead();
        };
        let unread = resumed.open.iter().filter(|key| *key > self.read_to()).cloned();
        let open = self.line.unsettled().map(|slot| slot.key.clone()).chain(unread).collect();
        Some(Ahead { to: resumed.to.clone(), open })
    }

    /// Moves the cursor over everything that is settled.
    fn advance(&mut self) {
        while let Some(slot) = self.line.pop_settled() {
            if slot.delivered {
                self.delivered = Some((slot.key.position, slot.key.in_tx_order));
            }
            self.event_date = slot.created_at.or(self.event_date);
            self.cursor = slot.key;
        }
    }
}
