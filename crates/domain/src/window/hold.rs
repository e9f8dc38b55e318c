//! A hold: the endpoint is in trouble, nothing is counted, and one call at a time probes it.

use std::time::Duration;

/// See the module's head.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    since: Duration,
    probes: u32,
    until: Duration,
    reason: String,
    /// The last call that was made before the endpoint was known to be in trouble: it and those before it are no probes.
    last_call: u64,
}

impl Hold {
    pub fn begin(now: Duration, last_call: u64) -> Self {
        Self { since: now, probes: 0, until: now, reason: String::new(), last_call }
    }

    /// Another probe found the trouble still there.
    pub fn goes_on(
        &mut self,
        reason: &str,
        retry_after: Option<Duration>,
        now: Duration,
        delay: impl FnOnce(u32) -> Duration,
    ) {
        self.probes += 1;
        self.until = now + delay(self.probes).max(retry_after.unwrap_or_default());
        reason.clone_into(&mut self.reason);
    }

    /// A call that was under way when the trouble began met it too.
    pub fn was_met(&mut self, retry_after: Option<Duration>, now: Duration) {
        self.until = self.until.max(now + retry_after.unwrap_or_default());
    }

    pub fn is_probe(&self, call: u64) -> bool {
        call > self.last_call
    }

    pub fn lasts(&self, now: Duration) -> Duration {
        now.saturating_sub(self.since)
    }

    pub fn until(&self) -> Duration {
        self.until
    }

    pub fn reason(&self) -> &str {
        &self.reason
    }

    pub fn end_the_wait(&mut self, now: Duration) {
        self.until = now;
    }
}
