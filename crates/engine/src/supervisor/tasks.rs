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

/// Starts what all couriers share, until `stop`; `mark` is what the ledger persists of the horizon. Gives how many tasks that are.
pub(super) fn start(
    tasks: &mut JoinSet<Task>,
    shared: &Arc<Shared>,
    tail: Tail,
    mark: watch::Receiver<Option<HorizonMark>>,
    stop: &CancellationToken,
) -> usize {
    let before = tasks.len();
    tasks.spawn(commit(Arc::clone(shared), mark, stop.clone()));
    tasks.spawn(read(tail, stop.clone()));
    tasks.spawn(write_attempts(Arc::clone(shared), stop.clone()));
    tasks.spawn(sweep(Arc::clone(shared), stop.clone()));
    if let Some(traces) = &shared.traces {
        tasks.spawn(send_traces(Arc::clone(traces), shared.options.shutdown_grace, stop.clone()));
    }
    tasks.len() - before
}

/// Waits for so many tasks that were asked to end. The keeper is none of them, whether it still runs or not: another daemon may
/// have ended the session meanwhile. That the ledger breaks down with its last commit is not a good end.
pub(super) async fn all_ended(tasks: &mut JoinSet<Task>, mut left: usize) -> Result<(), EngineError> {
    while left > 0
        && let Some(joined) = tasks.join_next().await
    {
        match joined {
            Ok(Task::Keeper) => {}
            Ok(_) => left -= 1,
            broken @ Err(_) => {
                Task::ended(broken)?;
            }
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn the_others_are_waited_for_also_where_the_keeper_has_ended_before_them() {
        for keeper_runs in [true, false] {
            let mut tasks = JoinSet::new();
            tasks.spawn(async move { if keeper_runs { pending().await } else { Task::Keeper } });
            tasks.spawn(async { Task::Tail });
            tasks.spawn(async {
                for _ in 0..100 {
                    yield_now().await;
                }
                Task::Ledger
            });
            all_ended(&mut tasks, 2).await.expect("nothing broke down");
            assert_eq!(tasks.len(), usize::from(keeper_runs));
        }
    }

    #[tokio::test]
    async fn a_task_that_breaks_down_while_it_ends_is_no_good_end() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async { panic!("the test wants it") });
        let ended = all_ended(&mut tasks, 1).await;
        assert!(matches!(ended, Err(EngineError::TaskEnded("task that broke down"))), "{ended:?}");
    }
}
