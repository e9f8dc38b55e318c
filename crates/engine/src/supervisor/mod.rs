//! The supervisor: joins the workers that share the targets, then owns every task of a daemon.
//!
//! No task is detached: each ends through its token, and one that ends without having been asked stops the daemon with an
//! error. Several times a second it asks whether definitions changed, an operator acted, or another daemon came or went;
//! what it finds reaches the couriers without a restart.

mod crew;
mod definitions;
mod places;
mod share;
mod spread;

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use domain::{DefinitionError, Definitions, EventKey, InstanceId, LogEvent, Router};
use store::{EventStore, HorizonMark, State, StoreError, WorkerId, WorkerInfo};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use webhook::Deliverer;

use crate::{
    Options, Retry, Status, attempts::Attempts, clock, courier, feeds::Feeds, lease::Held, ledger::Ledger,
    limit::Limits, sweeper, tail::Tail, traces::Traces, verdicts::Verdicts,
};
use crew::{Crew, Task};
use share::Share;

/// How often the state is asked whether anything changed: acts take effect within a second.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Memory for pages that couriers read for themselves, in KiB.
const OWN_PAGES_KIB: usize = 48 << 10;

/// What an engine is made of.
#[derive(Clone)]
pub struct Parts {
    /// What is read.
    pub events: EventStore,
    /// What is kept.
    pub state: State,
    /// What calls.
    pub deliverer: Deliverer,
    /// Who this daemon is.
    pub worker: WorkerId,
    /// Where it runs, for operators.
    pub info: WorkerInfo,
}

/// Why a daemon ends other than by being asked to.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The state could not be used.
    #[error("the state cannot be used")]
    State(#[from] StoreError),
    /// What is in the state makes no sense.
    #[error("the definitions in the state cannot be used")]
    Definitions(#[from] DefinitionError),
    /// A task ended that nobody had asked to.
    #[error("the {0} ended unexpectedly; this is a defect")]
    TaskEnded(&'static str),
    /// `shutdown_grace` was over before everything was finished.
    #[error(
        "not everything was finished within shutdown_grace; what was not committed is sent again at the next start"
    )]
    GraceOver,
}

/// A daemon.
pub struct Engine {
    parts: Parts,
    options: Options,
    status: Arc<Status>,
    attempts: Arc<Attempts>,
    traces: Option<Arc<Traces>>,
}

/// What the state says when a daemon begins.
struct Found {
    mark: Option<HorizonMark>,
    definitions: Definitions,
    /// Where the most advanced cursor of each instance stands.
    stood: HashMap<InstanceId, EventKey>,
}

enum Worked {
    Stopped,
    /// Another daemon found the lease run out.
    Buried,
}

impl Engine {
    /// A daemon that does nothing until it [runs](Self::run), and tells `status` how it goes.
    #[must_use]
    pub fn new(parts: Parts, options: Options, status: Arc<Status>) -> Self {
        let attempts = Arc::new(Attempts::new(options.delivery_log, Arc::clone(&status)));
        Self { parts, options, status, attempts, traces: None }
    }

    /// The same, and what it does is told in traces.
    #[must_use]
    pub fn traced(self, traces: Traces) -> Self {
        Self { traces: Some(Arc::new(traces)), ..self }
    }

    /// Runs until `stop`: then finishes the calls in flight, commits, gives its leases back.
    pub async fn run(self, stop: CancellationToken) -> Result<(), EngineError> {
        let lock = self.parts.state.lock_daemon()?;
        self.parts.state.bury_everybody(&lock).await?;
        let (status, attempts) = (Arc::clone(&self.status), Arc::clone(&self.attempts));
        let traces = self.traces.clone();
        self.parts.deliverer.observe_unawaited(move |call, answer| {
            status.called_unawaited(&call.target.id, &answer.outcome, answer.duration);
            attempts.made(call, answer);
            if let Some(traces) = &traces {
                traces.called_unawaited(call, answer);
            }
        });
        while let Some(held) = self.join(&stop).await {
            match self.work(held, &stop).await? {
                Worked::Stopped => break,
                Worked::Buried => {}
            }
        }
        Ok(())
    }

    /// Until this daemon is one of the workers; `None` when stopped.
    async fn join(&self, stop: &CancellationToken) -> Option<Held> {
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

    async fn work(&self, held: Held, stop: &CancellationToken) -> Result<Worked, EngineError> {
        let Parts { events, state, deliverer, .. } = self.parts.clone();
        let Some(Found { mark, definitions, stood }) = self.read_the_state(stop).await? else {
            return Ok(Worked::Stopped);
        };
        let router = Arc::new(ArcSwap::from_pointee(Router::build(&definitions)?));
        let share =
            Share::new(state.clone(), held.session().clone(), self.options.lease_duration, definitions.groups()?);
        self.status.leads(true);
        let feeds = Feeds::default();
        let (tail, sight) = Tail::new(
            events.clone(),
            self.options.clone(),
            feeds.clone(),
            Arc::clone(&router),
            Arc::clone(&self.status),
            mark,
            stood,
        );
        let tail = tail.traced(self.traces.clone());
        let verdicts = Arc::new(Verdicts::default());
        let ledger = Ledger::new(self.options.flush_interval, self.options.max_group, Arc::clone(&verdicts));
        let shared = Arc::new(courier::Shared {
            options: self.options.clone(),
            events,
            state,
            deliverer,
            ledger: ledger.clone(),
            verdicts,
            attempts: Arc::clone(&self.attempts),
            traces: self.traces.clone(),
            limits: Limits::default(),
            held: held.clone(),
            router,
            status: Arc::clone(&self.status),
            memory: Arc::new(Semaphore::new(OWN_PAGES_KIB)),
            crowd: courier::Crowd::default(),
        });

        let (couriers_stop, rest_stop) = (CancellationToken::new(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        {
            let (stop, mark) = (rest_stop.clone(), sight.mark.clone());
            let shared = Arc::clone(&shared);
            tasks.spawn(async move {
                shared.ledger.commit_groups(&shared.state, mark, &shared.status, &stop).await;
                Task::Ledger
            });
            let stop = rest_stop.clone();
            tasks.spawn(async move {
                tail.run(&stop).await;
                Task::Tail
            });
        }
        tasks.spawn(write_attempts(Arc::clone(&shared), rest_stop.clone()));
        tasks.spawn(sweep(Arc::clone(&shared), rest_stop.clone()));
        if let Some(traces) = &self.traces {
            tasks.spawn(send_traces(Arc::clone(traces), self.options.shutdown_grace, rest_stop.clone()));
        }
        let keeper_stop = CancellationToken::new();
        let keeper = keep(held.clone(), Arc::clone(&shared), keeper_stop.clone());
        tasks.spawn(keeper);

        let mut crew = Crew::new(shared, feeds, sight, couriers_stop, definitions, share);
        let worked = self.supervise(&mut crew, &mut tasks, stop).await?;
        if let Worked::Buried = worked {
            // Whatever is under way belongs to others now: their epochs fence these couriers anyway.
            tasks.shutdown().await;
            self.status.leads(false);
            self.status.leases_changed();
            return Ok(worked);
        }
        let finish = async {
            crew.finish(&mut tasks).await?;
            rest_stop.cancel();
            while tasks.len() > 1 {
                let _ = tasks.join_next().await;
            }
            Ok::<_, EngineError>(())
        };
        let grace_over = Instant::now() + self.options.shutdown_grace;
        let finished = timeout_at(grace_over, finish).await;
        keeper_stop.cancel();
        let Ok(finished) = finished else {
            tasks.shutdown().await;
            return Err(EngineError::GraceOver);
        };
        finished?;
        tasks.shutdown().await;
        self.status.leads(false);
        self.leave(&held, grace_over).await;
        info!(event = LogEvent::DaemonStopped.name(), "stopped: everything that was settled is committed");
        Ok(worked)
    }

    /// Gives back what is leased, if the state takes it in time.
    async fn leave(&self, held: &Held, grace_over: Instant) {
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

    /// What a daemon needs to know before it begins, as soon as the state can be read.
    async fn read_the_state(&self, stop: &CancellationToken) -> Result<Option<Found>, EngineError> {
        for tries in 1.. {
            let read = async {
                let mark = self.parts.state.horizon().await?.map(|(mark, _)| mark);
                let stood = crew::furthest(self.parts.state.cursors().await?);
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

    async fn supervise(
        &self,
        crew: &mut Crew,
        tasks: &mut JoinSet<Task>,
        stop: &CancellationToken,
    ) -> Result<Worked, EngineError> {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked = self.status.looks.looker();
        let mut away = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(Worked::Stopped),
                Some(ended) = tasks.join_next() => match ended {
                    Ok(Task::Keeper) => return Ok(Worked::Buried),
                    Ok(Task::Courier(place)) => {
                        if !crew.left(&place) {
                            continue;
                        }
                    }
                    Ok(Task::Tail) => return Err(EngineError::TaskEnded("tail")),
                    Ok(Task::Ledger) => return Err(EngineError::TaskEnded("ledger")),
                    Ok(Task::Attempts) => return Err(EngineError::TaskEnded("log of attempts")),
                    Ok(Task::Traces) => return Err(EngineError::TaskEnded("sender of traces")),
                    Ok(Task::Sweeper) => return Err(EngineError::TaskEnded("sweeper")),
                    Err(panic) => {
                        error!(event = LogEvent::TaskBroken.name(), %panic, "a task broke down");
                        return Err(EngineError::TaskEnded("task that broke down"));
                    }
                },
                _ = look.tick() => {}
                () = asked.asked() => {}
                () = crew.new_instances() => {}
            }
            asked.begins();
            let looked = tokio::select! {
                () = stop.cancelled() => return Ok(Worked::Stopped),
                looked = crew.look(tasks) => looked,
            };
            match looked {
                Ok(()) => {
                    asked.done();
                    if std::mem::take(&mut away) {
                        self.status.state_readable();
                        info!(event = LogEvent::StateReadable.name(), "the state can be read again");
                    }
                }
                Err(error) => {
                    self.status.state_failed(&error);
                    if !std::mem::replace(&mut away, true) {
                        warn!(
                            event = LogEvent::StateUnreadable.name(),
                            error = &error as &dyn std::error::Error,
                            "the state cannot be read; couriers go on with what they know"
                        );
                    }
                    sleep(LOOK_EVERY).await;
                }
            }
        }
    }
}

async fn keep(held: Held, shared: Arc<courier::Shared>, stop: CancellationToken) -> Task {
    held.keep(&shared.state, shared.options.lease_duration, &stop).await;
    Task::Keeper
}

/// The last attempts are given as long as the last commit usually needs, and never the whole grace.
async fn write_attempts(shared: Arc<courier::Shared>, stop: CancellationToken) -> Task {
    let last = (shared.options.shutdown_grace / 2).min(Duration::from_secs(5));
    shared.attempts.write(&shared.state, last, &stop).await;
    Task::Attempts
}

/// Traces that a collector does not take in time keep nobody from ending.
async fn send_traces(traces: Arc<Traces>, grace: Duration, stop: CancellationToken) -> Task {
    traces.send((grace / 2).min(Duration::from_secs(2)), &stop).await;
    Task::Traces
}

async fn sweep(shared: Arc<courier::Shared>, stop: CancellationToken) -> Task {
    sweeper::run(&shared.state, &shared.options.retention, &shared.status, &stop).await;
    Task::Sweeper
}
