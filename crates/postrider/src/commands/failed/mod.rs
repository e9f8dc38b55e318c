//! `postrider failed …`: what could not be delivered.

mod discard;
mod filter;
mod list;
mod retry;
mod show;

use std::process::ExitCode;

use clap::Subcommand;

use crate::context::Context;

#[derive(Subcommand)]
pub enum FailedCommand {
    /// All failed events
    List(list::List),
    /// Failed events in full
    Show(show::Show),
    /// Send again what was parked or halted, in order; anything else only where --status or --sequence names it
    Retry(retry::Retry),
    /// Forget what was parked or interrupted; what a cursor waits for is passed over
    Discard(discard::Discard),
}

impl FailedCommand {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Show(command) => command.run(context).await,
            Self::Retry(command) => command.run(context).await,
            Self::Discard(command) => command.run(context).await,
        }
    }
}
