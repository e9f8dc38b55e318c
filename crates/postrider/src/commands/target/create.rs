//! `postrider target create NAME --endpoint URL`.

use std::process::ExitCode;

use clap::Args;
use domain::{Position, Start, Target};
use operate::{Edit, Keys};
use serde_json::{Value, json};

use super::settings::{self, Settings};
use crate::{
    commands::edited,
    config::{COMMAND_LINE, TargetSpec},
    context::Context,
};

#[derive(Args)]
pub struct Create {
    /// What commands call it; without spaces
    name: String,
    /// What is called: http or https, without credentials
    #[arg(long, value_name = "URL")]
    endpoint: String,
    /// Where it begins: now, beginning, a position, or a time with its offset (2025-03-27T10:00:00Z)
    #[arg(long, value_name = "PLACE", default_value = "now")]
    start: Start,
    /// The one instance it belongs to: only executions of that instance may name it
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// Send nothing until it is resumed: for a start in the past, so that its execution can be set first
    #[arg(long)]
    paused: bool,
    #[command(flatten)]
    settings: Settings,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Create {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let generated = (!self.settings.has_key()).then(operate::new_signing_key);
        let mut fields = self.settings.fields(&self.name, &self.endpoint, generated.as_deref().unwrap_or_default())?;
        fields.insert("start".to_owned(), json!(self.start.to_string()));
        fields.extend(self.instance.map(|instance| ("instance".to_owned(), json!(instance))));
        let spec = TargetSpec::of_the_command_line(Value::Object(fields), config.delivery.defaults)?;
        let state = context.state(&config).await?;
        let events = context.events(&config).await?;
        let (files, caller) = (config.definitions.files(&config.origin), context.caller());
        let edit = Edit::begin(&state, &files, &caller, COMMAND_LINE, Keys::All, self.dry_run).await?;
        let draft = spec.target("".into(), Position::ZERO, COMMAND_LINE)?;
        let plan = edit.create(Target { paused: self.paused, ..draft }, (&events, &state)).await?;
        settings::warn_if_refused(&config, &spec.endpoint).await?;
        edited::carry_out(context, &state, &plan, self.dry_run).await?;
        let shown = generated.filter(|_| !self.dry_run);
        let notes = settings::shown_once(shown.as_deref());
        let about = json!({
            "target": self.name,
            "target_id": plan.new_target().filter(|_| !self.dry_run).map(|target| &target.id),
            "signing_key": shown,
        });
        edited::tell(context, &plan, self.dry_run, about, &notes)
    }
}
