//! What a courier is told from outside, and rarely: waited for once and for all. Waiting for each of them anew with every
//! call would cost more than all else that a courier does for a call.

use std::{pin::Pin, sync::Arc};

use domain::Target;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What a courier was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Signal {
    /// It shall stop, or its cursor is another's.
    Ended,
    /// Failed events may have been asked for again.
    Nudged,
    /// Its target is defined anew.
    Target,
}

struct Sources {
    stop: CancellationToken,
    fenced: CancellationToken,
    nudged: watch::Receiver<u64>,
    target: watch::Receiver<Arc<Target>>,
}

/// See the module's head.
pub(super) struct Signals(Pin<Box<dyn Future<Output = (Signal, Sources)> + Send>>);

impl Signals {
    /// What the receivers have not seen yet, and what comes; an end also when it came before.
    pub fn new(
        stop: CancellationToken,
        fenced: CancellationToken,
        nudged: watch::Receiver<u64>,
        target: watch::Receiver<Arc<Target>>,
    ) -> Self {
        Self(Box::pin(Sources { stop, fenced, nudged, target }.next()))
    }

    /// The next one; nothing is lost where this is given up.
    pub async fn next(&mut self) -> Signal {
        let (signal, sources) = self.0.as_mut().await;
        self.0 = Box::pin(sources.next());
        signal
    }
}

impl Sources {
    async fn next(mut self) -> (Signal, Self) {
        let signal = tokio::select! {
            () = self.stop.cancelled() => Signal::Ended,
            () = self.fenced.cancelled() => Signal::Ended,
            Ok(()) = self.nudged.changed() => Signal::Nudged,
            Ok(()) = self.target.changed() => Signal::Target,
        };
        (signal, self)
    }
}
