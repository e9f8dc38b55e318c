//! `postrider cursor …`: how far each target has come on each instance.

mod halt;
mod list;
mod seek;
mod show;
mod skip;

pub use list::{held, interval, left};

use std::process::ExitCode;

use clap::Subcommand;

use crate::context::Context;

#[derive(Subcommand)]
pub enum CursorCommand {
    /// All cursors
    List(list::List),
    /// The cursors of one target in full
    Show(show::Show),
    /// Move a target's cursor
    Seek(seek::Seek),
    /// Park the event at the head by hand, so that the cursor moves on
    Skip(skip::Skip),
    /// Stop at a cursor until it is unhalted, wherever it is moved meanwhile
    Halt(halt::Halt),
    /// Go on from a cursor that was halted by hand or by a failed event, which is tried again
    Unhalt(halt::Unhalt),
}

impl CursorCommand {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Show(command) => command.run(context).await,
            Self::Seek(command) => command.run(context).await,
            Self::Skip(command) => command.run(context).await,
            Self::Halt(command) => command.run(context).await,
            Self::Unhalt(command) => command.run(context).await,
        }
    }
}
