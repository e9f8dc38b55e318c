//! The supervisor: joins the workers that share the targets, then owns every task of a daemon.
//!
//! No task is detached: each ends through its token, and one that ends without having been asked stops the daemon with an
//! error. Several times a second it asks whether definitions changed, an operator acted, or another daemon came or went;
//! what it finds reaches the couriers without a restart.
//!
//! The parts: [`joining`] is how a daemon begins and leaves; [`tasks`] are what it runs; [`crew`] has the couriers that its
//! [`share`] of the targets asks for.

mod begins;
mod crew;
mod definitions;
mod joining;
mod places;
mod share;
mod spread;
mod tasks;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use domain::{DefinitionError, LogEvent, Router};
use store::{EventStore, State, StoreError, WorkerId, WorkerInfo};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use webhook::Deliverer;

use crate::{
    Options, Status, attempts::Attempts, claims::Claims, courier, feeds::Feeds, lease::Held, ledger::Ledger,
    limit::Limits, tail::Tail, traces::Traces, turns::Turns, verdicts::Verdicts,
};
use crew::Crew;
use joining::Found;
use share::Share;
use tasks::{Ended, Task};

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

    async fn work(&self, held: Held, stop: &CancellationToken) -> Result<Worked, EngineError> {
        let Parts { events, state, deliverer, .. } = self.parts.clone();
        let Some(Found { mark, definitions, stood }) = self.read_the_state(stop).await? else {
            return Ok(Worked::Stopped);
        };
        let router = Arc::new(ArcSwap::from_pointee(Router::build(&definitions)?));
        let share =
            Share::new(state.clone(), held.session().clone(), self.options.lease_duration, definitions.groups()?);
        self.status.leads(true);
        let turns = Turns::of_this_machine();
        let feeds = Feeds::new(turns.clone());
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
            claims: Claims::new(state.clone()),
            state,
            deliverer,
            ledger,
            verdicts,
            attempts: Arc::clone(&self.attempts),
            traces: self.traces.clone(),
            limits: Limits::default(),
            turns,
            held: held.clone(),
            router,
            status: Arc::clone(&self.status),
            memory: Arc::new(Semaphore::new(OWN_PAGES_KIB)),
            crowd: courier::Crowd::default(),
        });

        let (rest_stop, keeper_stop) = (CancellationToken::new(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        let rest = tasks::start(&mut tasks, &shared, tail, sight.mark.clone(), &rest_stop);
        tasks.spawn(tasks::keep(Arc::clone(&shared), keeper_stop.clone()));

        let mut crew = Crew::new(shared, feeds, sight, definitions, share);
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
            tasks::all_ended(&mut tasks, rest).await
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
                Some(joined) = tasks.join_next() => match Task::ended(joined)? {
                    Ended::Keeper => return Ok(Worked::Buried),
                    Ended::Courier(place) => {
                        if !crew.left(&place) {
                            continue;
                        }
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
