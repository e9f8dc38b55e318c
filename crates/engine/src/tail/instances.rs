//! Which instances there are.

use std::time::Duration;

use tokio::time::Instant;

use super::{Tail, server::TailError};
use crate::clock;

/// How often it is asked which instances have new events. The first event of a new one waits that long: its couriers begin only
/// then, and all of it together is to be well within a second.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Where much is written the answer takes its time. It is asked for so many times as seldom as it takes, within a second.
const SELDOM: u32 = 50;
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);

impl Tail {
    /// A full sweep every `requeue_every`; between sweeps the recently active ones.
    pub(super) async fn look_for_instances(&mut self) -> Result<(), TailError> {
        // With notifications idle looks are rare: what was said since the last question is asked about in time.
        self.may_be_new |= self.woken;
        let sweep = self.swept.is_none_or(|swept| swept.elapsed() >= self.options.requeue_every);
        if !sweep && (!self.events.has_instances() || self.looked.elapsed() < self.look_every) {
            return Ok(());
        }
        let began = Instant::now();
        let found = if sweep {
            for feed in self.feeds.all() {
                feed.read_again();
            }
            self.events.instances().await?
        } else {
            let since = clock::wall() - domain::SignedDuration::from_secs(10);
            self.events.recent_instances(since).await?
        };
        self.looked = Instant::now();
        self.look_every = ((self.looked - began) * SELDOM).clamp(LOOK_EVERY, AT_LEAST_EVERY);
        self.may_be_new = false;
        if sweep {
            self.swept = Some(Instant::now());
        }
        self.instances.send_if_modified(|known| {
            let new: Vec<_> = found.into_iter().filter(|instance| !known.contains(instance)).collect();
            let any = !new.is_empty();
            known.extend(new);
            any
        });
        Ok(())
    }

    /// When to look again at the latest, if there may be a new instance that was not asked for yet.
    pub(super) fn instances_are_due_in(&self) -> Option<Duration> {
        let asks = self.may_be_new && self.events.has_instances();
        asks.then(|| self.look_every.saturating_sub(self.looked.elapsed()))
    }
}
