//! How a walk fills its window: rows in order, events that operators asked for again, verdicts, rows that were mended.

use std::{sync::Arc, time::Duration};

use domain::{LogEvent, Row, window::Progress};
use store::StoreError;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    reader::Found,
    walk::{Retries, Walk},
};
use crate::{Retry, clock};

/// Events that operators asked for again are kept whole in memory: no more of them than this.
const RETRIES_AT_ONCE: usize = 100;

/// What is left to be read.
enum Left {
    /// The window is full.
    Unasked,
    /// A page of the courier's own was passed: others may want to be heard before the next.
    More,
    /// Nothing, until the feed grows or the horizon moves.
    Nothing,
}

impl Walk<'_> {
    /// Fills the window. Gives the time to come back at, if anything is left to do.
    pub(super) async fn fill(&mut self, stop: &CancellationToken, fenced: &CancellationToken) -> Option<Duration> {
        let read = tokio::select! {
            biased;
            read = self.read() => read,
            () = stop.cancelled() => return None,
            () = fenced.cancelled() => return None,
        };
        match read {
            Ok(more) => {
                self.troubles = 0;
                let verdicts = self.gated.then(|| self.gates.ask_again_at());
                [more.then(clock::boottime), verdicts, self.reader.reads_itself_at].into_iter().flatten().min()
            }
            Err(error) => {
                self.troubles += 1;
                if self.troubles == 1 {
                    let name = &self.courier.target.borrow().name;
                    warn!(event = LogEvent::CourierReadFailed.name(), error = &error as &dyn std::error::Error, target = %name, "events cannot be read; this is tried again");
                }
                Some(clock::boottime() + Retry::default().delay(self.troubles))
            }
        }
    }

    /// Whether there is more to read at once.
    async fn read(&mut self) -> Result<bool, StoreError> {
        if self.courier.nudged.has_changed().unwrap_or(false) {
            self.courier.nudged.mark_unchanged();
            self.retries = Retries::Due;
        }
        if self.retries == Retries::Due || (self.retries == Retries::More && self.window.has_sent_all_again()) {
            self.turn.step_aside();
            // What was asked for before and is settled by now must not be read as asked for again.
            self.settle(false, true).await;
            self.seat.settled().await;
            Box::pin(self.take_up_retries()).await?;
        }
        let more = loop {
            let left = self.read_rows().await?;
            self.gated = self.gates.judge(&self.courier.shared, &mut self.window, &mut self.turn).await?;
            match left {
                // What was interrupted has made room.
                Left::Unasked if self.window.wants_more() => {}
                Left::Unasked | Left::Nothing => break false,
                Left::More => break true,
            }
        };
        let progress = if self.reader.catching_up { Progress::CatchingUp } else { Progress::Live };
        self.window.set_progress(progress);
        Ok(more)
    }

    async fn read_rows(&mut self) -> Result<Left, StoreError> {
        while self.window.wants_more() {
            let (safe, window) = (&self.courier.safe, &self.window);
            match self.reader.next(safe, window.read_to(), window.cursor(), &mut self.turn).await? {
                Found::Row(row) => {
                    let router = self.courier.shared.router.load();
                    let gated = self.gates.are_before(&router, row.event_type());
                    self.window.offer(row, gated, clock::now());
                }
                Found::Passed(end, date) => {
                    self.window.pass(&end, date);
                    if self.reader.catching_up {
                        return Ok(Left::More);
                    }
                }
                Found::Nothing => return Ok(Left::Nothing),
            }
        }
        Ok(Left::Unasked)
    }

    /// Events that an operator asked for again, so many at a time.
    async fn take_up_retries(&mut self) -> Result<(), StoreError> {
        let mut asked = Vec::new();
        let (retries, more) = self.courier.shared.state.retries(self.cursor.id, RETRIES_AT_ONCE).await?;
        for failed in retries {
            match self.courier.shared.events.event(&failed.key).await? {
                Some(row) => asked.push((Arc::new(row), failed)),
                None => self.window.gone(failed, "the event is no longer in the event store"),
            }
        }
        self.window.set_again(asked);
        self.retries = if more { Retries::More } else { Retries::TakenUp };
        Ok(())
    }

    /// Rows that could not be decoded, as they are now; once in a while.
    pub(super) async fn read_broken_rows_again(&mut self) {
        let every = self.courier.shared.options.requeue_every;
        if clock::boottime() >= self.looked_at_broken + every {
            self.looked_at_broken = clock::boottime();
            Box::pin(self.mend_broken_rows()).await;
        }
    }

    async fn mend_broken_rows(&mut self) {
        for key in self.window.broken() {
            self.turn.step_aside();
            let row = match self.courier.shared.events.event(&key).await {
                Ok(row) => row,
                Err(error) => {
                    debug!(error = &error as &dyn std::error::Error, %key, "a broken row cannot be read again yet");
                    return;
                }
            };
            let router = self.courier.shared.router.load_full();
            let concerns = |row: &Row| {
                row.event_type().is_none_or(|of| router.concerns(&self.cursor.target_id, &self.cursor.instance_id, of))
            };
            let row = row.filter(concerns).map(Arc::new);
            let gated = self.gates.are_before(&router, row.as_deref().and_then(Row::event_type));
            self.window.mend(&key, row, gated);
        }
    }

    /// What this target denied long ago is nobody's business any more.
    pub(super) async fn forget_denials(&mut self) {
        if !self.courier.target.borrow().interrupt_on_error {
            return;
        }
        self.turn.step_aside();
        let at = self.window.cursor().clone();
        let forgotten = self.gates.forget_what_all_have_passed(&self.courier.shared, self.cursor.id, &at);
        if let Err(error) = Box::pin(forgotten).await {
            debug!(
                error = &error as &dyn std::error::Error,
                "old denials cannot be forgotten yet; this is tried again"
            );
        }
    }
}
