//! `postrider explain EVENT_TYPE`: where an event goes, and why.

use std::process::ExitCode;

use clap::Args;
use domain::{EventType, Explanation, InstanceId, Router};

use crate::{
    context::Context,
    output::{Table, Tone},
};

#[derive(Args)]
pub struct Explain {
    /// Such as user.human.added
    event_type: String,
    /// On this instance; otherwise on one that has no executions of its own
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
}

impl Explain {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let router = Router::build(&state.definitions().await?)?;
        let instance = InstanceId::from(self.instance.unwrap_or_default());
        let explanation = router.explain(&instance, &EventType::from(self.event_type.as_str()));
        context.output.print(&explanation, || table(&self.event_type, &explanation))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn table(event_type: &str, explanation: &Explanation) -> Table {
    let mut table = Table::new(["what", "name", "verdict"], "no execution matches; nothing is called");
    for execution in explanation.matched.iter().chain(&explanation.passed_over) {
        let instance = execution.instance.as_ref().map(|instance| format!(" on {instance}")).unwrap_or_default();
        let fires = Some(execution) == explanation.matched.as_ref();
        let tone = if fires { Tone::Plain } else { Tone::Dim };
        let cells =
            ["execution".to_owned(), format!("{}{instance}", execution.condition), execution.verdict.to_string()];
        table.row(tone, cells);
    }
    for target in &explanation.targets {
        let via: Vec<_> = target.via.iter().map(|condition| format!(" (included by {condition})")).collect();
        let paused = if target.paused { ", paused" } else { "" };
        let cells =
            ["target".to_owned(), format!("{}{}", target.name, via.concat()), format!("{}{paused}", target.verdict)];
        table.row(Tone::Plain, cells);
    }
    if explanation.matched.is_some() && explanation.targets.is_empty() {
        table.note(format!("{event_type} calls nobody: the execution has no targets"));
    }
    table
}
