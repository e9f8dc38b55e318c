//! `postrider execution delete CONDITION`.

use std::process::ExitCode;

use clap::Args;
use domain::InstanceId;
use operate::{Edit, Keys};
use serde_json::json;

use super::set::condition;
use crate::{commands::edited, config::COMMAND_LINE, context::Context};

#[derive(Args)]
pub struct Delete {
    /// event/user.human.added, event/user.human.*, or event
    condition: String,
    /// The one of this instance; otherwise the one for every instance
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Delete {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let condition = condition(&self.condition)?;
        let config = context.config()?;
        let state = context.state(&config).await?;
        let (files, caller) = (config.definitions.files(&config.origin), context.caller());
        let edit = Edit::begin(&state, &files, &caller, COMMAND_LINE, Keys::ThatOpen, self.dry_run).await?;
        let instance = self.instance.map(InstanceId::from);
        let plan = edit.delete_execution(&condition, instance.as_ref())?;
        edited::carry_out(context, &state, &plan, self.dry_run).await?;
        edited::tell(context, &plan, self.dry_run, json!({ "condition": condition, "instance": instance }), &[])
    }
}
