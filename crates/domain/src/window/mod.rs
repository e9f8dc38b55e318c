//! The window: which event may be sent now, what is settled, how far the cursor may go.
//!
//! A state machine without I/O, driven by a courier. In: the events that concern the target in the order of their keys
//! ([`Window::offer`]), stretches that do not ([`Window::pass`]), outcomes ([`Window::record`]), the time. Out: the next
//! step ([`Window::next`]) and what the ledger shall commit ([`Window::settlement`]).
//!
//! Invariants, each a property test:
//! - the cursor only grows, and never passes an event that is not settled;
//! - in strict order at most one call is under way, and an event is called only when everything before it is settled;
//! - a hold counts nothing, and lets one call at a time through;
//! - an event that was given up is in `failed_events`, one that was delivered is not.
//!
//! What it deliberately does not do: read a clock, roll dice (delays are an argument), know pages, targets or databases.

mod policy;
mod slot;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

pub use policy::{OnExhausted, Policy};
pub use slot::Ticket;

use crate::{
    Cursor, CursorState, Event, EventKey, FailedChange, FailedEvent, FailedStatus, Outcome, Position, Row, Settlement,
};
use policy::{Before, Next};
use slot::{Phase, Slot};

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
    /// Nothing may go before this reading of the monotonic clock.
    WaitUntil(Duration),
    /// Nothing to do until something is offered or recorded.
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

/// How long to wait before the n-th try in a row (from 1).
pub type Delays<'a> = dyn FnMut(u32) -> Duration + 'a;

#[derive(Clone, Debug)]
struct Hold {
    since: Duration,
    probes: u32,
    until: Duration,
    reason: String,
}

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
    cursor: EventKey,
    event_date: Option<Timestamp>,
    delivered: Option<(Position, i64)>,
    parked_in_a_row: u32,
    /// In the order of keys; the front is the first event that is not settled.
    slots: VecDeque<Slot>,
    /// Events behind the cursor that an operator asked for again.
    again: VecDeque<Slot>,
    /// Failures of events that were not offered yet.
    known: BTreeMap<EventKey, FailedEvent>,
    hold: Option<Hold>,
    progress: Progress,
    retry_reason: Option<String>,
    changes: Vec<FailedChange>,
    settled: usize,
    dirty: Dirty,
    next_ticket: u64,
}

impl Window {
    /// Takes up a cursor where it stands, with the failed events beyond it.
    #[must_use]
    pub fn resume(policy: Policy, cursor: &Cursor, failed: Vec<FailedEvent>) -> Self {
        let known = failed.into_iter().filter(|row| row.key > cursor.key).map(|row| (row.key.clone(), row)).collect();
        Self {
            policy,
            cursor: cursor.key.clone(),
            event_date: cursor.event_date,
            delivered: cursor.delivered,
            parked_in_a_row: cursor.parked_in_a_row,
            slots: VecDeque::new(),
            again: VecDeque::new(),
            known,
            hold: None,
            progress: Progress::Live,
            retry_reason: None,
            changes: Vec::new(),
            settled: 0,
            dirty: if cursor.state == CursorState::Live { Dirty::Clean } else { Dirty::Settled },
            next_ticket: 0,
        }
    }

    /// Everything up to here is settled.
    #[must_use]
    pub fn cursor(&self) -> &EventKey {
        &self.cursor
    }

    /// Where the next event to offer must lie beyond: the last one offered or passed.
    #[must_use]
    pub fn read_to(&self) -> &EventKey {
        self.slots.back().map_or(&self.cursor, |slot| &slot.key)
    }

    /// Whether another event may be offered. In strict order one is enough: a target that waits keeps no others in memory.
    #[must_use]
    pub fn wants_more(&self) -> bool {
        self.slots.is_empty()
    }

    /// When the oldest event that concerns the target and is not settled was written.
    #[must_use]
    pub fn oldest_unsettled(&self) -> Option<Timestamp> {
        self.slots.iter().find(|slot| !slot.is_settled()).and_then(|slot| slot.created_at)
    }

    /// What to put into the cursor's row.
    #[must_use]
    pub fn state(&self) -> (CursorState, Option<&str>) {
        if let Some(hold) = &self.hold {
            return (CursorState::Holding, Some(&hold.reason));
        }
        match self.slots.front().map(|slot| &slot.phase) {
            Some(Phase::Broken(reason)) => (CursorState::Halted, Some(reason)),
            Some(Phase::Halted) => (
                CursorState::Halted,
                Some("an event failed too often; see `postrider failed list`, then retry, discard or skip it"),
            ),
            Some(Phase::Until(_)) => (CursorState::Retrying, self.retry_reason.as_deref()),
            Some(Phase::InFlight) if self.slots.front().is_some_and(|slot| slot.failures > 0) => {
                (CursorState::Retrying, self.retry_reason.as_deref())
            }
            _ if self.progress == Progress::CatchingUp => (CursorState::CatchingUp, None),
            _ => (CursorState::Live, None),
        }
    }

    /// Says whether the courier reads the tail's pages or its own.
    pub fn set_progress(&mut self, progress: Progress) {
        if self.progress != progress {
            self.progress = progress;
            self.dirty = Dirty::Settled;
        }
    }

    /// Takes in the next row that concerns the target. Rows at or before [`Self::read_to`] are not taken again.
    pub fn offer(&mut self, row: Arc<Row>, now: Now) {
        if row.key() <= self.read_to() {
            return;
        }
        let known = self.known.remove(row.key());
        self.forget_failures_up_to(row.key());
        let ticket = self.ticket();
        let mut slot = Slot::offered(ticket, row, known);
        let halts = matches!(slot.phase, Phase::Broken(_) | Phase::Halted);
        if !halts && self.is_expired(&slot, now.wall) {
            slot.phase = Phase::Settled;
            if slot.failures > 0 {
                self.changes.push(FailedChange::Remove(slot.key.clone()));
            }
            self.dirty = Dirty::Settled;
        }
        if halts {
            self.dirty = Dirty::Settled;
        }
        self.slots.push_back(slot);
        self.advance();
    }

    /// Everything up to `key` that was not offered concerns nobody.
    pub fn pass(&mut self, key: &EventKey, created_at: Option<Timestamp>) {
        if key <= self.read_to() {
            return;
        }
        self.forget_failures_up_to(key);
        let ticket = self.ticket();
        self.slots.push_back(Slot::passed(ticket, key.clone(), created_at));
        self.dirty = self.dirty.max(Dirty::Passed);
        self.advance();
    }

    /// Forgets an event that could not be decoded, so that the row is read and offered again.
    pub fn forget_broken(&mut self) {
        if self.slots.back().is_some_and(|slot| matches!(slot.phase, Phase::Broken(_))) {
            self.slots.pop_back();
            self.dirty = Dirty::Settled;
        }
    }

    /// The events behind the cursor that operators want sent again: all of them, in order. One that is not asked for any
    /// more is dropped, unless its call is under way. One that still cannot be decoded goes back to the parked ones.
    pub fn set_again(&mut self, asked: Vec<(Arc<Row>, FailedEvent)>) {
        let under_way: Vec<Slot> = self.again.drain(..).filter(|slot| slot.phase == Phase::InFlight).collect();
        self.again.extend(under_way);
        for (row, failed) in asked {
            if failed.key > self.cursor || self.again.iter().any(|slot| slot.key == failed.key) {
                continue;
            }
            if let Row::Broken(broken) = &*row {
                // It would be in the way of those behind it.
                self.gone(failed, &broken.to_string());
                continue;
            }
            let ticket = self.ticket();
            self.again.push_back(Slot::offered(ticket, row, Some(failed)));
        }
    }

    /// An event that was asked for again cannot be read: it goes back to the parked ones, saying why.
    pub fn gone(&mut self, failed: FailedEvent, why: &str) {
        let error = why.to_owned();
        self.changes.push(FailedChange::Put(FailedEvent { status: FailedStatus::Parked, error, ..failed }));
        self.dirty = Dirty::Settled;
    }

    /// The events that were given up since the last settlement.
    pub fn newly_parked(&self) -> impl Iterator<Item = &FailedEvent> {
        self.changes.iter().filter_map(|change| match change {
            FailedChange::Put(failed) if failed.status == FailedStatus::Parked => Some(failed),
            FailedChange::Put(_) | FailedChange::Remove(_) => None,
        })
    }

    /// Something about the endpoint was changed: what waits is tried at once.
    pub fn try_now(&mut self, now: Now) {
        if let Some(hold) = &mut self.hold {
            hold.until = now.monotonic;
        }
        for slot in self.slots.iter_mut().chain(&mut self.again) {
            if matches!(slot.phase, Phase::Until(_)) {
                slot.phase = Phase::Ready;
            }
        }
    }

    /// Whether calls are under way.
    #[must_use]
    pub fn in_flight(&self) -> bool {
        self.slots.iter().chain(&self.again).any(|slot| slot.phase == Phase::InFlight)
    }

    /// What to do next. A `Send` is under way from here on.
    pub fn next(&mut self, now: Now) -> Step {
        if self.in_flight() {
            return Step::Idle;
        }
        if let Some(hold) = &self.hold
            && now.monotonic < hold.until
            && (self.again.front().is_some() || self.slots.front().is_some())
        {
            return Step::WaitUntil(hold.until);
        }
        let mut wait: Option<Duration> = None;
        for (again, slot) in [(true, self.again.front_mut()), (false, self.slots.front_mut())] {
            let Some(slot) = slot else { continue };
            match slot.phase {
                Phase::Until(at) if now.monotonic < at => wait = Some(wait.map_or(at, |wait| wait.min(at))),
                Phase::Ready | Phase::Until(_) => {
                    let Some(event) = slot.event.clone() else { continue };
                    slot.phase = Phase::InFlight;
                    slot.calls += 1;
                    let previous = if again { None } else { self.delivered };
                    return Step::Send(Send { ticket: slot.ticket, event, attempt: slot.calls, previous });
                }
                Phase::Halted | Phase::Broken(_) | Phase::InFlight | Phase::Settled => {}
            }
        }
        match (wait, self.slots.front().map(|slot| &slot.phase)) {
            (Some(at), _) => Step::WaitUntil(at),
            (None, Some(Phase::Halted | Phase::Broken(_))) => Step::Halted,
            (None, _) => Step::Idle,
        }
    }

    /// What came of a call.
    pub fn record(&mut self, ticket: Ticket, outcome: &Outcome, now: Now, delays: &mut Delays<'_>) {
        let Some((again, mut slot)) = self.take(ticket) else { return };
        let before = Before {
            failures: slot.failures,
            held_for: self.hold.as_ref().map(|hold| now.monotonic.saturating_sub(hold.since)),
            suspected: self.policy.suspects(self.parked_in_a_row),
            again,
        };
        let error = match outcome {
            Outcome::Delivered => "",
            Outcome::Failed { error } | Outcome::Unavailable { error, .. } => error,
        };
        let next = self.policy.next(before, outcome);
        if let Next::Hold { retry_after } = next {
            let reason = if before.suspected { self.suspicion(error) } else { error.to_owned() };
            self.holds(&reason, retry_after, now, delays);
            slot.phase = Phase::Ready;
        } else {
            self.hold = None;
            if next == Next::Settle {
                self.parked_in_a_row = 0;
                slot.delivered = true;
                if slot.first_failed.is_some() {
                    self.changes.push(FailedChange::Remove(slot.key.clone()));
                }
                slot.phase = Phase::Settled;
            } else {
                self.counts(&mut slot, next, again, error, now, delays);
            }
        }
        self.dirty = Dirty::Settled;
        self.put_back(again, slot);
        self.advance();
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
            ahead: None,
            denied: Vec::new(),
        };
        Some((settlement, std::mem::take(&mut self.settled)))
    }

    /// A failure of an event that concerns the target no more, because definitions changed, is not tried again. What was
    /// given up stays on record.
    fn forget_failures_up_to(&mut self, key: &EventKey) {
        while let Some(entry) = self.known.first_entry().filter(|entry| entry.key() <= key) {
            let (key, failed) = entry.remove_entry();
            if failed.status != FailedStatus::Parked {
                self.changes.push(FailedChange::Remove(key));
                self.dirty = Dirty::Settled;
            }
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    fn is_expired(&self, slot: &Slot, now: Timestamp) -> bool {
        let (Some(max), Some(created_at)) = (self.policy.max_event_age, slot.created_at) else { return false };
        now.duration_since(created_at).try_into().is_ok_and(|age: Duration| age > max)
    }

    fn holds(&mut self, error: &str, retry_after: Option<Duration>, now: Now, delays: &mut Delays<'_>) {
        let (since, probes) = self.hold.as_ref().map_or((now.monotonic, 0), |hold| (hold.since, hold.probes));
        let probes = probes + 1;
        let wait = delays(probes).max(retry_after.unwrap_or_default());
        self.hold = Some(Hold { since, probes, until: now.monotonic + wait, reason: error.to_owned() });
    }

    fn counts(&mut self, slot: &mut Slot, next: Next, again: bool, error: &str, now: Now, delays: &mut Delays<'_>) {
        slot.failures += 1;
        let (phase, status) = match next {
            Next::Park => (Phase::Settled, FailedStatus::Parked),
            Next::Halt => (Phase::Halted, FailedStatus::Halted),
            Next::Retry | Next::Hold { .. } | Next::Settle => {
                (Phase::Until(now.monotonic + delays(slot.failures)), FailedStatus::Retrying)
            }
        };
        self.changes.push(FailedChange::Put(slot.failed(status, error, now.wall)));
        slot.first_failed.get_or_insert(now.wall);
        if next == Next::Park && !again {
            self.parked_in_a_row += 1;
            if self.policy.suspects(self.parked_in_a_row) {
                let reason = self.suspicion(error);
                self.holds(&reason, None, now, delays);
            }
        }
        self.retry_reason = Some(error.to_owned());
        slot.phase = phase;
    }

    fn suspicion(&self, error: &str) -> String {
        format!("{} events in a row were parked; the last answer: {error}", self.parked_in_a_row)
    }

    fn take(&mut self, ticket: Ticket) -> Option<(bool, Slot)> {
        let of = |slots: &VecDeque<Slot>| slots.iter().position(|slot| slot.ticket == ticket);
        if let Some(index) = of(&self.again) {
            return self.again.remove(index).map(|slot| (true, slot));
        }
        let index = of(&self.slots)?;
        self.slots.get(index).cloned().map(|slot| (false, slot))
    }

    fn put_back(&mut self, again: bool, slot: Slot) {
        if again {
            match slot.phase {
                // Settled again, one way or the other: it was never between the cursor and the next event.
                Phase::Settled => self.settled += 1,
                _ => self.again.push_front(slot),
            }
        } else if let Some(place) = self.slots.iter_mut().find(|place| place.ticket == slot.ticket) {
            *place = slot;
        }
    }

    /// Moves the cursor over everything that is settled.
    fn advance(&mut self) {
        while let Some(slot) = self.slots.pop_front_if(|slot| slot.is_settled()) {
            if slot.event.is_some() {
                self.settled += 1;
            }
            if slot.delivered {
                self.delivered = Some((slot.key.position, slot.key.in_tx_order));
            }
            self.event_date = slot.created_at.or(self.event_date);
            self.cursor = slot.key;
        }
    }
}
