//! `postrider cursor …`: how far each target has come on each instance.

mod line;
mod list;
mod seek;
mod show;
mod skip;

use std::process::ExitCode;

use clap::Subcommand;
use domain::{Cursor, InstanceId, Target};
use store::State;

use crate::{context::Context, failure::usage};

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
}

impl CursorCommand {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Show(command) => command.run(context).await,
            Self::Seek(command) => command.run(context).await,
            Self::Skip(command) => command.run(context).await,
        }
    }
}

/// The target's cursors: on every instance, or on the one that is named. There is at least one.
async fn cursors_of(state: &State, target: &Target, instance: Option<&str>) -> anyhow::Result<Vec<Cursor>> {
    let mut cursors = state.cursors().await?;
    cursors.retain(|cursor| {
        cursor.target_id == target.id && instance.is_none_or(|instance| cursor.instance_id.as_str() == instance)
    });
    if cursors.is_empty() {
        let place = instance.map(|instance| format!(" on instance {instance}")).unwrap_or_default();
        return Err(usage(format!(
            "{:?} has no cursor{place} yet; `postrider run` makes one when the instance has events for it",
            target.name.as_str()
        )));
    }
    Ok(cursors)
}

/// ` on instance …`, for stores that have instances.
fn on(instance: &InstanceId) -> String {
    if instance.as_str().is_empty() { String::new() } else { format!(" on instance {instance}") }
}
