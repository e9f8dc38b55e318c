//! `postrider target update NAME`.

use std::process::ExitCode;

use clap::Args;
use domain::Target;
use operate::{Edit, Keys};
use serde_json::{Value, json};

use super::settings::{self, Settings, remove_header};
use crate::{
    commands::edited,
    config::{COMMAND_LINE, Config, TargetSpec},
    context::Context,
    failure::usage,
};

#[derive(Args)]
pub struct Update {
    /// The target's name
    name: String,
    /// Another name; cursors, failed events and executions stay
    #[arg(long = "name", value_name = "NEW")]
    new_name: Option<String>,
    /// What is called: http or https, without credentials
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Has no effect once a target is there; refused with what has
    #[arg(long, value_name = "PLACE", hide = true)]
    start: Option<String>,
    /// Without this header; may be given more than once
    #[arg(long, value_name = "NAME")]
    remove_header: Vec<String>,
    /// With nothing excluded
    #[arg(long, conflicts_with = "exclude")]
    no_exclude: bool,
    #[command(flatten)]
    settings: Settings,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Update {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        if self.start.is_some() {
            return Err(usage("a target's start counts when it is created; `postrider cursor seek` moves it now"));
        }
        let config = context.config()?;
        let state = context.state(&config).await?;
        let (files, caller) = (config.definitions.files(&config.origin), context.caller());
        let edit = Edit::begin(&state, &files, &caller, COMMAND_LINE, Keys::All, self.dry_run).await?;
        let existing = edit.target(&self.name)?;
        let wanted = self.changed(existing, &config)?;
        if wanted.endpoint != existing.endpoint {
            settings::warn_if_refused(&config, &wanted.endpoint).await?;
        }
        let about = json!({ "target": wanted.name, "target_id": wanted.id });
        let plan = edit.update(wanted)?;
        edited::carry_out(context, &state, &plan, self.dry_run).await?;
        edited::tell(context, &plan, self.dry_run, about, &[])
    }

    fn changed(&self, existing: &Target, config: &Config) -> anyhow::Result<Target> {
        // The name it has is not checked: over HTTP it may have been given one with spaces.
        let name = self.new_name.as_deref().unwrap_or("kept");
        let endpoint = self.endpoint.as_deref().unwrap_or(existing.endpoint.as_str());
        // A key that is not given is not taken over, whatever it is.
        let fields = self.settings.fields(name, endpoint, "none")?;
        let spec = TargetSpec::of_the_command_line(Value::Object(fields), config.delivery.defaults)?;
        let checked = spec.target(existing.id.clone(), existing.start_position, COMMAND_LINE)?;
        let mut wanted = existing.clone();
        if self.new_name.is_some() {
            wanted.name = checked.name.clone();
        }
        wanted.endpoint = checked.endpoint.clone();
        for header in &self.remove_header {
            if !remove_header(&mut wanted, header) {
                return Err(usage(format!("{} has no header {header:?}", self.name)));
            }
        }
        if self.no_exclude {
            wanted.exclude.clear();
        }
        self.settings.take_over(&mut wanted, checked);
        Ok(wanted)
    }
}
