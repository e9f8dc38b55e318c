//! Whether the server that answers is the one that was read before, or a copy that has everything that was read.
//!
//! When the server behind the connection changes (a failover, a restored copy), nothing is read until the last row that
//! was read is found again and the store has not fallen behind the watermark: a store that lost events would otherwise
//! have its gap skipped in silence.

use domain::{EventKey, LogEvent, Position};
use store::{Identity, StoreError};
use tracing::info;

use super::Tail;

/// Why the tail cannot read on.
#[derive(Debug, thiserror::Error)]
pub(super) enum TailError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A restored or failed-over copy that lacks what was already read.
    #[error(
        "another server answers for the event store, and it ends at {head}, before {watermark} up to where events were read: it has lost events. \
         Nothing is sent until it has caught up; if they are gone for good, stop the daemon, move each cursor with \
         `postrider cursor seek NAME --to PLACE --accept-lost`, and start it again"
    )]
    FellBehind { head: Position, watermark: Position },
    /// As before, found by an event.
    #[error(
        "another server answers for the event store, and it does not have the event at {key}, which was read before: it has lost events. \
         Nothing is sent; if they are gone for good, move the cursors with `postrider cursor seek`"
    )]
    LostEvent { key: EventKey },
}

impl Tail {
    /// A page from another server than the horizon's proves nothing.
    pub(super) fn same_server(&self, identity: Option<&Identity>) -> Result<(), TailError> {
        if identity == self.identity.as_ref() {
            return Ok(());
        }
        Err(StoreError::Switched.into())
    }

    pub(super) async fn make_sure_of_the_new_server(&self, head: Position) -> Result<(), TailError> {
        if head < self.horizon.safe() {
            return Err(TailError::FellBehind { head, watermark: self.horizon.safe() });
        }
        let feeds = self.feeds.all();
        let without_feed =
            self.stood.iter().filter(|(instance, _)| feeds.iter().all(|feed| feed.instance != **instance));
        for key in without_feed.map(|(_, key)| key) {
            self.make_sure_of(key).await?;
        }
        for feed in feeds {
            self.make_sure_of(&feed.was_read_to()).await.inspect_err(|error| {
                if matches!(error, TailError::LostEvent { .. }) {
                    feed.end_is_lost();
                }
            })?;
        }
        info!(
            event = LogEvent::EventStoreServerChanged.name(),
            "the event store is served by another server now; the last events read are there, reading goes on"
        );
        Ok(())
    }

    async fn make_sure_of(&self, key: &EventKey) -> Result<(), TailError> {
        if !key.is_edge() && self.events.event(key).await?.is_none() {
            return Err(TailError::LostEvent { key: key.clone() });
        }
        Ok(())
    }
}
