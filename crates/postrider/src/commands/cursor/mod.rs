//! `postrider cursor …`: how far each target has come on each instance.

mod halt;
mod line;
mod list;
mod seek;
mod show;
mod skip;

use std::process::ExitCode;

use clap::Subcommand;
use domain::{Cursor, Definitions, InstanceId, Target, TargetId};
use store::State;

use crate::{
    commands::known::no_cursor,
    config::Config,
    context::{Context, target_named},
    failure::usage,
};

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

/// What an act on a target's cursors begins with.
struct Chosen {
    config: Config,
    state: State,
    definitions: Definitions,
    target: Target,
    cursors: Vec<Cursor>,
}

impl Chosen {
    /// The target of this name and its cursors: see [`cursors_of`].
    async fn read(context: &Context, name: &str, instance: Option<&str>) -> anyhow::Result<Self> {
        let config = context.config()?;
        let state = context.state(&config).await?;
        let definitions = state.definitions().await?;
        let target = target_named(&definitions, name)?.clone();
        let cursors = cursors_of(&state, &target.id, name, instance).await?;
        Ok(Self { config, state, definitions, target, cursors })
    }
}

/// The target's cursors: on every instance, or on the one that is named. There is at least one.
pub async fn cursors_of(
    state: &State,
    target: &TargetId,
    name: &str,
    instance: Option<&str>,
) -> anyhow::Result<Vec<Cursor>> {
    let mut cursors = state.cursors().await?;
    cursors.retain(|cursor| cursor.target_id == *target);
    if cursors.is_empty() {
        return Err(usage(format!(
            "{name:?} has no cursor yet; `postrider run` makes one when an instance has events for it"
        )));
    }
    if let Some(instance) = instance {
        let known: Vec<_> = cursors.iter().map(|cursor| cursor.instance_id.clone()).collect();
        cursors.retain(|cursor| cursor.instance_id.as_str() == instance);
        if cursors.is_empty() {
            return Err(no_cursor(name, instance, &known));
        }
    }
    Ok(cursors)
}

/// ` on instance …`, for stores that have instances.
fn on(instance: &InstanceId) -> String {
    if instance.as_str().is_empty() { String::new() } else { format!(" on instance {instance}") }
}
