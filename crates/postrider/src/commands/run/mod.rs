//! `postrider run`: the daemon. Wires the parts together, and ends softly on the first signal, at once on the second.

mod define;
mod options;
mod start;

use std::{process::ExitCode, sync::Arc};

use clap::Args;
use domain::LogEvent;
use engine::Status;
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::start::Start;
use crate::{
    cli,
    config::{Config, LogFormat, Sources},
    context::Context,
    failure::FAILED,
    logging,
    manager::Manager,
    signals::until_stopped,
};

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
            let start = Start {
                config: &config,
                context,
                migrates: !self.no_migrate,
                status: Arc::clone(&status),
                manager: &manager,
                stop: stop.clone(),
            };
            tokio::select! {
                done = start.serve() => done,
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
}
