//! `postrider apply -f FILE`: puts the targets and executions of a file in force.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use crate::{
    apply::{Mode, Plan},
    config::DefinitionsSpec,
    context::Context,
    output::{Table, Tone},
};

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
}

impl Apply {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let spec = DefinitionsSpec::load(&self.file, config.delivery.defaults)?;
        let state = context.state(&config).await?;
        let events = context.events(&config).await?;
        let mode = Mode { prune: self.prune, dry_run: self.dry_run };
        let plan = Plan::make(&spec, &self.file.display().to_string(), mode, &events, &state).await?;
        for warning in &plan.warnings {
            eprintln!("warning: {warning}");
        }
        if !self.dry_run {
            plan.carry_out(&state, &context.actor()).await?;
        }
        context.output.print(&plan.changes, || {
            let mut table = Table::new(["what", "name", "change", "details"], "nothing changes");
            for change in &plan.changes {
                let cells =
                    [change.what.to_owned(), change.name.clone(), change.change.to_string(), change.details.join(", ")];
                table.row(Tone::Plain, cells);
            }
            if self.dry_run && !plan.changes.is_empty() {
                table.note("dry run: nothing was changed");
            }
            table
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
