//! The tasks of a daemon: what each of them does (`crew` has the couriers), and what it means that one has ended.
//!
//! Couriers come and go, and the keeper of the lease ends when another daemon has ended the session. All others end through
//! their token only: before that, their end is a defect.

use std::{sync::Arc, time::Duration};

use domain::LogEvent;
use store::HorizonMark;
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{EngineError, places::Place};
use crate::{courier::Shared, sweeper, tail::Tail, traces::Traces};

/// A task of the daemon, by what it was when it ended.
pub(super) enum Task {
    Courier(Place),
    Tail,
    Ledger,
    Attempts,
    Sweeper,
    Traces,
    Keeper,
}

/// What may end unasked.
pub(super) enum Ended {
    Courier(Place),
    /// Another daemon has ended the session.
    Keeper,
}

impl Task {
    /// What its end means, while it was not asked to.
    pub fn ended(joined: Result<Self, JoinError>) -> Result<Ended, EngineError> {
        let what = match joined {
            Ok(Self::Courier(place)) => return Ok(Ended::Courier(place)),
            Ok(Self::Keeper) => return Ok(Ended::Keeper),
            Ok(Self::Tail) => "tail",
            Ok(Self::Ledger) => "ledger",
            Ok(Self::Attempts) => "log of attempts",
            Ok(Self::Traces) => "sender of traces",
            Ok(Self::Sweeper) => "sweeper",
            Err(panic) => {
                error!(event = LogEvent::TaskBroken.name(), %panic, "a task broke down");
                "task that broke down"
            }
        };
        Err(EngineError::TaskEnded(what))
    }
}

/// Starts what all couriers share, until `stop`; `mark` is what the ledger persists of the horizon.
pub(super) fn start(
    tasks: &mut JoinSet<Task>,
    shared: &Arc<Shared>,
    tail: Tail,
    mark: watch::Receiver<Option<HorizonMark>>,
    stop: &CancellationToken,
) {
    tasks.spawn(commit(Arc::clone(shared), mark, stop.clone()));
    tasks.spawn(read(tail, stop.clone()));
    tasks.spawn(write_attempts(Arc::clone(shared), stop.clone()));
    tasks.spawn(sweep(Arc::clone(shared), stop.clone()));
    if let Some(traces) = &shared.traces {
        tasks.spawn(send_traces(Arc::clone(traces), shared.options.shutdown_grace, stop.clone()));
    }
}

/// Keeps the lease until `stop`.
pub(super) async fn keep(shared: Arc<Shared>, stop: CancellationToken) -> Task {
    shared.held.keep(&shared.state, shared.options.lease_duration, &stop).await;
    Task::Keeper
}

async fn commit(shared: Arc<Shared>, mark: watch::Receiver<Option<HorizonMark>>, stop: CancellationToken) -> Task {
    shared.ledger.commit_groups(&shared.state, mark, &shared.status, &stop).await;
    Task::Ledger
}

async fn read(tail: Tail, stop: CancellationToken) -> Task {
    tail.run(&stop).await;
    Task::Tail
}

/// The last attempts are given as long as the last commit usually needs, and never the whole grace.
async fn write_attempts(shared: Arc<Shared>, stop: CancellationToken) -> Task {
    let last = (shared.options.shutdown_grace / 2).min(Duration::from_secs(5));
    shared.attempts.write(&shared.state, last, &stop).await;
    Task::Attempts
}

/// Traces that a collector does not take in time keep nobody from ending.
async fn send_traces(traces: Arc<Traces>, grace: Duration, stop: CancellationToken) -> Task {
    traces.send((grace / 2).min(Duration::from_secs(2)), &stop).await;
    Task::Traces
}

async fn sweep(shared: Arc<Shared>, stop: CancellationToken) -> Task {
    sweeper::run(&shared.state, &shared.options.retention, &shared.status, &stop).await;
    Task::Sweeper
}
