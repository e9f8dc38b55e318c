//! `postrider target pause|resume NAME`.

use std::process::ExitCode;

use clap::Args;
use operate::cursors;

use super::act::{How, told};
use crate::context::Context;

#[derive(Args)]
pub struct Pause {
    /// The target's name
    name: String,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
pub struct Resume {
    /// The target's name
    name: String,
    #[command(flatten)]
    how: How,
}

impl Pause {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        set_paused(context, &self.name, true, self.how).await
    }
}

impl Resume {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        set_paused(context, &self.name, false, self.how).await
    }
}

async fn set_paused(context: &Context, name: &str, paused: bool, how: How) -> anyhow::Result<ExitCode> {
    let config = context.config()?;
    let state = context.state(&config).await?;
    let how = how.asked();
    let events = if how.dry_run { Some(context.events(&config).await?) } else { None };
    let places = (events.as_ref(), &state);
    let max_age = config.projection.max_event_age;
    told(context, &cursors::set_paused(name, paused, &how, &context.caller(), places, max_age).await?)?;
    Ok(ExitCode::SUCCESS)
}
