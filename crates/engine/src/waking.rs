//! What wakes the tail, and how often it looks by itself.
//!
//! Where the notify trigger is there, a connection of its own listens, and a notification wakes the tail. It carries nothing:
//! the tail looks as it always does, so that one that is lost costs time and never an event. One writer may speak for others
//! that are still open: the horizon shows those, and the tail looks again until they have ended. While everybody who adds events is
//! heard the tail looks by itself once a second only. That ends at once when the connection breaks, when nothing
//! comes through it, or when the trigger is gone; each time listening begins or ends, the tail looks once.

use domain::LogEvent;
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use store::{EventStore, Listener, Notifies, StoreError};
use tokio::{
    sync::{Notify, futures::Notified},
    time::sleep,
};
use tracing::{info, warn};

use crate::{Retry, Status};

/// How often the tail looks by itself while it is told of everything.
const WHILE_TOLD: Duration = Duration::from_secs(1);

/// See the module's head.
pub(crate) struct Waking {
    poll_interval: Duration,
    status: Arc<Status>,
    /// Everybody who adds events is heard.
    told: AtomicBool,
    wake: Notify,
    examined: Notify,
}

impl Waking {
    pub fn new(poll_interval: Duration, status: Arc<Status>) -> Self {
        let (wake, examined) = (Notify::new(), Notify::new());
        Self { poll_interval, status, told: AtomicBool::new(false), wake, examined }
    }

    /// How long until the next look when there was nothing new.
    pub fn idle(&self) -> Duration {
        if self.told.load(Ordering::Relaxed) { self.poll_interval.max(WHILE_TOLD) } else { self.poll_interval }
    }

    /// Waits until there is a reason to look; one that came before counts.
    pub fn woken(&self) -> Notified<'_> {
        self.wake.notified()
    }

    /// The store was examined again: the trigger may have come or gone.
    pub fn examined(&self) {
        self.examined.notify_one();
    }

    /// Listens whenever there is a trigger, for as long as it is polled.
    pub async fn listen(&self, events: &EventStore) -> Infallible {
        let retry = Retry::default();
        let (mut failed, mut deaf) = (0, false);
        loop {
            if events.notifies() == Notifies::Never {
                (failed, deaf) = (0, false);
                self.examined.notified().await;
                continue;
            }
            match events.listen().await {
                Ok(listener) => {
                    (failed, deaf) = (0, false);
                    self.hear(events, listener).await;
                }
                Err(error @ StoreError::Deaf) => {
                    // Somebody would have to change the connection; until then one warning is enough.
                    if !std::mem::replace(&mut deaf, true) {
                        warn!(
                            event = LogEvent::NotifyUnavailable.name(),
                            "{error}: the event store is polled instead; event_store.url should go past the pooler"
                        );
                    }
                    self.examined.notified().await;
                }
                Err(error) => {
                    failed += 1;
                    if failed == 1 {
                        let error = &error as &dyn std::error::Error;
                        warn!(
                            event = LogEvent::NotifyUnavailable.name(),
                            error, "the notify trigger cannot be listened to; polling goes on, and this is tried again"
                        );
                    }
                    sleep(retry.delay(failed)).await;
                }
            }
        }
    }

    /// Passes on what is heard, until the connection breaks or the trigger is gone.
    async fn hear(&self, events: &EventStore, mut listener: Listener) {
        info!(event = LogEvent::NotifyListening.name(), "notifications wake the tail");
        self.status.listens(true);
        loop {
            // Also at the beginning: something may have been committed just before.
            self.tell(events.notifies() == Notifies::Always);
            tokio::select! {
                heard = listener.notified() => match heard {
                    Ok(()) => self.status.notified(),
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        warn!(event = LogEvent::NotifyLost.name(), error, "the connection that listens broke; the event store is polled until it is made again");
                        break;
                    }
                },
                () = self.examined.notified() => {
                    if events.notifies() == Notifies::Never {
                        info!(event = LogEvent::NotifyTriggerGone.name(), "the notify trigger is gone; the event store is polled");
                        break;
                    }
                }
            }
        }
        self.status.listens(false);
        self.tell(false);
    }

    fn tell(&self, told: bool) {
        self.told.store(told, Ordering::Relaxed);
        self.wake.notify_one();
    }
}

/// An engine that ends, or begins anew, listens no more.
impl Drop for Waking {
    fn drop(&mut self) {
        self.status.listens(false);
    }
}
