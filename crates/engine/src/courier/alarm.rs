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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[tokio::test]
    async fn it_goes_off_each_time_it_is_set() {
        const SOON: Duration = Duration::from_millis(20);
        let mut alarm = Alarm::default();
        for wait in [SOON, SOON, Duration::ZERO, SOON] {
            let now = clock::boottime();
            alarm.at(now + wait, now).await;
            assert!(clock::boottime() >= now + wait);
        }
    }

    #[tokio::test]
    async fn it_can_be_set_nearer() {
        let mut alarm = Alarm::default();
        let now = clock::boottime();
        assert!(!alarm.at(now + Duration::from_hours(1), now).is_elapsed());
        let soon = alarm.at(now + Duration::from_millis(10), now);
        tokio::time::timeout(Duration::from_secs(10), soon).await.expect("it does not wait for the hour");
    }
}
