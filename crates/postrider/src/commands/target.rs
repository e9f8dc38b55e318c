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
use serde_json::{Value, json};

use super::pause::{Pause, Resume};
use crate::{
    clock,
    context::{Context, target_named},
    output::{Table, Tone, time},
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
        let lines: Vec<Value> = targets.iter().map(|target| to_json(target, &target.endpoint.to_string())).collect();
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
        let target = to_json(target, &target.endpoint.without_query());
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

/// Header values and signing keys are secrets; only what there is of them is told.
fn to_json(target: &Target, endpoint: &str) -> Value {
    let now = clock::now();
    let start_time = match target.start {
        domain::Start::Time(at) => Some(time(at)),
        _ => None,
    };
    json!({
        "name": target.name,
        "id": target.id,
        "type": target.kind,
        "endpoint": endpoint,
        "timeout": humantime::format_duration(target.timeout).to_string(),
        "interrupt_on_error": target.interrupt_on_error,
        "signing_keys": target.keys_in_force(now).count(),
        "signing_key_expires_at": target.keys_in_force(now).filter_map(domain::SigningKey::expires_at).max(),
        "ordering": target.ordering,
        "max_in_flight": target.max_in_flight,
        "rate_limit": target.limits.rate.map(|rate| rate.to_string()),
        "rate_burst": target.limits.burst,
        "max_request": target.limits.max_request,
        "max_answer": target.limits.max_answer,
        "start": start_time.unwrap_or_else(|| target.start.to_string()),
        "start_position": target.start_position,
        "headers": target.headers.keys().collect::<Vec<_>>(),
        "exclude": target.exclude,
        "payload": target.payload,
        "payload_encoding": target.payload_encoding,
        "payload_type": target.payload_type,
        "public_key": target.wrapping.encryption_key.as_ref().map(|key| &key.id),
        "public_key_expires_at": target.wrapping.encryption_key.as_ref().and_then(|key| key.expires_at),
        "instance": target.instance,
        "paused": target.paused,
        "source": target.source,
    })
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
