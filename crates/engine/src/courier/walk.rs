//! One walk of a courier: from a claim until it is stopped, or until the cursor turns out to be another's.
//!
//! Each round fills the window (`filling`), hands over what is settled, makes the calls that may be made, and waits for
//! whatever comes first. A walk that has far to go comes back after every page, so that acts, retries and the end are seen
//! meanwhile.

use std::{sync::Arc, time::Duration};

use domain::{
    Cursor, FailedEvent, FailedStatus, Ordering,
    window::{Shape, Step, Ticket, Window},
};
use store::Claim;
use tokio::sync::watch;

use super::{
    Courier, Crowd,
    alarm::Alarm,
    calls::{self, UnderWay},
    gates::Gates,
    reader::Reader,
    signals::Signals,
};
use crate::{Retry, clock, ledger::Seat, turns::Turn};

/// Cursors that only passed what concerns nobody are committed so often: all of a daemon at the same time, in few groups.
const PASSED_FLUSH: Duration = Duration::from_secs(30);
/// A wait longer than this does not keep a page in memory.
const LONG_WAIT: Duration = Duration::from_millis(500);
/// Where many calls are under way, so many events are settled with one settlement: it says all that is settled ahead.
const SETTLED_AT_ONCE: usize = 32;

/// Why a walk ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Stopped,
    Fenced,
    /// The target has another ordering now, which needs another window.
    Reordered,
}

/// Whether there are failed events that operators asked for again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Retries {
    /// There may be.
    Due,
    /// There are more than were taken up at once.
    More,
    /// All are taken up.
    TakenUp,
}

/// See the module's head.
pub(super) struct Walk<'a> {
    pub(super) courier: &'a mut Courier,
    pub(super) cursor: Cursor,
    pub(super) seat: Seat,
    pub(super) window: Window,
    pub(super) reader: Reader,
    pub(super) gates: Gates,
    grown: watch::Receiver<u64>,
    calls: UnderWay,
    signals: Signals,
    alarm: Alarm,
    delays: Retry,
    pub(super) retries: Retries,
    /// Some event waits for the verdict of a target before this one.
    pub(super) gated: bool,
    /// Failed readings in a row.
    pub(super) troubles: u32,
    /// In which period of `PASSED_FLUSH` this was done last.
    flushed: u64,
    settled: Duration,
    /// When rows that cannot be decoded were last read again.
    pub(super) looked_at_broken: Duration,
    place: Crowd,
    pub(super) turn: Turn,
}

/// Counts, the same for all couriers.
fn period() -> u64 {
    clock::boottime().as_secs() / PASSED_FLUSH.as_secs()
}

impl<'a> Walk<'a> {
    pub fn new(courier: &'a mut Courier, claim: Claim) -> Self {
        let shared = &courier.shared;
        let cursor = claim.cursor;
        let mut reader = Reader::new(
            Arc::clone(&courier.feed),
            shared.events.clone(),
            Arc::clone(&shared.router),
            cursor.target_id.clone(),
            Arc::clone(&shared.memory),
            cursor.key.clone(),
            shared.options.bulk_limit,
        );
        reader.traces.clone_from(&shared.traces);
        reader.sets_out = courier.sets_out.take();
        // Whoever asks for more later says so by a nudge.
        let asked_again =
            |failed: &FailedEvent| failed.status == FailedStatus::Retrying && cursor.has_settled(&failed.key);
        let retries = if claim.failed.iter().any(asked_again) { Retries::Due } else { Retries::TakenUp };
        let place = Crowd::join(&shared.crowd);
        let seat = shared.ledger.seat(cursor.id, cursor.epoch);
        let shape = Shape::of(&courier.target.borrow_and_update(), shared.options.lookahead, place.share());
        Self {
            signals: Signals::new(
                courier.stop.clone(),
                seat.fenced().clone(),
                courier.nudged.clone(),
                courier.target.clone(),
            ),
            alarm: Alarm::default(),
            seat,
            window: Window::resume(shared.options.policy.clone(), shape, &cursor, claim.failed),
            reader,
            gates: Gates::new(shared, cursor.target_id.clone(), cursor.instance_id.clone()),
            grown: courier.feed.grown(),
            calls: UnderWay::default(),
            delays: Retry::new(shared.options.retry_failed_after, shared.options.policy.max_retry_interval),
            retries,
            gated: false,
            troubles: 0,
            flushed: period(),
            settled: Duration::ZERO,
            looked_at_broken: clock::boottime(),
            place,
            turn: shared.turns.join(),
            cursor,
            courier,
        }
    }

    /// Walks to the end. The calls in flight are waited for in any case: what follows them must not overtake them.
    pub async fn run(mut self) -> Ended {
        let ended = self.go().await;
        self.turn.step_aside();
        self.reader.stay.counts(false);
        while let Some((ticket, answer)) = self.calls.next().await {
            self.record(ticket, &answer);
        }
        if ended != Ended::Fenced && self.settle(true, true).await {
            self.seat.settled().await;
        }
        ended
    }

    async fn go(&mut self) -> Ended {
        let (stop, fenced) = (self.courier.stop.clone(), self.seat.fenced().clone());
        loop {
            if self.courier.target.has_changed().unwrap_or(false) && !self.take_up_the_target() {
                return Ended::Reordered;
            }
            self.window.set_max_bytes(self.place.share());
            self.read_broken_rows_again().await;
            // What was taken in goes first: meanwhile nothing more is read, and no memory is waited for.
            let owed_a_call = self.turn.is_owed_a_call();
            let mut wake = if owed_a_call { None } else { self.fill(&stop, &fenced).await };
            let flush = period() != self.flushed;
            if !self.settle(flush, self.calls.is_empty()).await {
                return Ended::Fenced;
            }
            if flush {
                self.flushed = period();
                self.forget_denials().await;
            }
            if !self.courier.shared.held.runs() {
                tokio::select! {
                    () = self.courier.shared.held.wait_until_it_runs() => {}
                    () = self.courier.stop.cancelled() => {}
                }
            }
            if self.courier.stop.is_cancelled() {
                return Ended::Stopped;
            }
            let later = self.send();
            if owed_a_call && self.turn.is_aside() {
                // There was nothing to send after all: what was put off is due.
                continue;
            }
            let owed = self.window.owes_a_settlement().then(|| self.settlement_is_due_at());
            wake = [wake, owed, later].into_iter().flatten().min();
            self.wait(wake).await;
            if self.courier.stop.is_cancelled() {
                return Ended::Stopped;
            }
        }
    }

    /// Makes the calls that may be made now, in the courier's turn. Gives the time to come back at, if something waits for one.
    fn send(&mut self) -> Option<Duration> {
        // One call at a time, for which the courier waits next.
        let alone = self.courier.target.borrow().ordering == Ordering::Strict;
        while self.courier.shared.held.runs() {
            let now = clock::now();
            let target = Arc::clone(&self.courier.target.borrow());
            let limited = target.limits.rate.is_some();
            if (limited || !self.turn.is_called()) && self.window.can_send(now) {
                if !self.turn.take(now.monotonic) {
                    return None;
                }
                // A token of the target's rate is taken for each call, and only if there is one to make.
                if limited && let Err(until) = self.courier.shared.limits.ready(&target) {
                    self.turn.step_aside();
                    return Some(until);
                }
            }
            let step = self.window.next(now);
            if let Step::Send(send) = step {
                self.turn.calls(now.monotonic);
                let page = self.reader.pages.of(&send.event().key);
                self.calls.begin(alone, self.courier.call(send, self.cursor.generation, page));
                continue;
            }
            // It was called, or waits to be, and there is nothing to send any more; or there is nothing under way either.
            if self.turn.is_owed_a_call() || self.calls.is_empty() {
                let at_the_end = !self.reader.catching_up && !self.courier.feed.was_cut() && self.troubles == 0;
                match &step {
                    Step::Idle if at_the_end && !self.gated => self.turn.rest(),
                    _ => self.turn.step_aside(),
                }
            }
            return match step {
                Step::WaitUntil(at) => Some(at),
                Step::Halted => Some(clock::boottime() + self.courier.shared.options.requeue_every),
                Step::Send(_) | Step::Idle => None,
            };
        }
        None
    }

    /// Hands what is settled to the ledger; false when the cursor is another's now. While many calls are under way it is
    /// not done for each of them, unless `now`.
    pub(super) async fn settle(&mut self, also_passed: bool, now: bool) -> bool {
        let (state, _) = self.window.state();
        let oldest = self.window.oldest_unsettled();
        self.courier.figures.stands(state, oldest);
        let in_order = self.courier.target.borrow().ordering == Ordering::Strict;
        let due = in_order
            || now
            || also_passed
            || self.window.unsubmitted() >= SETTLED_AT_ONCE
            || clock::boottime() >= self.settlement_is_due_at();
        if due && let Some((settlement, events)) = self.window.settlement(also_passed) {
            self.settled = clock::boottime();
            tokio::select! {
                biased;
                () = self.seat.submit(settlement, events) => {}
                () = self.seat.fenced().cancelled() => {}
            }
        }
        !self.seat.fenced().is_cancelled()
    }

    fn settlement_is_due_at(&self) -> Duration {
        self.settled + self.courier.shared.options.flush_interval / 2
    }

    /// Until something happens, or until `wake`.
    async fn wait(&mut self, wake: Option<Duration>) {
        let now = clock::boottime();
        let next_period = PASSED_FLUSH * u32::try_from(period() + 1).unwrap_or(u32::MAX);
        let until = wake.map_or(next_period, |at| at.min(next_period));
        let idle = self.calls.is_empty();
        if idle && wake.is_some() && until.saturating_sub(now) > LONG_WAIT {
            if !self.gated {
                self.window.shed();
            }
            self.reader.begin_after(self.window.read_to());
        }
        let queued = self.turn.is_queued();
        self.reader.stay.counts(self.turn.is_one_of_many(now));
        let room = !queued && self.window.wants_more();
        // Neither a slow endpoint nor a long queue keeps memory that others wait for.
        let patience = ((!idle || queued) && self.reader.has_own_page()).then(|| now + LONG_WAIT);
        let until = [patience, self.turn.until()].into_iter().flatten().fold(until, Duration::min);
        let alarm = self.alarm.at(until, now);
        tokio::select! {
            biased;
            Some((ticket, answer)) = self.calls.next() => {
                self.record(ticket, &answer);
                // Whatever else has come meanwhile.
                while let Some((ticket, answer)) = self.calls.next_ended() {
                    self.record(ticket, &answer);
                }
            }
            () = self.signals.next() => {}
            _ = self.grown.changed(), if room => {}
            Ok(()) = self.courier.safe.changed(), if room && self.reader.elsewhere => {}
            Ok(()) = self.gates.committed.changed(), if self.gated && !queued => {}
            () = self.turn.called(clock::boottime), if queued => {}
            () = alarm => {
                let now = clock::boottime();
                self.turn.look_at(now);
                if patience.is_some_and(|patience| patience <= now) {
                    self.reader.let_go(self.window.read_to());
                }
            }
        }
        self.calls.let_go_on();
    }

    /// Whatever was wrong with the endpoint may have been put right. `false`: its ordering needs another window.
    fn take_up_the_target(&mut self) -> bool {
        let target = Arc::clone(&self.courier.target.borrow_and_update());
        if target.name != self.courier.figures.name {
            let figures = self.courier.shared.status.figures(&target.name, &target.id, &self.courier.instance);
            self.courier.figures = Arc::new(figures);
        }
        let shape = Shape::of(&target, self.courier.shared.options.lookahead, self.place.share());
        let keeps = self.window.reshape(shape);
        self.window.try_now(clock::now());
        keeps
    }

    fn record(&mut self, ticket: Ticket, answer: &webhook::Answer) {
        let target = self.courier.target.borrow();
        calls::record(&mut self.window, ticket, answer, &self.delays, &target, &self.courier.instance);
        self.turn.answered(answer.duration, clock::boottime());
    }
}
