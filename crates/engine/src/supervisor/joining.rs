//! How a daemon begins and leaves: it joins the workers and reads what it must know first, and at the end gives its leases back.
//!
//! A database that is away is asked again and again. Once the daemon is to stop it is given no more than the grace.

use std::collections::HashMap;

use domain::{Definitions, EventKey, InstanceId, LogEvent};
use store::{HorizonMark, StoreError};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Engine, EngineError, begins, definitions};
use crate::{Retry, clock, lease::Held};

/// What the state says when a daemon begins.
pub(super) struct Found {
    pub mark: Option<HorizonMark>,
    pub definitions: Definitions,
    /// Where the most advanced cursor of each instance stands.
    pub stood: HashMap<InstanceId, EventKey>,
}

impl Engine {
    /// Until this daemon is one of the workers; `None` when stopped.
    pub(super) async fn join(&self, stop: &CancellationToken) -> Option<Held> {
        let duration = self.options.lease_duration;
        let mut tries = 0;
        while !stop.is_cancelled() {
            let asked = clock::boottime();
            let join = self.parts.state.join(&self.parts.worker, duration, &self.parts.info);
            let pause = match self.within_grace(stop, join).await? {
                Ok(session) => {
                    info!(event = LogEvent::WorkerJoined.name(), worker = %session.worker, epoch = session.epoch, "this daemon has joined");
                    return Some(Held::granted(session, asked, duration));
                }
                Err(error) => {
                    tries += 1;
                    self.status.state_failed(&error);
                    if tries == 1 {
                        warn!(
                            event = LogEvent::WorkerJoinFailed.name(),
                            error = &error as &dyn std::error::Error,
                            "the workers cannot be joined; this is tried again"
                        );
                    }
                    Retry::default().delay(tries)
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(pause) => {}
            }
        }
        None
    }

    /// What a daemon needs to know before it begins, as soon as the state can be read.
    pub(super) async fn read_the_state(&self, stop: &CancellationToken) -> Result<Option<Found>, EngineError> {
        for tries in 1.. {
            let read = async {
                let mark = self.parts.state.horizon().await?.map(|(mark, _)| mark);
                let stood = begins::furthest(self.parts.state.cursors().await?);
                let definitions = definitions::read(&self.parts.state, &self.parts.worker).await?;
                Ok::<_, StoreError>(Found { mark, definitions, stood })
            };
            let Some(read) = self.within_grace(stop, read).await else { return Ok(None) };
            match read {
                Ok(read) => return Ok(Some(read)),
                Err(error) if !error.is_transient() => return Err(error.into()),
                Err(error) => {
                    self.status.state_failed(&error);
                    warn!(
                        event = LogEvent::StateUnreadable.name(),
                        error = &error as &dyn std::error::Error,
                        "the state cannot be read; this is tried again"
                    );
                }
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(None),
                () = sleep(Retry::default().delay(tries)) => {}
            }
        }
        Ok(None)
    }

    /// Gives back what is leased, if the state takes it in time.
    pub(super) async fn leave(&self, held: &Held, grace_over: Instant) {
        match timeout_at(grace_over, self.parts.state.leave(held.session())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                warn!(
                    event = LogEvent::LeaseGiveBackFailed.name(),
                    error = &error as &dyn std::error::Error,
                    "the leases could not be given back; they run out by themselves"
                );
            }
            Err(_) => warn!(
                event = LogEvent::LeaseGiveBackFailed.name(),
                "the leases could not be given back within shutdown_grace; they run out by themselves"
            ),
        }
    }

    /// The answer of a database; `None` when it has none yet and the daemon must not take longer to stop.
    async fn within_grace<T>(&self, stop: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
        let over = async {
            stop.cancelled().await;
            sleep(self.options.shutdown_grace).await;
        };
        tokio::select! {
            done = work => Some(done),
            () = over => None,
        }
    }
}
