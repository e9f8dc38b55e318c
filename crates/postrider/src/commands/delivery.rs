//! `postrider delivery …`: the last attempts, as far as `delivery.log` has them written down.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use domain::OutcomeKind;
use operate::deliveries::{self, Line};
use serde_json::Value;

use crate::{
    commands::act::told,
    context::Context,
    output::{Table, Tone, time},
};

#[derive(Subcommand)]
pub enum DeliveryCommand {
    /// The last attempts, the latest first
    List(List),
    /// One attempt in full, with the beginning of what was answered
    Show(Show),
    /// Send the event of an attempt to its target again; the cursor does not move
    Resend(Resend),
}

impl DeliveryCommand {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Show(command) => command.run(context).await,
            Self::Resend(command) => command.run(context).await,
        }
    }
}

#[derive(Args)]
pub struct List {
    /// To this target
    target: Option<String>,
    /// With this outcome: delivered, failed, unavailable
    #[arg(long)]
    outcome: Option<OutcomeKind>,
    /// At most so many attempts
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// On this instance
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
}

impl List {
    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let which = deliveries::Which {
            target: self.target,
            instance: self.instance,
            outcome: self.outcome,
            limit: self.limit,
        };
        let lines = deliveries::list(which, &context.caller(), &state).await?;
        context.output.print(&lines, || list_table(&lines))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The table of attempts.
fn list_table(lines: &[Line]) -> Table {
    let instances = lines.iter().any(|line| !line.instance_id.as_str().is_empty());
    let mut header = vec!["id", "started", "target"];
    header.extend(instances.then_some("instance"));
    header.extend(["event type", "aggregate", "sequence", "attempt", "outcome", "status", "took", "error"]);
    let empty =
        "no attempts; which ones are written down is set by delivery.log, and failures are unless it is \"off\"";
    let mut table = Table::new(header, empty);
    for line in lines {
        let tone = match line.outcome {
            OutcomeKind::Delivered => Tone::Plain,
            OutcomeKind::Failed => Tone::Bad,
            OutcomeKind::Unavailable => Tone::Warning,
        };
        let mut cells = vec![line.id.to_string(), time(line.started_at), line.target.clone()];
        cells.extend(instances.then(|| line.instance_id.to_string()));
        cells.extend([
            line.event_type.clone(),
            line.aggregate_id.clone(),
            line.sequence.to_string(),
            line.attempt.to_string(),
            line.outcome.to_string(),
            line.status.map(|status| status.to_string()).unwrap_or_default(),
            format!("{:.1}ms", line.duration_ms),
            line.error.clone().unwrap_or_default(),
        ]);
        table.row(tone, cells);
    }
    table
}

#[derive(Args)]
pub struct Show {
    /// The attempt's id, as `postrider delivery list` has it
    id: i64,
}

impl Show {
    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let whole = serde_json::to_value(deliveries::show(self.id, &context.caller(), &state).await?)?;
        context.output.print(&whole, || {
            let mut table = Table::new(["field", "value"], "");
            for (field, value) in whole.as_object().into_iter().flatten() {
                let text = match value {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                table.row(Tone::Plain, [field.clone(), text]);
            }
            table
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args)]
pub struct Resend {
    /// The attempt's id, as `postrider delivery list` has it
    id: i64,
    /// Only say what would be sent again
    #[arg(long)]
    dry_run: bool,
}

impl Resend {
    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let state = context.state(&config).await?;
        let events = context.events(&config).await?;
        told(context, &deliveries::resend(self.id, self.dry_run, &context.caller(), (&events, &state)).await?)?;
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_listed_in_columns() {
        let line = |id, outcome, status, error: Option<&str>| Line {
            id,
            target: "crm".to_owned(),
            target_id: "id".into(),
            instance_id: "312909075211878808".into(),
            event_type: "user.human.added".to_owned(),
            aggregate_type: "user".to_owned(),
            aggregate_id: "312909075211944344".to_owned(),
            sequence: 7,
            position: "1743070963.262665".to_owned(),
            in_tx_order: 1,
            attempt: 2,
            outcome,
            status,
            error: error.map(str::to_owned),
            started_at: "2025-03-27T10:22:43.262665Z".parse().expect("a time"),
            duration_ms: 12.345,
        };
        let lines = [
            line(12, OutcomeKind::Delivered, Some(200), None),
            line(11, OutcomeKind::Failed, Some(500), Some("crm.example.com answered 500")),
            line(10, OutcomeKind::Unavailable, None, Some("no connection\nto crm.example.com \x1b[31m")),
        ];
        insta::assert_snapshot!(list_table(&lines).render(false));
        insta::assert_snapshot!(list_table(&[]).render(false));
    }
}
