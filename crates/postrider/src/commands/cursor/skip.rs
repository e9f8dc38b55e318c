//! `postrider cursor skip NAME`: parks the event at the head by hand.

use std::process::ExitCode;

use clap::Args;
use operate::cursors::{self, Chosen};

use crate::{
    commands::act::{How, told},
    context::Context,
};

#[derive(Args)]
pub struct Skip {
    /// The target's name
    name: String,
    /// On this instance; needed where the target has a cursor on more than one
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    #[command(flatten)]
    how: How,
}

impl Skip {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let state = context.state(&config).await?;
        let instance = self.instance.as_deref();
        // What is refused anyway is, also while the event store is away.
        Chosen::read(&state, &context.caller(), &self.name, instance).await?;
        let events = context.events(&config).await?;
        told(
            context,
            &cursors::skip(&self.name, instance, &self.how.asked(), &context.caller(), (&events, &state)).await?,
        )?;
        Ok(ExitCode::SUCCESS)
    }
}
