//! `postrider healthcheck`: asks the daemon beside it how it is.
//!
//! For containers and supervisors: a daemon of the same config, on this machine, over admin.listen. It needs no token, and no database.

use std::{process::ExitCode, time::Duration};

use admin::Health;
use anyhow::bail;
use clap::Args;
use serde::Serialize;
use tokio::time::timeout;

use crate::{
    config::Config,
    context::Context,
    failure::{FAILED, usage},
};

#[derive(Args)]
pub struct Healthcheck {
    /// Ask only whether the process runs, whatever becomes of its databases
    #[arg(long)]
    live: bool,
    /// Where the daemon listens, if it was given this too
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<String>,
    /// How long an answer is waited for
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

#[derive(Serialize)]
struct Verdict {
    healthy: bool,
    says: String,
}

impl Healthcheck {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let mut sources = context.sources.clone();
        sources.flags.extend(self.admin_listen.map(|address| ("admin.listen", address)));
        let config = Config::load(&sources)?;
        let Some(options) = config.admin.filter(|options| options.listen.port() != 0) else {
            return Err(usage("there is nothing to ask: admin.listen names no address that is known beforehand"));
        };
        let asked = if self.live { Health::Alive } else { Health::Ready };
        let Ok(said) = timeout(self.timeout, admin::health(&options, asked)).await else {
            bail!("there was no answer within {}", humantime::format_duration(self.timeout));
        };
        let said = said?;
        context.output.tell(&Verdict { healthy: said.yes, says: said.words.clone() }, &said.words)?;
        Ok(if said.yes { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }
}
