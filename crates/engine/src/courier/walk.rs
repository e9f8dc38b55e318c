//! One walk of a courier: from a claim until it is stopped, or until the cursor turns out to be another's.
//!
//! Each round fills the window, hands over what is settled, takes the window's next step, and waits for whatever comes
//! first. A walk that has far to go comes back after every page, so that acts, retries and the end are seen meanwhile.

use std::{sync::Arc, time::Duration};

use domain::{
    Cursor, CursorState,
    window::{Progress, Step, Window},
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use store::{Claim, StoreError};
use tokio::{sync::watch, time::sleep};
use tracing::warn;

use super::{
    Courier,
    calls::{self, UnderWay},
    reader::{Found, Reader},
};
use crate::{Retry, clock, ledger::Seat};

/// A cursor that only passed what concerns nobody is committed after this.
const PASSED_FLUSH: Duration = Duration::from_secs(30);
/// A wait longer than this does not keep a page in memory.
const LONG_WAIT: Duration = Duration::from_millis(500);

/// Why a walk ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Stopped,
    Fenced,
}

/// See the module's head.
pub(super) struct Walk<'a> {
    courier: &'a mut Courier,
    cursor: Cursor,
    seat: Seat,
    window: Window,
    reader: Reader,
    grown: watch::Receiver<u64>,
    calls: FuturesUnordered<UnderWay>,
    delays: Retry,
    /// Operators may have asked for failed events again.
    retries_due: bool,
    /// Failed readings in a row.
    troubles: u32,
    flushed: Duration,
}

impl<'a> Walk<'a> {
    pub fn new(courier: &'a mut Courier, claim: Claim) -> Self {
        let shared = &courier.shared;
        let cursor = claim.cursor;
        let reader = Reader::new(
            Arc::clone(&courier.feed),
            shared.events.clone(),
            Arc::clone(&shared.router),
            cursor.target_id.clone(),
            Arc::clone(&shared.memory),
            cursor.key.clone(),
            shared.options.bulk_limit,
        );
        Self {
            seat: shared.ledger.seat(cursor.id, cursor.epoch),
            window: Window::resume(shared.options.policy.clone(), &cursor, claim.failed),
            reader,
            grown: courier.feed.grown(),
            calls: FuturesUnordered::new(),
            delays: Retry::new(shared.options.retry_failed_after, shared.options.policy.max_retry_interval),
            retries_due: true,
            troubles: 0,
            flushed: clock::boottime(),
            cursor,
            courier,
        }
    }

    /// Walks to the end. The call in flight is waited for in any case: two at a time would break the order.
    pub async fn run(mut self) -> Ended {
        let ended = self.go().await;
        while let Some((ticket, answer)) = self.calls.next().await {
            self.record(ticket, &answer);
        }
        if ended == Ended::Stopped && self.settle(true).await {
            self.seat.settled().await;
        }
        ended
    }

    async fn go(&mut self) -> Ended {
        loop {
            let mut wake = self.prepare().await;
            let flush = clock::boottime().saturating_sub(self.flushed) >= PASSED_FLUSH;
            if !self.settle(flush).await {
                return Ended::Fenced;
            }
            if flush {
                self.flushed = clock::boottime();
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
            let next = match self.window.next(clock::now()) {
                Step::Send(send) => {
                    self.calls.push(self.courier.call(send, self.cursor.generation));
                    None
                }
                Step::WaitUntil(at) => Some(at),
                Step::Halted => Some(clock::boottime() + self.courier.shared.options.requeue_every),
                Step::Idle => None,
            };
            wake = [wake, next].into_iter().flatten().min();
            self.wait(wake).await;
            if self.courier.stop.is_cancelled() {
                return Ended::Stopped;
            }
        }
    }

    /// Fills the window. Gives the time to come back at, if anything is left to do.
    async fn prepare(&mut self) -> Option<Duration> {
        let (stop, fenced) = (self.courier.stop.clone(), self.seat.fenced().clone());
        let read = tokio::select! {
            () = stop.cancelled() => return None,
            () = fenced.cancelled() => return None,
            read = self.read() => read,
        };
        match read {
            Ok(more) => {
                self.troubles = 0;
                more.then(clock::boottime)
            }
            Err(error) => {
                self.troubles += 1;
                if self.troubles == 1 {
                    let name = &self.courier.target.borrow().name;
                    warn!(error = &error as &dyn std::error::Error, target = %name, "events cannot be read; this is tried again");
                }
                Some(clock::boottime() + Retry::default().delay(self.troubles))
            }
        }
    }

    /// Whether there is more to read at once.
    async fn read(&mut self) -> Result<bool, StoreError> {
        if self.courier.nudged.has_changed().unwrap_or(false) {
            self.courier.nudged.mark_unchanged();
            self.retries_due = true;
        }
        if self.retries_due {
            // What was asked for before and is settled by now must not be read as asked for again.
            self.settle(false).await;
            self.seat.settled().await;
            self.take_up_retries().await?;
            self.retries_due = false;
        }
        let mut more = false;
        while self.window.wants_more() && !more {
            let safe = self.courier.safe.borrow().clone();
            match self.reader.next(&safe, self.window.read_to()).await? {
                Found::Row(row) => self.window.offer(row, clock::now()),
                Found::Passed(end, date) => {
                    self.window.pass(&end, date);
                    more = self.reader.catching_up;
                }
                Found::Nothing => break,
            }
        }
        let catching_up = self.reader.catching_up;
        self.window.set_progress(if catching_up { Progress::CatchingUp } else { Progress::Live });
        Ok(more)
    }

    /// Events that an operator asked for again.
    async fn take_up_retries(&mut self) -> Result<(), StoreError> {
        let mut asked = Vec::new();
        for failed in self.courier.shared.state.retries(self.cursor.id).await? {
            match self.courier.shared.events.event(&failed.key).await? {
                Some(row) => asked.push((Arc::new(row), failed)),
                None => self.window.gone(failed, "the event is no longer in the event store"),
            }
        }
        self.window.set_again(asked);
        Ok(())
    }

    /// Hands what is settled to the ledger; false when the cursor is another's now.
    async fn settle(&mut self, also_passed: bool) -> bool {
        let (state, _) = self.window.state();
        let oldest = self.window.oldest_unsettled();
        self.courier.figures.stands(state, oldest);
        if let Some((settlement, events)) = self.window.settlement(also_passed) {
            tokio::select! {
                () = self.seat.submit(settlement, events) => {}
                () = self.seat.fenced().cancelled() => {}
            }
        }
        !self.seat.fenced().is_cancelled()
    }

    /// Until something happens, or until `wake`.
    async fn wait(&mut self, wake: Option<Duration>) {
        let wait = wake.map_or(PASSED_FLUSH, |at| at.saturating_sub(clock::boottime())).min(PASSED_FLUSH);
        let idle = self.calls.is_empty();
        if idle && wake.is_some() && wait > LONG_WAIT {
            self.reader.let_go(self.window.read_to());
        }
        let room = self.window.wants_more();
        tokio::select! {
            Some((ticket, answer)) = self.calls.next() => self.record(ticket, &answer),
            () = self.courier.stop.cancelled() => {}
            () = self.seat.fenced().cancelled() => {}
            _ = self.grown.changed(), if room => {}
            Ok(()) = self.courier.safe.changed(), if room && self.reader.elsewhere => {}
            Ok(()) = self.courier.nudged.changed() => self.retries_due = true,
            // Whatever was wrong with the endpoint may have been put right.
            Ok(()) = self.courier.target.changed() => self.window.try_now(clock::now()),
            () = sleep(LONG_WAIT), if !idle && self.reader.has_own_page() => {
                // A slow endpoint does not keep memory that others wait for.
                self.reader.let_go(self.window.read_to());
            }
            () = sleep(wait), if idle => self.look_again_at_a_broken_row(),
        }
    }

    /// It may have been mended since.
    fn look_again_at_a_broken_row(&mut self) {
        if self.window.state().0 == CursorState::Halted {
            self.window.forget_broken();
            if self.window.wants_more() {
                self.reader.read_again(self.window.read_to());
            }
        }
    }

    fn record(&mut self, ticket: domain::window::Ticket, answer: &webhook::Answer) {
        let target = self.courier.target.borrow();
        calls::record(&mut self.window, ticket, answer, &self.delays, &target, &self.courier.instance);
    }
}
