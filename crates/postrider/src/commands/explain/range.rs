//! `postrider explain --target T --from A --to B`: what a target would receive.

use std::process::ExitCode;

use domain::Start;
use operate::explain::{self, Answer};

use crate::{
    commands::act::warn,
    context::Context,
    output::{Table, Tone, number, time},
};

/// Lists and counts.
pub async fn run(
    context: &Context,
    name: &str,
    between: (Start, Start),
    instance: Option<&str>,
    limit: usize,
) -> anyhow::Result<ExitCode> {
    let config = context.config()?;
    let state = context.state(&config).await?;
    let events = context.events(&config).await?;
    let (caller, max_age) = (context.caller(), config.projection.max_event_age);
    let (answer, warnings) =
        explain::range(name, between, instance, limit, &caller, (&events, &state), max_age).await?;
    warn(&warnings);
    context.output.print(&answer, || table(&answer))?;
    Ok(ExitCode::SUCCESS)
}

fn table(answer: &Answer) -> Table {
    let instances = answer.events.iter().any(|line| !line.instance_id.as_str().is_empty());
    let mut header = Vec::new();
    header.extend(instances.then_some("instance"));
    header.extend(["position", "event type", "aggregate", "sequence", "created", "why"]);
    let mut table = Table::new(header, "nothing in there goes to the target");
    for line in &answer.events {
        let mut cells = Vec::new();
        cells.extend(instances.then(|| line.instance_id.to_string()));
        cells.extend([
            format!("{}/{}", line.position, line.in_tx_order),
            line.event_type.as_ref().map(ToString::to_string).unwrap_or_default(),
            line.aggregate_id.clone(),
            line.sequence.to_string(),
            line.created_at.map(time).unwrap_or_default(),
            line.why(),
        ]);
        table.row(if line.unreadable.is_some() { Tone::Bad } else { Tone::Plain }, cells);
    }
    let listed = answer.events.len() as u64;
    let more = if listed < answer.would_receive { format!(", of which {listed} are listed") } else { String::new() };
    table.note(format!("{} would receive {}{more}", answer.target, number(answer.would_receive, "event")));
    for kept_out in &answer.kept_out {
        table.note(format!("{} kept out: {}", number(kept_out.events, "event"), kept_out.detail));
    }
    table
}
