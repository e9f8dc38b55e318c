//! `postrider failed retry TARGET`.

use std::process::ExitCode;

use clap::Args;
use operate::failed;

use super::filter::Chosen;
use crate::{
    commands::act::{How, told},
    context::Context,
};

/// What was parked or halted is sent again: one event, all of them, or those that match. Interrupted events, and those that
/// are being retried already, are only sent if they are named by --status or by --aggregate and --sequence.
#[derive(Args)]
pub struct Retry {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    how: How,
}

impl Retry {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let (target, narrow) = self.chosen.asked();
        told(context, &failed::retry(&target, narrow, &self.how.asked(), &context.caller(), &state).await?)?;
        Ok(ExitCode::SUCCESS)
    }
}
