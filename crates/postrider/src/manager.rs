//! What the service manager is told that started the daemon (systemd's `Type=notify`): that the start is over, what the daemon
//! waits for, that it still runs, that it stops.
//!
//! A start is over when both databases are reached, or when one is away and waited for: that is the daemon's work, and nobody's
//! boot should wait with it. A start that ends otherwise, with a password that is wrong for instance, has failed.
//! The watchdog hears from the daemon's own loop as long as tasks are run and the status can be read. It does not judge whether
//! anything is delivered: that is for metrics.

use std::{convert::Infallible, env, future::pending, time::Duration};

use domain::LogEvent;
use engine::{Readiness, Status};
use sd_notify::NotifyState;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How often the status is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// See the module.
pub struct Manager {
    started: watch::Sender<bool>,
}

impl Manager {
    /// Nothing was said yet.
    pub fn new() -> Self {
        Self { started: watch::Sender::new(false) }
    }

    /// The start is over.
    pub fn started(&self) {
        self.started.send_replace(true);
    }

    /// Tells the manager, if there is one, for as long as this is polled.
    pub async fn keep_told(&self, status: &Status, stop: &CancellationToken) -> Infallible {
        if env::var_os("NOTIFY_SOCKET").is_none() {
            return pending().await;
        }
        let watchdog = sd_notify::watchdog_enabled();
        let every = watchdog.map_or(LOOK_EVERY, |limit| LOOK_EVERY.min(limit / 3));
        let mut started = self.started.subscribe();
        let mut told = Told::default();
        loop {
            let stopping = stop.is_cancelled();
            let words = if stopping { "stopping: calls in flight are finished".to_owned() } else { words(status) };
            told.tell(*started.borrow_and_update(), stopping, &words, watchdog.is_some());
            tokio::select! {
                () = sleep(every) => {}
                _ = started.changed() => {}
                () = stop.cancelled(), if !stopping => {}
            }
        }
    }
}

fn words(status: &Status) -> String {
    match status.readiness() {
        Readiness::Ready => "ready".to_owned(),
        Readiness::NotReady(reason) => format!("not ready: {}", crate::output::plain(&reason)),
    }
}

/// What was said already.
#[derive(Default)]
struct Told {
    started: bool,
    stopping: bool,
    words: String,
    failed: bool,
}

impl Told {
    fn tell(&mut self, started: bool, stopping: bool, words: &str, watchdog: bool) {
        let mut news = Vec::new();
        if started && !self.started {
            news.push(NotifyState::Ready);
        }
        if stopping && !self.stopping {
            news.push(NotifyState::Stopping);
        }
        if words != self.words {
            news.push(NotifyState::Status(words));
        }
        if watchdog {
            news.push(NotifyState::Watchdog);
        }
        if news.is_empty() {
            return;
        }
        match sd_notify::notify(&news) {
            Ok(()) => (self.started, self.stopping, self.words) = (started, stopping, words.to_owned()),
            // It is said again with the next look, and complained about once.
            Err(error) if !self.failed => {
                warn!(event = LogEvent::ManagerUntold.name(), %error, "the service manager could not be told how the daemon is");
                self.failed = true;
            }
            Err(_) => {}
        }
    }
}
