//! A timer that is set anew only where the time is another: most waits end long before it.

use std::{pin::Pin, time::Duration};

use tokio::time::{Instant, Sleep, sleep};

/// See the module's head.
#[derive(Default)]
pub(super) struct Alarm {
    at: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Goes off at this reading of the monotonic clock.
    pub fn at(&mut self, at: Duration, now: Duration) -> Pin<&mut Sleep> {
        let left = at.saturating_sub(now);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(left)));
        if self.at != at || sleep.is_elapsed() {
            sleep.as_mut().reset(Instant::now() + left);
            self.at = at;
        }
        sleep.as_mut()
    }
}
