//! Up to where it is safe to read: taking the horizon, and telling who holds it.

use std::time::Duration;

use domain::{HorizonReading, InstanceId, LogEvent, Position, Writer};
use store::{HorizonMark, Identity};
use tokio::{sync::watch, time::Instant};
use tracing::{info, warn};

use super::{Tail, server::TailError};
use crate::clock;

/// A writer that holds the horizon for longer is worth a line in the log.
const LONG_HELD: Duration = Duration::from_secs(5);

/// Up to where it is safe to read, and from which server: a page from another one proves nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Safe {
    pub position: Position,
    pub identity: Option<Identity>,
}

/// What the tail lets others see.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    /// Up to where it is safe to read.
    pub safe: watch::Receiver<Safe>,
    /// What the ledger persists of it.
    pub mark: watch::Receiver<Option<HorizonMark>>,
    /// The instances that have events.
    pub instances: watch::Receiver<Vec<InstanceId>>,
}

impl Tail {
    pub(super) async fn take_the_horizon(&mut self) -> Result<(), TailError> {
        let probe = self.events.probe().await?;
        if self.identity.is_some() && self.identity != probe.identity {
            self.make_sure_of_the_new_server(probe.head).await?;
        }
        if probe.head < self.head {
            warn!(event = LogEvent::EventStoreWentBack.name(),
                from = %self.head, to = %probe.head,
                "the event store's end went back, as a clock that is set back does; events stamped before the horizon would not be seen"
            );
        }
        self.head = probe.head;
        let HorizonReading { safe, head, holder } = self.horizon.advance(probe.head, &probe.writers);
        self.identity = probe.identity;
        self.probed = Some(Instant::now());
        self.held_back = safe < head;
        let held_for = self.tell_who_holds(holder.as_ref());
        self.status.horizon(safe, head, holder.as_ref().map(|holder| (holder, held_for)), clock::wall());
        let seen = Safe { position: safe, identity: self.identity.clone() };
        self.safe.send_if_modified(|known| {
            *known != seen && {
                known.clone_from(&seen);
                true
            }
        });
        let mark = HorizonMark { watermark: safe, identity: self.identity.clone() };
        self.mark.send_replace(Some(mark));
        Ok(())
    }

    /// A writer that holds the horizon for long is named once, and so is the end of it. Returns for how long this daemon has
    /// seen this one hold it: where somebody always writes there is always a holder, and that is nobody's fault.
    fn tell_who_holds(&mut self, holder: Option<&Writer>) -> Duration {
        if self.holder.as_ref().is_some_and(|(known, ..)| holder.is_none_or(|holder| holder.vxid != *known))
            && let Some((_, since, true)) = self.holder.take()
        {
            info!(event = LogEvent::HorizonReleased.name(), held_for = ?since.elapsed(), "the transaction that held the horizon has ended");
        }
        let Some(holder) = holder else { return Duration::ZERO };
        let (_, since, told) = self.holder.get_or_insert_with(|| (holder.vxid.clone(), Instant::now(), false));
        if !*told && since.elapsed() >= LONG_HELD {
            *told = true;
            warn!(
                event = LogEvent::HorizonHeld.name(),
                pid = holder.pid,
                role = holder.role,
                application = holder.application,
                state = holder.state,
                open_since = holder.since.map(tracing::field::display),
                "an open transaction may still write events: nothing behind it is sent until it ends"
            );
        }
        since.elapsed()
    }
}
