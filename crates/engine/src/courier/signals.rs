//! What a courier is told from outside, and rarely: waited for once and for all. Waiting for each of them anew with every
//! call would cost more than all else that a courier does for a call.
//!
//! A signal only wakes: what it is about the courier finds out where it looks in every turn of its loop.

use std::{pin::Pin, sync::Arc};

use domain::Target;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

struct Sources {
    stop: CancellationToken,
    fenced: CancellationToken,
    nudged: watch::Receiver<u64>,
    target: watch::Receiver<Arc<Target>>,
}

/// See the module's head.
pub(super) struct Signals(Pin<Box<dyn Future<Output = Sources> + Send>>);

impl Signals {
    /// It shall stop, its cursor is another's, failed events may have been asked for again, its target is defined anew: what the
    /// receivers have not seen yet, and what comes; an end also when it came before.
    pub fn new(
        stop: CancellationToken,
        fenced: CancellationToken,
        nudged: watch::Receiver<u64>,
        target: watch::Receiver<Arc<Target>>,
    ) -> Self {
        Self(Box::pin(Sources { stop, fenced, nudged, target }.next()))
    }

    /// Waits for the next one; nothing is lost where this is given up.
    pub async fn next(&mut self) {
        let sources = self.0.as_mut().await;
        self.0 = Box::pin(sources.next());
    }
}

impl Sources {
    async fn next(mut self) -> Self {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.fenced.cancelled() => {}
            Ok(()) = self.nudged.changed() => {}
            Ok(()) = self.target.changed() => {}
        }
        self
    }
}
