//! Which instances there are.

use tokio::time::Instant;

use super::{MAX_PROBE, Tail, server::TailError};
use crate::clock;

impl Tail {
    /// A full sweep every `requeue_every`; between sweeps the recently active ones.
    pub(super) async fn look_for_instances(&mut self) -> Result<(), TailError> {
        let sweep = self.swept.is_none_or(|swept| swept.elapsed() >= self.options.requeue_every);
        if !sweep && (!self.events.has_instances() || self.looked.elapsed() < MAX_PROBE) {
            return Ok(());
        }
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
}
