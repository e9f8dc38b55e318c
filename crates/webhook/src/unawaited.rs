//! Calls whose answer nobody waits for: those to targets of kind `async`.
//!
//! They are tasks, but not detached ones: all of them are known here, [`Unawaited::finish`] waits for them, and each ends
//! by its target's timeout. A target has a bounded number of seats, so that an endpoint that hangs costs neither memory
//! without end nor the calls to other targets.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use domain::{LogEvent, TargetId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::{Answer, Call};

/// Unawaited calls to one target at a time. The next one waits for a seat.
const SEATS: usize = 128;

/// Who is told of answers that nobody waited for.
pub(crate) type Observer = Box<dyn Fn(&Call<'_>, &Answer) + Send + Sync>;

#[derive(Default)]
pub(crate) struct Unawaited {
    tasks: TaskTracker,
    seats: Mutex<HashMap<TargetId, Arc<Semaphore>>>,
    observer: OnceLock<Observer>,
}

impl Unawaited {
    /// Tells `observer` of every answer from now on. Only the first one is taken.
    pub(crate) fn observe(&self, observer: Observer) {
        drop(self.observer.set(observer));
    }

    /// Leaves the call to itself. In the end it says what became of it ([`Self::answered`]).
    pub(crate) fn hand_over(&self, call: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(call);
    }

    /// Tells the log and the observer.
    pub(crate) fn answered(&self, call: &Call<'_>, answer: &Answer) {
        if let Some(error) = answer.outcome.error() {
            tracing::warn!(event = LogEvent::CallUnawaitedFailed.name(), target = %call.target.name, error, "a call that is not awaited failed");
        }
        if let Some(observer) = self.observer.get() {
            observer(call, answer);
        }
    }

    /// Returns when no call is under way.
    pub(crate) async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Waits until one more call to the target may be under way.
    pub(crate) async fn seat(&self, target: &TargetId) -> OwnedSemaphorePermit {
        let seats = {
            let mut all = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
            // A target that was deleted leaves nothing behind once its calls have ended.
            if all.len() >= 64 && !all.contains_key(target) {
                all.retain(|_, seats| Arc::strong_count(seats) > 1 || seats.available_permits() < SEATS);
            }
            Arc::clone(all.entry(target.clone()).or_insert_with(|| Arc::new(Semaphore::new(SEATS))))
        };
        seats.acquire_owned().await.expect("the seats of a target are never closed")
    }
}

impl fmt::Debug for Unawaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unawaited").field("under_way", &self.tasks.len()).finish_non_exhaustive()
    }
}
