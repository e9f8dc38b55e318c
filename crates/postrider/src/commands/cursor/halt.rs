//! `postrider cursor halt|unhalt NAME`.

use std::process::ExitCode;

use clap::Args;
use operate::cursors;

use crate::{
    commands::act::{Because, How, told},
    context::Context,
};

#[derive(Args)]
pub struct Halt {
    /// The target's name
    name: String,
    /// On this instance only; otherwise on every instance where the target has a cursor
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    #[command(flatten)]
    because: Because,
}

#[derive(Args)]
pub struct Unhalt {
    /// The target's name
    name: String,
    /// On this instance only; otherwise on every instance where the target has a cursor
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    #[command(flatten)]
    how: How,
}

impl Halt {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let state = context.state(&config).await?;
        let how = self.because.asked();
        let events = if how.dry_run { Some(context.events(&config).await?) } else { None };
        let (places, max_age) = ((events.as_ref(), &state), config.projection.max_event_age);
        let instance = self.instance.as_deref();
        told(context, &cursors::halt(&self.name, instance, &how, &context.caller(), places, max_age).await?)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Unhalt {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let state = context.state(&config).await?;
        let how = self.how.asked();
        let events = if how.dry_run { Some(context.events(&config).await?) } else { None };
        let (places, max_age) = ((events.as_ref(), &state), config.projection.max_event_age);
        let instance = self.instance.as_deref();
        told(context, &cursors::unhalt(&self.name, instance, &how, &context.caller(), places, max_age).await?)?;
        Ok(ExitCode::SUCCESS)
    }
}
