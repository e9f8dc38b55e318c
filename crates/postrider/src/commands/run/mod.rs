//! `postrider run`: the daemon. Wires the parts together, and ends softly on the first signal, at once on the second.

use std::{env, fs, process::ExitCode, sync::Arc, time::Duration};

use admin::{Admin, AdminOptions, Opening};
use clap::Args;
use domain::{DefinitionError, LogEvent};
use engine::{DeliveryLog, Engine, Options, Parts, Retry, Status, Traces};
use operate::{Mode, OperateError, Operator, Plan};
use store::{EventStore, State, StoreError, WorkerId, WorkerInfo};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    cli,
    commands::check::plain_keys,
    config::{Config, LogFormat, LoggedAttempts, OnExhausted, Sources},
    connect,
    context::Context,
    failure::{FAILED, usage},
    logging,
    manager::Manager,
};

/// How long answers under way are waited for once the engine has ended.
const ADMIN_GRACE: Duration = Duration::from_secs(1);

/// How often definitions are planned again because other daemons were faster.
const DEFINE_AGAIN: u32 = 10;

#[derive(Args)]
pub struct Run {
    /// Address for health, metrics, API and console, instead of admin.listen
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<String>,
    /// Instead of log.level
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Instead of log.format
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
    /// Leave the state's tables as they are; `postrider migrate` is run by somebody else
    #[arg(long)]
    no_migrate: bool,
}

impl Run {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = Config::load(&self.sources(context))?;
        logging::daemon(&config.log.level, config.log.format);
        info!(event = LogEvent::DaemonStarting.name(), version = cli::VERSION, event_store = %config.event_store.url, state = %config.state, "starting");
        let (stop, status, manager) = (CancellationToken::new(), Arc::new(Status::default()), Manager::new());
        status.starting(Some("the databases are not reached yet".to_owned()));
        let work = Box::pin(async {
            tokio::select! {
                done = self.serve(&config, context, Arc::clone(&status), &manager, stop.clone()) => done,
                never = manager.keep_told(&status, &stop) => match never {},
            }
        });
        match until_stopped(work, &stop).await? {
            Some(done) => done.map(|()| ExitCode::SUCCESS),
            None => Ok(ExitCode::from(FAILED)),
        }
    }

    fn sources(&self, context: &Context) -> Sources {
        let mut sources = context.sources.clone();
        let format = self.log_format.map(|format| match format {
            LogFormat::Auto => "auto".to_owned(),
            LogFormat::Text => "text".to_owned(),
            LogFormat::Json => "json".to_owned(),
        });
        let flags = [
            ("admin.listen", self.admin_listen.clone()),
            ("log.level", self.log_level.clone()),
            ("log.format", format),
        ];
        sources.flags.extend(flags.into_iter().filter_map(|(key, value)| Some((key, value?))));
        sources
    }

    /// The engine and what operators see of it, from before the databases are reached until the engine has ended.
    async fn serve(
        &self,
        config: &Config,
        context: &Context,
        status: Arc<Status>,
        manager: &Manager,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let Some(options) = &config.admin else { return self.work(config, context, status, manager, stop, None).await };
        let admin = Admin::bind(options, Arc::clone(&status)).await?;
        info!(event = LogEvent::AdminListening.name(), address = %admin.address()?, "health and metrics are here");
        let work = self.work(config, context, status, manager, stop.clone(), Some((options, admin.opening())));
        let ended = CancellationToken::new();
        let working = async {
            let done = work.await;
            ended.cancel();
            done
        };
        let listening = async {
            let done = tokio::select! {
                done = admin.serve(ended.clone().cancelled_owned()) => done,
                // Somebody who asks slowly does not keep a daemon from ending.
                () = async { ended.cancelled().await; sleep(ADMIN_GRACE).await } => Ok(()),
            };
            stop.cancel();
            anyhow::Ok(done?)
        };
        let (worked, listened) = tokio::join!(working, listening);
        worked.and(listened)
    }

    async fn work(
        &self,
        config: &Config,
        context: &Context,
        status: Arc<Status>,
        manager: &Manager,
        stop: CancellationToken,
        opening: Option<(&AdminOptions, Opening)>,
    ) -> anyhow::Result<()> {
        let reached = self.connected(config, context, &status, manager, &stop).await?;
        let Some((events, state)) = reached else { return Ok(()) };
        if let Some(doubt) = events.doubt() {
            warn!(event = LogEvent::EventStoreDoubtful.name(), "{doubt}");
        }
        define(config, &events, &state).await?;
        let deliverer = connect::deliverer(config)?;
        if let Some((options, opening)) = opening {
            may_be_listened_to(options, &state).await?;
            opening.open(Operator {
                state: state.clone(),
                events: events.clone(),
                deliverer: deliverer.clone(),
                files: Arc::new(config.definitions.files(&config.origin)),
                default_timeout: config.delivery.defaults.timeout,
                default_max_in_flight: config.delivery.defaults.max_in_flight,
                max_event_age: config.projection.max_event_age,
            });
        }
        status.starting(None);
        manager.started();
        let parts = Parts { events, state, deliverer, worker: worker(), info: here() };
        let traces = traces(config, &parts)?;
        let engine = Engine::new(parts, options(config), status);
        let engine = match traces {
            Some(traces) => engine.traced(traces),
            None => engine,
        };
        Ok(engine.run(stop).await?)
    }

    /// Both databases, waited for while they are away. `None` if stopped meanwhile.
    async fn connected(
        &self,
        config: &Config,
        context: &Context,
        status: &Status,
        manager: &Manager,
        stop: &CancellationToken,
    ) -> anyhow::Result<Option<(EventStore, State)>> {
        for tries in 1.. {
            let connecting = async {
                // First, so that a wrong URL leaves nothing behind.
                let events = context.events(config).await?;
                let state = connect::state(config).await?;
                if !self.no_migrate {
                    let done = state.migrate().await?;
                    if done.from != done.to {
                        info!(
                            event = LogEvent::StateMigrated.name(),
                            from = done.from,
                            to = done.to,
                            "the state was migrated"
                        );
                    }
                }
                state.check_schema().await?;
                state.check_rights().await?;
                // Before anything is begun: a signing key that does not open is nothing to wait for.
                state.definitions().await?;
                if let Some(warning) = plain_keys(&state).await? {
                    warn!(event = LogEvent::StateKeysPlain.name(), "{warning}");
                }
                anyhow::Ok((events, state))
            };
            let connected = tokio::select! {
                () = stop.cancelled() => return Ok(None),
                connected = connecting => connected,
            };
            match connected {
                Ok(connected) => return Ok(Some(connected)),
                Err(error) if error.downcast_ref::<StoreError>().is_some_and(StoreError::is_transient) => {
                    warn!(event = LogEvent::DaemonWaiting.name(), "{error:#}; this is tried again");
                    status.starting(Some(format!("{error:#}")));
                    manager.started();
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(None),
                () = sleep(Retry::default().delay(tries)) => {}
            }
        }
        Ok(None)
    }
}

/// Other machines are not listened to before there is anybody who may ask.
async fn may_be_listened_to(options: &AdminOptions, state: &State) -> anyhow::Result<()> {
    if options.listen.ip().is_loopback() {
        return Ok(());
    }
    if !state.has_tokens().await? {
        return Err(usage(format!(
            "admin.listen is {}, which other machines reach, and there is no token that anybody could show; make one with \
             `postrider token create --name NAME --role admin`, or listen on 127.0.0.1",
            options.listen
        )));
    }
    if options.tls.is_none() {
        warn!(
            event = LogEvent::AdminPlainTokens.name(),
            "tokens come over {} in the clear; set admin.tls, or have something in front of it that ends TLS",
            options.listen
        );
    }
    Ok(())
}

/// Puts what the config defines in force. Never removes anything: other daemons may have other files.
async fn define(config: &Config, events: &EventStore, state: &State) -> anyhow::Result<()> {
    if config.definitions.targets.is_empty() && config.definitions.executions.is_empty() {
        return Ok(());
    }
    let plan = carried_out(config, events, state).await?;
    for warning in &plan.warnings {
        warn!(event = LogEvent::DefinitionsWarning.name(), "{warning}");
    }
    for change in &plan.changes {
        info!(
            event = LogEvent::DefinitionsApplied.name(),
            what = change.what,
            name = change.name,
            details = change.details.join(", "),
            "{}",
            change.change
        );
    }
    tell_what_is_not_in_the_file(config, state).await
}

/// Daemons that are started together may have one file, and find one state without targets: what another has created
/// meanwhile is looked at again.
async fn carried_out(config: &Config, events: &EventStore, state: &State) -> anyhow::Result<Plan> {
    let mode = Mode { prune: false, dry_run: false, replace_keys: false };
    let files = config.definitions.files(&config.origin);
    let mut tries = 0;
    loop {
        let plan = Plan::of_file(&files, config.definitions.drafts(&config.origin)?, mode, (events, state)).await?;
        match plan.carry_out(state, &format!("file:{}", config.origin)).await {
            Ok(()) => return Ok(plan),
            Err(error) if tries < DEFINE_AGAIN && was_created_meanwhile(&error) => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

fn was_created_meanwhile(error: &OperateError) -> bool {
    matches!(error, OperateError::Unchanged(StoreError::Definition(DefinitionError::DuplicateTarget(_))))
}

/// What a file defined once stays in force without it, which should surprise nobody.
async fn tell_what_is_not_in_the_file(config: &Config, state: &State) -> anyhow::Result<()> {
    for gone in Plan::what_is_gone(&config.definitions.files(&config.origin), &state.definitions().await?) {
        warn!(
            event = LogEvent::DefinitionsNotInFile.name(),
            "the {} {} came from a file and is not in {}; it stays in force until `postrider apply --prune` with a file without it",
            gone.what,
            gone.name,
            config.origin
        );
    }
    Ok(())
}

/// Where what this daemon does is told in traces, if anywhere.
fn traces(config: &Config, parts: &Parts) -> anyhow::Result<Option<Traces>> {
    let Some(traces) = &config.traces else { return Ok(None) };
    let collector = traces.collector().map_err(usage)?;
    Ok(Some(Traces::new(collector, &parts.worker.0, &parts.info)))
}

/// What the config says, in the engine's words.
fn options(config: &Config) -> Options {
    let projection = &config.projection;
    Options {
        policy: domain::window::Policy {
            max_failure_count: projection.max_failure_count,
            on_exhausted: match projection.on_exhausted {
                OnExhausted::Park => domain::window::OnExhausted::Park,
                OnExhausted::Halt => domain::window::OnExhausted::Halt,
            },
            hold_after_parked: projection.hold_after_parked,
            max_hold: projection.max_hold,
            max_event_age: projection.max_event_age,
            max_retry_interval: projection.max_retry_interval,
        },
        retry_failed_after: projection.retry_failed_after,
        poll_interval: projection.poll_interval,
        requeue_every: projection.requeue_every,
        bulk_limit: usize::try_from(projection.bulk_limit).unwrap_or(usize::MAX),
        lookahead: usize::try_from(projection.lookahead).unwrap_or(usize::MAX),
        flush_interval: config.ledger.flush_interval,
        max_group: usize::try_from(config.ledger.max_group).unwrap_or(usize::MAX),
        lease_duration: config.lease.duration,
        shutdown_grace: config.shutdown_grace,
        delivery_log: match config.delivery.log {
            LoggedAttempts::Off => DeliveryLog::Off,
            LoggedAttempts::Failures => DeliveryLog::Failures,
            LoggedAttempts::All => DeliveryLog::All { sample: config.delivery.log_sample },
        },
        retention: store::Retention {
            parked: config.retention.parked,
            deliveries: config.retention.deliveries,
            deliveries_per_target: config.retention.deliveries_per_target,
            audit: config.retention.audit,
            removed: config.retention.removed,
        },
    }
}

/// One name for each start of a daemon.
pub fn worker() -> WorkerId {
    WorkerId(Uuid::new_v4().to_string())
}

/// This process, for operators.
pub fn here() -> WorkerInfo {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    WorkerInfo {
        host: host.or_else(|_| env::var("HOSTNAME")).unwrap_or_else(|_| "unknown".to_owned()),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Lets the work run. A first signal cancels `stop` and waits for the work's own end; at a second one the work is dropped,
/// which is `None`.
pub async fn until_stopped<T>(work: impl Future<Output = T>, stop: &CancellationToken) -> anyhow::Result<Option<T>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => return Ok(Some(done)),
        () = either(&mut interrupt, &mut terminate) => {}
    }
    info!(
        event = LogEvent::DaemonStopping.name(),
        "stopping: calls in flight are finished; a second signal stops at once"
    );
    stop.cancel();
    tokio::select! {
        done = &mut work => Ok(Some(done)),
        () = either(&mut interrupt, &mut terminate) => {
            warn!(event = LogEvent::DaemonCutShort.name(), "stopped at once; what was not committed is sent again at the next start");
            Ok(None)
        }
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
