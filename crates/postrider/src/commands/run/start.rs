//! From a config to an engine that runs: the databases reached, definitions in force, the admin port open.

use std::{sync::Arc, time::Duration};

use admin::{Admin, AdminOptions, Opening};
use domain::LogEvent;
use engine::{Engine, Parts, Retry, Status};
use operate::Operator;
use store::{EventStore, State, StoreError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    define::define,
    options::{options, traces},
};
use crate::{
    commands::check::plain_keys, config::Config, connect, context::Context, failure::usage, manager::Manager, worker,
};

/// How long answers under way are waited for once the engine has ended.
const ADMIN_GRACE: Duration = Duration::from_secs(1);

/// What every part of a start has at hand.
pub(super) struct Start<'a> {
    pub config: &'a Config,
    pub context: &'a Context,
    /// Whether the state's tables are brought up to date.
    pub migrates: bool,
    pub status: Arc<Status>,
    pub manager: &'a Manager,
    /// Ends everything softly.
    pub stop: CancellationToken,
}

impl Start<'_> {
    /// The engine and what operators see of it, from before the databases are reached until the engine has ended.
    pub(super) async fn serve(&self) -> anyhow::Result<()> {
        let Some(options) = &self.config.admin else { return self.work(None).await };
        let admin = Admin::bind(options, Arc::clone(&self.status)).await?;
        info!(event = LogEvent::AdminListening.name(), address = %admin.address()?, "health and metrics are here");
        let work = self.work(Some((options, admin.opening())));
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
            self.stop.cancel();
            anyhow::Ok(done?)
        };
        let (worked, listened) = tokio::join!(working, listening);
        worked.and(listened)
    }

    async fn work(&self, opening: Option<(&AdminOptions, Opening)>) -> anyhow::Result<()> {
        let Some((events, state)) = self.connected().await? else { return Ok(()) };
        let config = self.config;
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
        self.status.starting(Some("the workers are not joined yet".to_owned()));
        self.manager.started();
        let parts = Parts { events, state, deliverer, worker: worker::id(), info: worker::here() };
        let traces = traces(config, &parts)?;
        let engine = Engine::new(parts, options(config), Arc::clone(&self.status));
        let engine = match traces {
            Some(traces) => engine.traced(traces),
            None => engine,
        };
        Ok(engine.run(self.stop.clone()).await?)
    }

    /// Both databases, waited for while they are away. `None` if stopped meanwhile.
    async fn connected(&self) -> anyhow::Result<Option<(EventStore, State)>> {
        for tries in 1.. {
            let connected = tokio::select! {
                () = self.stop.cancelled() => return Ok(None),
                connected = self.connect() => connected,
            };
            match connected {
                Ok(connected) => return Ok(Some(connected)),
                Err(error) if error.downcast_ref::<StoreError>().is_some_and(StoreError::is_transient) => {
                    warn!(event = LogEvent::DaemonWaiting.name(), "{error:#}; this is tried again");
                    self.status.starting(Some(format!("{error:#}")));
                    self.manager.started();
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = self.stop.cancelled() => return Ok(None),
                () = sleep(Retry::default().delay(tries)) => {}
            }
        }
        Ok(None)
    }

    /// Both databases, in a state that can be worked with.
    async fn connect(&self) -> anyhow::Result<(EventStore, State)> {
        // First, so that a wrong URL leaves nothing behind.
        let events = self.context.events(self.config).await?;
        let state = connect::state(self.config).await?;
        if self.migrates {
            let done = state.migrate().await?;
            if done.from != done.to {
                info!(event = LogEvent::StateMigrated.name(), from = done.from, to = done.to, "the state was migrated");
            }
        }
        state.check_schema().await?;
        state.check_rights().await?;
        // Before anything is begun: a signing key that does not open is nothing to wait for.
        state.definitions().await?;
        if let Some(warning) = plain_keys(&state).await? {
            warn!(event = LogEvent::StateKeysPlain.name(), "{warning}");
        }
        Ok((events, state))
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
