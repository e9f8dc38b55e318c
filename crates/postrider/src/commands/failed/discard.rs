//! `postrider failed discard TARGET`.

use std::process::ExitCode;

use clap::Args;
use operate::failed;

use super::filter::Chosen;
use crate::{
    commands::act::{Because, told},
    context::Context,
};

/// Failed events are given up for good: one, all of a target, or those that match. A removed target is named by its id.
#[derive(Args)]
pub struct Discard {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    because: Because,
}

impl Discard {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let (target, narrow) = self.chosen.asked();
        told(context, &failed::discard(&target, narrow, &self.because.asked(), &context.caller(), &state).await?)?;
        Ok(ExitCode::SUCCESS)
    }
}
