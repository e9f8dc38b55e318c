//! `postrider execution …`.

mod delete;
mod set;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use operate::definitions::execution_json;
use serde_json::Value;

use crate::{
    context::Context,
    output::{Table, Tone, entry},
};

#[derive(Subcommand)]
pub enum ExecutionCommand {
    /// All executions, the most general first
    List(List),
    Set(set::Set),
    /// Remove an execution; its targets stay
    Delete(delete::Delete),
}

impl ExecutionCommand {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Set(command) => command.run(context).await,
            Self::Delete(command) => command.run(context).await,
        }
    }
}

#[derive(Args)]
pub struct List {}

impl List {
    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let mut executions = state.definitions().await?.executions;
        executions.sort_by_key(|execution| (execution.condition.to_string(), execution.instance.clone()));
        let lines: Vec<Value> = executions.iter().map(execution_json).collect();
        context.output.print(&lines, || {
            let mut table = Table::new(["condition", "instance", "targets", "exclude"], "no executions");
            for execution in &executions {
                let instance = execution.instance.as_ref().map_or("every", |instance| instance.as_str());
                let targets: Vec<_> = execution.targets.iter().map(entry).collect();
                let exclude: Vec<_> = execution.exclude.iter().map(ToString::to_string).collect();
                let tone = if targets.is_empty() { Tone::Warning } else { Tone::Plain };
                let cells =
                    [execution.condition.to_string(), instance.to_owned(), targets.join(", "), exclude.join(", ")];
                table.row(tone, cells);
            }
            table
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
