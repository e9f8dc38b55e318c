//! What may be sent, and what comes of it.

use std::time::Duration;

use super::{
    Delays, Dirty, Now, Send, Step, Window,
    hold::Hold,
    policy::{Before, Next},
    slot::{Phase, Slot, Ticket},
};
use crate::{EventKey, FailedChange, FailedStatus, Ordering, Outcome};

/// What is next.
enum Pick {
    Again,
    Line(u64),
    WaitUntil(Duration),
    Idle,
    Halted,
}

impl Window {
    /// Something about the endpoint was changed: what waits is tried at once.
    pub fn try_now(&mut self, now: Now) {
        if let Some(hold) = &mut self.hold {
            hold.end_the_wait(now.monotonic);
        }
        self.line.try_now();
        self.again.try_now();
    }

    /// How many calls are under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.line.flying() + usize::from(self.again.flying().is_some())
    }

    /// Whether [`Self::next`] would give something to send at this time.
    pub fn can_send(&mut self, now: Now) -> bool {
        matches!(self.pick(now), Pick::Again | Pick::Line(_))
    }

    /// What to do next. A `Send` is under way from here on.
    pub fn next(&mut self, now: Now) -> Step {
        let (ticket, slot) = match self.pick(now) {
            Pick::WaitUntil(at) => return Step::WaitUntil(at),
            Pick::Idle => return Step::Idle,
            Pick::Halted => return Step::Halted,
            Pick::Again => {
                let number = self.again.front().map_or(0, |(number, _)| *number);
                (Ticket { again: true, number }, self.again.front_mut())
            }
            Pick::Line(number) => {
                self.line.start(number);
                (Ticket { again: false, number }, self.line.get_mut(number))
            }
        };
        let Some(slot) = slot else { return Step::Idle };
        let Some(event) = slot.event.clone() else { return Step::Idle };
        self.calls += 1;
        slot.phase = Phase::InFlight;
        slot.calls += 1;
        slot.call = self.calls;
        let in_order = self.shape.ordering == Ordering::Strict && !ticket.again;
        let (attempt, previous) = (slot.calls, self.delivered.filter(|_| in_order));
        Step::Send(Send { ticket, event, attempt, previous })
    }

    fn pick(&mut self, now: Now) -> Pick {
        if self.halt.is_some() {
            return Pick::Halted;
        }
        let limit = if self.hold.is_some() { 1 } else { self.shape.max_in_flight };
        if self.in_flight() >= limit {
            return Pick::Idle;
        }
        if let Some(hold) = self.hold.as_ref().filter(|hold| now.monotonic < hold.until()) {
            let anything = self.again.front().is_some() || self.line.front().is_some();
            return if anything { Pick::WaitUntil(hold.until()) } else { Pick::Idle };
        }
        let mut wait = None;
        match self.again.front().map(|(_, slot)| slot) {
            Some(Slot { phase: Phase::Until(at), .. }) if now.monotonic < *at => wait = Some(*at),
            Some(slot @ Slot { phase: Phase::Ready | Phase::Until(_), .. }) if !self.line.is_flying(&slot.key) => {
                return Pick::Again;
            }
            _ => {}
        }
        loop {
            let beside: Option<EventKey> = self.again.flying().map(|slot| slot.key.clone());
            let may_go = |slot: &Slot| beside.as_ref().is_none_or(|key| !slot.is_of_the_aggregate_of(key));
            let (next, at) = self.line.next(now.monotonic, may_go);
            let Some(number) = next else {
                wait = [wait, at].into_iter().flatten().min();
                break;
            };
            let Some(expired) = self.line.get(number).filter(|slot| self.is_expired(slot, now.wall)) else {
                return Pick::Line(number);
            };
            // It has become too old while it waited.
            let failed = (expired.failures > 0).then(|| expired.key.clone());
            self.expire(failed);
            self.line.put(number, Phase::Settled);
            self.advance();
        }
        match (wait, self.line.front().map(|slot| &slot.phase)) {
            (Some(at), _) => Pick::WaitUntil(at),
            (None, Some(Phase::Halted | Phase::Broken(_))) if self.in_flight() == 0 => Pick::Halted,
            (None, _) => Pick::Idle,
        }
    }

    /// What came of a call.
    pub fn record(&mut self, ticket: Ticket, outcome: &Outcome, now: Now, delays: &mut Delays<'_>) {
        let taken = if ticket.again { self.again.take(ticket.number) } else { self.line.get(ticket.number).cloned() };
        let Some(mut slot) = taken.filter(|slot| slot.phase == Phase::InFlight) else { return };
        let before = Before {
            failures: slot.failures,
            held_for: self.hold.as_ref().map(|hold| hold.lasts(now.monotonic)),
            suspected: self.policy.suspects(self.parked_in_a_row),
            again: ticket.again,
        };
        let error = match outcome {
            Outcome::Delivered => "",
            Outcome::Failed { error } | Outcome::Unavailable { error, .. } => error,
        };
        let next = self.policy.next(before, outcome);
        if let Next::Hold { retry_after } = next {
            let reason = if before.suspected { self.suspicion(error) } else { error.to_owned() };
            self.holds(slot.call, &reason, retry_after, now, delays);
            slot.phase = Phase::Ready;
        } else {
            // A call that was made before the trouble was known says nothing about its end.
            self.hold.take_if(|hold| hold.is_probe(slot.call));
            if next == Next::Settle {
                self.parked_in_a_row = 0;
                slot.delivered = true;
                if slot.first_failed.is_some() {
                    self.changes.push(FailedChange::Remove(slot.key.clone()));
                }
                slot.phase = Phase::Settled;
            } else {
                self.counts(&mut slot, next, ticket.again, error, now, delays);
            }
        }
        self.dirty = Dirty::Settled;
        self.settled += usize::from(slot.is_settled());
        self.put_back(ticket, slot);
        self.advance();
    }

    fn put_back(&mut self, ticket: Ticket, slot: Slot) {
        match (ticket.again, slot.is_settled()) {
            // Settled again, one way or the other: it was never between the cursor and the next event.
            (true, true) => {}
            (true, false) => self.again.put_back(ticket.number, slot),
            (false, _) => {
                let phase = slot.phase.clone();
                if let Some(place) = self.line.get_mut(ticket.number) {
                    *place = Slot { phase: Phase::InFlight, ..slot };
                }
                self.line.put(ticket.number, phase);
            }
        }
    }

    fn holds(&mut self, call: u64, reason: &str, retry_after: Option<Duration>, now: Now, delays: &mut Delays<'_>) {
        match &mut self.hold {
            Some(hold) if !hold.is_probe(call) => hold.was_met(retry_after, now.monotonic),
            hold => hold.get_or_insert_with(|| Hold::begin(now.monotonic, self.calls)).goes_on(
                reason,
                retry_after,
                now.monotonic,
                delays,
            ),
        }
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
        slot.error = Some(error.to_owned());
        slot.phase = phase;
        if next == Next::Park && !again {
            self.denied.push(slot.key.clone());
            self.parked_in_a_row += 1;
            if self.policy.suspects(self.parked_in_a_row) {
                let reason = self.suspicion(error);
                self.holds(slot.call, &reason, None, now, delays);
            }
        }
    }

    fn suspicion(&self, error: &str) -> String {
        format!("{} events in a row were parked; the last answer: {error}", self.parked_in_a_row)
    }
}
