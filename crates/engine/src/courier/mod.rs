//! A courier: serves one target on one instance.
//!
//! It claims the cursor (which raises the epoch and so fences off whoever had it), then walks: rows from its [`reader`]
//! into the window, calls as the window says, settlements to the ledger. When its epoch turns out to be another's it
//! begins again from the row. It stops between calls, after the one in flight, and only once what it settled is
//! committed.

mod alarm;
mod calls;
mod crowd;
mod filling;
mod gates;
mod reader;
mod signals;
mod walk;

use std::sync::Arc;

use arc_swap::ArcSwap;
use domain::{InstanceId, LogEvent, Router, Target};
use store::{Claim, EventStore, State};
use tokio::{
    sync::{Semaphore, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use webhook::Deliverer;

use crate::{
    Options, Retry, Status,
    attempts::Attempts,
    claims::Claims,
    feed::{Feed, SettingOut},
    figures::Figures,
    lease::Held,
    ledger::Ledger,
    limit::Limits,
    tail::Safe,
    traces::Traces,
    turns::Turns,
    verdicts::Verdicts,
};
pub(crate) use crowd::Crowd;
use walk::{Ended, Walk};

/// What all couriers of a daemon share.
pub(crate) struct Shared {
    pub options: Options,
    pub events: EventStore,
    pub state: State,
    pub claims: Claims,
    pub deliverer: Deliverer,
    pub ledger: Ledger,
    pub verdicts: Arc<Verdicts>,
    pub attempts: Arc<Attempts>,
    /// Only where the operator asked for them.
    pub traces: Option<Arc<Traces>>,
    pub limits: Limits,
    pub turns: Turns,
    pub held: Held,
    pub router: Arc<ArcSwap<Router>>,
    pub status: Arc<Status>,
    /// Memory for pages that couriers read for themselves, in KiB.
    pub memory: Arc<Semaphore>,
    /// How many couriers share the memory for events that they have taken in.
    pub crowd: Crowd,
}

/// See the module's head.
pub(crate) struct Courier {
    pub shared: Arc<Shared>,
    pub target: watch::Receiver<Arc<Target>>,
    pub instance: InstanceId,
    pub feed: Arc<Feed>,
    /// Until it reads for the first time.
    pub sets_out: Option<SettingOut>,
    pub safe: watch::Receiver<Safe>,
    /// Changes when an operator may have asked for failed events of this cursor again.
    pub nudged: watch::Receiver<u64>,
    pub stop: CancellationToken,
    pub figures: Arc<Figures>,
}

impl Courier {
    /// Serves until it is stopped, or until the lease is another's.
    pub async fn run(mut self) {
        let name = self.target.borrow().name.clone();
        while let Some(claim) = self.claim().await {
            match Walk::new(&mut self, claim).run().await {
                Ended::Stopped => break,
                Ended::Reordered => {
                    info!(event = LogEvent::CourierReordered.name(), target = %name, instance = %self.instance, "the target has another ordering: beginning again with it");
                }
                Ended::Fenced => {
                    info!(event = LogEvent::CourierFenced.name(), target = %name, instance = %self.instance, "the cursor was moved by another hand: beginning again from there");
                }
            }
        }
        info!(event = LogEvent::CourierStopped.name(), target = %name, instance = %self.instance, "the courier is back");
        self.shared.status.left(&self.target.borrow().id, &self.instance);
    }

    /// Makes the cursor this courier's own; `None` when stopped. While the lease does not run there is nothing to be had:
    /// it is renewed, or its loss ends everything here.
    async fn claim(&mut self) -> Option<Claim> {
        let retry = Retry::default();
        let target = self.target.borrow().id.clone();
        for tries in 1.. {
            if self.stop.is_cancelled() {
                return None;
            }
            let claimed = tokio::select! {
                () = self.stop.cancelled() => return None,
                claimed = self.shared.claims.claim(self.shared.held.session(), &target, &self.instance) => claimed,
            };
            match claimed {
                Ok(Some(claim)) => return Some(claim),
                Err(error) if tries == 1 => {
                    warn!(event = LogEvent::CourierClaimFailed.name(), error = &error as &dyn std::error::Error, target = %target, "the cursor cannot be claimed yet; this is tried again");
                }
                Ok(None) | Err(_) => {}
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = sleep(retry.delay(tries)) => {}
            }
        }
        None
    }
}
