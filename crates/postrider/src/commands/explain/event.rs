//! `postrider explain EVENT_TYPE`.

use std::process::ExitCode;

use domain::Explanation;
use operate::explain;

use crate::{
    context::Context,
    output::{Table, Tone},
};

/// Says where events of a type go.
pub async fn run(context: &Context, event_type: &str, instance: String) -> anyhow::Result<ExitCode> {
    let state = context.state(&context.config()?).await?;
    let explanation = explain::event(event_type, Some(instance.into()), &context.caller(), &state).await?;
    context.output.print(&explanation, || table(event_type, &explanation))?;
    Ok(ExitCode::SUCCESS)
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
