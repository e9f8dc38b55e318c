//! `postrider apply -f FILE`: puts the targets and executions of a file in force.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use operate::{Mode, Plan};

use crate::{commands::edited, config::DefinitionsSpec, context::Context};

#[derive(Args)]
pub struct Apply {
    /// File with [[target]] and [[execution]]
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove targets and executions that came from a file and are not in this one
    #[arg(long)]
    prune: bool,
    /// Put the file's signing keys in the place of stored ones that cannot be decrypted: for when a master key is lost
    #[arg(long)]
    replace_keys: bool,
}

impl Apply {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let spec = DefinitionsSpec::load(&self.file, config.delivery.defaults)?;
        let state = context.state(&config).await?;
        let events = context.events(&config).await?;
        let mode = Mode { prune: self.prune, dry_run: self.dry_run, replace_keys: self.replace_keys };
        let origin = self.file.display().to_string();
        let plan = Plan::of_file(&spec.files(&origin), spec.drafts(&origin)?, mode, (&events, &state)).await?;
        edited::carry_out(context, &state, &plan, self.dry_run).await?;
        context.output.print(&plan.changes, || {
            let mut table = edited::table(&plan);
            if self.dry_run && !plan.changes.is_empty() {
                table.note("dry run: nothing was changed");
            }
            table
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
