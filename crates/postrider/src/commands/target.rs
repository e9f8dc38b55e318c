//! `postrider target …`.

mod create;
mod delete;
mod key;
mod rotate_key;
mod settings;
mod test;
mod update;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use domain::{Source, Target};
use operate::{definitions::target_json, target_named};
use serde_json::Value;

use super::pause::{Pause, Resume};
use crate::{
    context::Context,
    output::{Table, Tone},
};

#[derive(Subcommand)]
pub enum TargetCommand {
    /// All targets
    List(List),
    /// One target in full
    Get(Get),
    /// Create a target
    Create(create::Create),
    /// Change a target; what is not given stays
    Update(update::Update),
    /// Delete a target; its cursors and failed events stay
    Delete(delete::Delete),
    Test(test::Test),
    RotateKey(rotate_key::RotateKey),
    /// Public keys of a target, which its bodies are encrypted for
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Send nothing more until it is resumed; the cursor stays
    Pause(Pause),
    /// Go on where it was paused
    Resume(Resume),
}

impl TargetCommand {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Get(command) => command.run(context).await,
            Self::Create(command) => command.run(context).await,
            Self::Update(command) => command.run(context).await,
            Self::Delete(command) => command.run(context).await,
            Self::Test(command) => command.run(context).await,
            Self::RotateKey(command) => command.run(context).await,
            Self::Key(command) => command.run(context).await,
            Self::Pause(command) => command.run(context).await,
            Self::Resume(command) => command.run(context).await,
        }
    }
}

#[derive(Args)]
pub struct List {}

impl List {
    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let mut targets = state.definitions().await?.targets;
        targets.sort_by(|a, b| a.name.cmp(&b.name));
        let lines: Vec<Value> =
            targets.iter().map(|target| target_json(target, &target.endpoint.to_string())).collect();
        context.output.print(&lines, || {
            let mut table =
                Table::new(["name", "type", "endpoint", "ordering", "timeout", "state", "source"], "no targets");
            for target in &targets {
                let (tone, word) = if target.paused { (Tone::Dim, "paused") } else { (Tone::Plain, "active") };
                table.row(
                    tone,
                    [
                        target.name.to_string(),
                        word_of(&target.kind),
                        target.endpoint.to_string(),
                        word_of(&target.ordering),
                        humantime::format_duration(target.timeout).to_string(),
                        word.to_owned(),
                        source(target).to_owned(),
                    ],
                );
            }
            table
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args)]
pub struct Get {
    /// The target's name
    name: String,
}

impl Get {
    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let definitions = state.definitions().await?;
        let target = target_named(&definitions, &self.name)?;
        let target = target_json(target, &target.endpoint.without_query());
        context.output.print(&target, || {
            let mut table = Table::new(["field", "value"], "");
            for (field, value) in target.as_object().into_iter().flatten() {
                let text = match value {
                    Value::String(text) => text.clone(),
                    Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
                    other => other.to_string(),
                };
                table.row(Tone::Plain, [field.clone(), text]);
            }
            table
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

fn source(target: &Target) -> &'static str {
    match target.source {
        Source::File => "file",
        Source::Api => "api",
    }
}

/// The word that the config has for it.
fn word_of(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}
