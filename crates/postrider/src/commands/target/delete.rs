//! `postrider target delete NAME`.

use std::process::ExitCode;

use clap::Args;
use operate::{Edit, Keys};
use serde_json::json;

use crate::{commands::edited, config::COMMAND_LINE, context::Context};

#[derive(Args)]
pub struct Delete {
    /// The target's name
    name: String,
    /// Take it out of the executions that name it
    #[arg(long)]
    force: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Delete {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let state = context.state(&config).await?;
        let (files, caller) = (config.definitions.files(&config.origin), context.caller());
        let edit = Edit::begin(&state, &files, &caller, COMMAND_LINE, Keys::ThatOpen, self.dry_run).await?;
        let target = edit.target(&self.name)?;
        let plan = edit.delete(target, self.force)?;
        edited::carry_out(context, &state, &plan, self.dry_run).await?;
        edited::tell(context, &plan, self.dry_run, json!({ "target": target.name, "target_id": target.id }), &[])
    }
}
