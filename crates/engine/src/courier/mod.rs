//! A courier: serves one target on one instance.
//!
//! It claims the cursor (which raises the epoch and so fences off whoever had it), then walks: rows from its [`reader`]
//! into the window, calls as the window says, settlements to the ledger. When its epoch turns out to be another's it
//! begins again from the row. It stops between calls, after the one in flight, and only once what it settled is
//! committed.

mod calls;
mod reader;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use domain::{
    CursorState, InstanceId, Position, Router, Target,
    window::{Progress, Step, Window},
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use store::{Claim, EventStore, State, StoreError};
use tokio::{
    sync::{Semaphore, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use webhook::Deliverer;

use crate::{
    Options, Retry, Status, clock,
    feed::Feed,
    lease::Held,
    ledger::{Ledger, Seat},
};
use reader::{Found, Reader};

/// A cursor that only passed what concerns nobody is committed after this.
const PASSED_FLUSH: Duration = Duration::from_secs(30);
/// A wait longer than this does not keep a page in memory.
const LONG_WAIT: Duration = Duration::from_millis(500);

/// What all couriers of a daemon share.
pub(crate) struct Shared {
    pub options: Options,
    pub events: EventStore,
    pub state: State,
    pub deliverer: Deliverer,
    pub ledger: Ledger,
    pub held: Held,
    pub router: Arc<ArcSwap<Router>>,
    pub status: Arc<Status>,
    /// Memory for pages that couriers read for themselves, in KiB.
    pub memory: Arc<Semaphore>,
}

/// See the module's head.
pub(crate) struct Courier {
    pub shared: Arc<Shared>,
    pub target: watch::Receiver<Arc<Target>>,
    pub instance: InstanceId,
    pub feed: Arc<Feed>,
    pub safe: watch::Receiver<Position>,
    /// Changes when an operator may have asked for failed events of this cursor again.
    pub nudged: watch::Receiver<u64>,
    pub stop: CancellationToken,
}

/// Why a walk ended.
enum Ended {
    Stopped,
    Fenced,
}

impl Courier {
    /// Serves until it is stopped, or until the lease is another's.
    pub async fn run(mut self) {
        let name = self.target.borrow().name.clone();
        while let Some(claim) = self.claim().await {
            match self.walk(claim).await {
                Ended::Stopped => break,
                Ended::Fenced => {
                    info!(target = %name, instance = %self.instance, "the cursor was moved by another hand: beginning again from there");
                }
            }
        }
        self.shared.status.left(&self.target.borrow().id, &self.instance);
    }

    /// Makes the cursor this courier's own; `None` when stopped, or when the lease is not this daemon's any more.
    async fn claim(&mut self) -> Option<Claim> {
        let retry = Retry::default();
        let target = self.target.borrow().id.clone();
        for tries in 1.. {
            if self.stop.is_cancelled() {
                return None;
            }
            match self.shared.state.claim(self.shared.held.lease(), &target, &self.instance).await {
                Ok(claim) => return claim,
                Err(error) if tries == 1 => {
                    warn!(error = &error as &dyn std::error::Error, target = %target, "the cursor cannot be claimed yet; this is tried again");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = sleep(retry.delay(tries)) => {}
            }
        }
        None
    }

    async fn walk(&mut self, claim: Claim) -> Ended {
        let shared = Arc::clone(&self.shared);
        let cursor = claim.cursor;
        let seat = shared.ledger.seat(cursor.id, cursor.epoch);
        let mut window = Window::resume(shared.options.policy.clone(), &cursor, claim.failed);
        let mut reader = Reader::new(
            Arc::clone(&self.feed),
            shared.events.clone(),
            Arc::clone(&shared.router),
            cursor.target_id.clone(),
            Arc::clone(&shared.memory),
            cursor.key.clone(),
            shared.options.bulk_limit,
        );
        let delays = Retry::new(shared.options.retry_failed_after, shared.options.policy.max_retry_interval);
        let mut grown = self.feed.grown();
        let mut calls = FuturesUnordered::new();
        let mut flushed = clock::boottime();
        let mut troubles = 0;
        self.nudged.mark_changed();
        loop {
            let mut wake: Option<Duration> = None;
            let filled = async {
                if self.nudged.has_changed().unwrap_or(false) {
                    self.nudged.mark_unchanged();
                    self.take_up_retries(&mut window, &cursor).await?;
                }
                self.fill(&mut window, &mut reader).await
            };
            match filled.await {
                Ok(()) => troubles = 0,
                Err(error) => {
                    troubles += 1;
                    if troubles == 1 {
                        warn!(error = &error as &dyn std::error::Error, target = %self.target.borrow().name, "events cannot be read; this is tried again");
                    }
                    self.nudged.mark_changed();
                    wake = Some(clock::boottime() + Retry::default().delay(troubles));
                }
            }
            let idle_long = clock::boottime().saturating_sub(flushed) >= PASSED_FLUSH;
            if !self.settle(&mut window, &seat, idle_long).await {
                return Ended::Fenced;
            }
            if idle_long {
                flushed = clock::boottime();
            }
            if !shared.held.runs() {
                tokio::select! {
                    () = shared.held.wait_until_it_runs() => {}
                    () = self.stop.cancelled() => break,
                }
            }
            if !self.stop.is_cancelled() && !seat.fenced().is_cancelled() {
                match window.next(clock::now()) {
                    Step::Send(send) => calls.push(self.call(send, cursor.generation)),
                    Step::WaitUntil(at) => wake = Some(wake.map_or(at, |wake| wake.min(at))),
                    Step::Halted => wake = Some(clock::boottime() + shared.options.requeue_every),
                    Step::Idle => {}
                }
            }
            let wait = wake.map_or(PASSED_FLUSH, |at| at.saturating_sub(clock::boottime())).min(PASSED_FLUSH);
            if calls.is_empty() && wake.is_some() && wait > LONG_WAIT {
                reader.let_go(window.read_to());
            }
            tokio::select! {
                Some((ticket, answer)) = calls.next() => {
                    calls::record(&mut window, ticket, &answer, &delays, &self.target.borrow(), &self.instance);
                }
                () = self.stop.cancelled() => break,
                () = seat.fenced().cancelled() => {}
                _ = grown.changed(), if window.wants_more() => {}
                _ = self.safe.changed(), if window.wants_more() && reader.elsewhere => {}
                _ = self.nudged.changed() => self.nudged.mark_changed(),
                () = sleep(wait), if calls.is_empty() => {
                    if window.state().0 == CursorState::Halted {
                        // The row may have been mended.
                        window.forget_broken();
                        if window.wants_more() {
                            reader.read_again(window.read_to());
                        }
                    }
                }
            }
            if seat.fenced().is_cancelled() {
                // The call in flight is another's business already; dropping it here would only hide its answer.
                while calls.next().await.is_some() {}
                return Ended::Fenced;
            }
        }
        while let Some((ticket, answer)) = calls.next().await {
            calls::record(&mut window, ticket, &answer, &delays, &self.target.borrow(), &self.instance);
        }
        if self.settle(&mut window, &seat, true).await {
            seat.settled().await;
        }
        Ended::Stopped
    }

    /// Gives the window what it has room for.
    async fn fill(&self, window: &mut Window, reader: &mut Reader) -> Result<(), StoreError> {
        while window.wants_more() && !self.stop.is_cancelled() {
            let safe = *self.safe.borrow();
            match reader.next(safe, window.read_to()).await? {
                Found::Row(row) => window.offer(row, clock::now()),
                Found::Passed(end, date) => window.pass(&end, date),
                Found::Nothing => break,
            }
        }
        window.set_progress(if reader.catching_up { Progress::CatchingUp } else { Progress::Live });
        Ok(())
    }

    /// Events that an operator asked for again.
    async fn take_up_retries(&self, window: &mut Window, cursor: &domain::Cursor) -> Result<(), StoreError> {
        let mut asked = Vec::new();
        for failed in self.shared.state.retries(cursor.id).await? {
            match self.shared.events.event(&failed.key).await? {
                Some(row) => asked.push((Arc::new(row), failed)),
                None => window.gone(failed),
            }
        }
        window.set_again(asked);
        Ok(())
    }

    /// Hands what is settled to the ledger; false when the cursor is another's now.
    async fn settle(&self, window: &mut Window, seat: &Seat, also_passed: bool) -> bool {
        let (state, _) = window.state();
        self.shared.status.standing(&self.target.borrow().id, &self.instance, state, window.oldest_unsettled());
        if let Some((settlement, events)) = window.settlement(also_passed) {
            tokio::select! {
                () = seat.submit(settlement, events) => {}
                () = seat.fenced().cancelled() => {}
            }
        }
        !seat.fenced().is_cancelled()
    }
}
