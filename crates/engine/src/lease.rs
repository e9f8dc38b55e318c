//! The lease: until when this daemon may send, by a clock that a frozen process cannot fool.
//!
//! All targets that a daemon has leased are held by one session, which is renewed for all of them at once; which they are
//! is the business of `supervisor::share`. The database's clock judges whether the session has expired. This side counts
//! on `CLOCK_BOOTTIME` from *before* a renewal was asked for, so that it believes in its lease for no longer than the
//! database does: a process that was frozen finds its lease over before it sends anything.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::LogEvent;
use store::{Session, State};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock;

/// This daemon's hold on the targets; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    session: Session,
    /// `CLOCK_BOOTTIME` in milliseconds.
    until: Arc<AtomicU64>,
    renewed: Arc<Notify>,
}

impl Held {
    /// A session that was asked for at `asked` (`CLOCK_BOOTTIME`) and granted for `duration`.
    pub fn granted(session: Session, asked: Duration, duration: Duration) -> Self {
        let held = Self { session, until: Arc::default(), renewed: Arc::default() };
        held.extend(asked, duration);
        held
    }

    /// What the database knows it by.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Whether something may be sent now.
    pub fn runs(&self) -> bool {
        millis(clock::boottime()) < self.until.load(Ordering::Acquire)
    }

    /// Waits for the lease to run, which it does already unless the database is away.
    pub async fn wait_until_it_runs(&self) {
        while !self.runs() {
            let renewed = self.renewed.notified();
            if self.runs() {
                return;
            }
            renewed.await;
        }
    }

    /// Renews the lease until `stop`; returns early only when another daemon has ended it.
    pub async fn keep(&self, state: &State, duration: Duration, stop: &CancellationToken) {
        let pause = duration / 4;
        let mut away = false;
        // The first renewal at once: reading the state may have taken most of the lease.
        let mut next = Duration::ZERO;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(next) => next = pause,
            }
            let asked = clock::boottime();
            match tokio::time::timeout(duration, state.renew(&self.session, duration)).await {
                Ok(Ok(true)) => {
                    self.extend(asked, duration);
                    if std::mem::take(&mut away) {
                        info!(event = LogEvent::LeaseRenewed.name(), "the lease is renewed again");
                    }
                }
                Ok(Ok(false)) => {
                    warn!(
                        event = LogEvent::LeaseLost.name(),
                        "this daemon was taken for dead, and its targets for free: it stops sending and joins anew"
                    );
                    return;
                }
                Ok(Err(error)) if !away => {
                    away = true;
                    warn!(
                        event = LogEvent::LeaseRenewalFailed.name(),
                        error = &error as &dyn std::error::Error,
                        "the lease cannot be renewed; sending stops when it runs out"
                    );
                }
                Err(_) if !away => {
                    away = true;
                    warn!(
                        event = LogEvent::LeaseRenewalFailed.name(),
                        "renewing the lease takes too long; sending stops when it runs out"
                    );
                }
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    fn extend(&self, asked: Duration, duration: Duration) {
        // A tenth less than the database gives, for the call that is just being made.
        self.until.store(millis(asked + duration * 9 / 10), Ordering::Release);
        self.renewed.notify_waiters();
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
