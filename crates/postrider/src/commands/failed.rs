//! `postrider failed …`: what could not be delivered.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use domain::{Definitions, FailedEvent, FailedStatus, InstanceId, TargetId, Timestamp};
use serde::Serialize;
use serde_json::json;
use store::{FailedFilter, State};

use crate::{
    context::{Context, target_named},
    failure::{FAILED, usage},
    output::{Table, Tone, time},
};

#[derive(Subcommand)]
pub enum FailedCommand {
    /// All failed events
    List(List),
    /// Failed events in full
    Show(Show),
    /// Send again what was parked or halted
    Retry(Retry),
    /// Forget what was parked or interrupted; what waits at the head is passed over
    Discard(Discard),
}

impl FailedCommand {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Show(command) => command.run(context).await,
            Self::Retry(command) => command.run(context).await,
            Self::Discard(command) => command.run(context).await,
        }
    }
}

/// The names are a promise to scripts.
#[derive(Serialize, Debug)]
pub struct Line {
    pub target: String,
    pub target_id: TargetId,
    pub instance_id: InstanceId,
    pub aggregate_type: String,
    pub aggregate_id: String,
    pub sequence: i64,
    pub event_type: String,
    pub position: String,
    pub in_tx_order: i64,
    pub failure_count: u32,
    pub status: FailedStatus,
    pub error: String,
    pub first_failed: Timestamp,
    pub last_failed: Timestamp,
}

impl Line {
    fn new(definitions: &Definitions, target_id: TargetId, instance_id: InstanceId, event: FailedEvent) -> Self {
        let target = definitions.targets.iter().find(|target| target.id == target_id);
        Self {
            // A removed target has only its id left.
            target: target.map_or_else(|| target_id.to_string(), |target| target.name.to_string()),
            target_id,
            instance_id,
            aggregate_type: event.key.aggregate_type.to_string(),
            aggregate_id: event.key.aggregate_id.to_string(),
            sequence: event.key.sequence,
            event_type: event.event_type.to_string(),
            position: event.key.position.to_string(),
            in_tx_order: event.key.in_tx_order,
            failure_count: event.failure_count,
            status: event.status,
            error: event.error,
            first_failed: event.first_failed,
            last_failed: event.last_failed,
        }
    }
}

/// Which events, for looking.
#[derive(Args)]
struct Which {
    /// Of this target
    target: Option<String>,
    /// On this instance
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// Of this aggregate
    #[arg(long, value_name = "ID")]
    aggregate: Option<String>,
    /// With this sequence
    #[arg(long, value_name = "N", requires = "aggregate")]
    sequence: Option<i64>,
    /// In this status: retrying, parked, interrupted, halted
    #[arg(long)]
    status: Option<FailedStatus>,
}

impl Which {
    async fn lines(self, state: &State) -> anyhow::Result<Vec<Line>> {
        let definitions = state.definitions().await?;
        let target = self.target.map(|name| target_named(&definitions, &name).map(|target| target.id.clone()));
        let filter = FailedFilter {
            target: target.transpose()?,
            instance: self.instance.map(Into::into),
            aggregate_id: self.aggregate,
            sequence: self.sequence,
            status: self.status,
        };
        let found = state.failed_events(&filter).await?;
        let mut lines: Vec<_> = (found.into_iter())
            .map(|(target, instance, event)| (event.key.clone(), Line::new(&definitions, target, instance, event)))
            .collect();
        lines.sort_by(|(a_key, a), (b_key, b)| (&a.target, a_key).cmp(&(&b.target, b_key)));
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }
}

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    which: Which,
}

impl List {
    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let lines = self.which.lines(&state).await?;
        context.output.print(&lines, || list_table(&lines))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The table of failed events.
pub fn list_table(lines: &[Line]) -> Table {
    let instances = lines.iter().any(|line| !line.instance_id.as_str().is_empty());
    let mut header = vec!["target"];
    header.extend(instances.then_some("instance"));
    header.extend(["event type", "aggregate", "sequence", "position", "failures", "status", "last failed", "error"]);
    let mut table = Table::new(header, "no failed events");
    for line in lines {
        let tone = match line.status {
            FailedStatus::Halted => Tone::Bad,
            FailedStatus::Retrying | FailedStatus::Parked => Tone::Warning,
            FailedStatus::Interrupted => Tone::Dim,
        };
        let mut cells = vec![line.target.clone()];
        cells.extend(instances.then(|| line.instance_id.to_string()));
        cells.extend([
            line.event_type.clone(),
            line.aggregate_id.clone(),
            line.sequence.to_string(),
            format!("{}/{}", line.position, line.in_tx_order),
            line.failure_count.to_string(),
            line.status.to_string(),
            time(line.last_failed),
            line.error.clone(),
        ]);
        table.row(tone, cells);
    }
    table
}

#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    which: Which,
}

impl Show {
    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let lines = self.which.lines(&state).await?;
        let values = lines.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
        context.output.print(&lines, || {
            let mut table = Table::new(["field", "value"], "no such failed event");
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    table.row(Tone::Plain, [" ".to_owned(), " ".to_owned()]);
                }
                for (field, value) in value.as_object().into_iter().flatten() {
                    table.row(
                        Tone::Plain,
                        [field.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)],
                    );
                }
            }
            table
        })?;
        Ok(ExitCode::from(if lines.is_empty() { FAILED } else { 0 }))
    }
}

/// Which events, for acting: one, or all of a target, but never by leaving something out.
#[derive(Args)]
struct Chosen {
    /// The target's name
    target: String,
    /// Of this aggregate
    #[arg(long, value_name = "ID", requires = "sequence", conflicts_with = "all", required_unless_present = "all")]
    aggregate: Option<String>,
    /// With this sequence
    #[arg(long, value_name = "N", requires = "aggregate", conflicts_with = "all")]
    sequence: Option<i64>,
    /// On this instance only
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// All failed events of the target
    #[arg(long)]
    all: bool,
}

impl Chosen {
    /// Refuses one event that could be two, on two instances.
    async fn filter(self, state: &State) -> anyhow::Result<FailedFilter> {
        let definitions = state.definitions().await?;
        let target = target_named(&definitions, &self.target)?.id.clone();
        let filter = FailedFilter {
            target: Some(target),
            instance: self.instance.map(Into::into),
            aggregate_id: self.aggregate,
            sequence: self.sequence,
            status: None,
        };
        if !self.all {
            let mut instances: Vec<_> =
                state.failed_events(&filter).await?.into_iter().map(|(_, instance, _)| instance).collect();
            instances.sort();
            instances.dedup();
            if instances.len() > 1 {
                let names: Vec<_> = instances.iter().map(InstanceId::as_str).collect();
                return Err(usage(format!(
                    "there is one on several instances; name one with --instance: {}",
                    names.join(", ")
                )));
            }
        }
        Ok(filter)
    }
}

#[derive(Args)]
pub struct Retry {
    #[command(flatten)]
    chosen: Chosen,
}

impl Retry {
    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let filter = self.chosen.filter(&state).await?;
        let count = state.retry(&filter, &context.actor()).await?;
        told(context, "retried", count, "will be sent again")
    }
}

#[derive(Args)]
pub struct Discard {
    #[command(flatten)]
    chosen: Chosen,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Discard {
    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let filter = self.chosen.filter(&state).await?;
        let count = state.discard(&filter, self.reason.as_deref(), &context.actor()).await?;
        told(context, "discarded", count, "discarded")
    }
}

/// Nothing found is a failure: a script that meant one event should know.
fn told(context: &Context, field: &str, count: u64, verb: &str) -> anyhow::Result<ExitCode> {
    let sentence = match count {
        0 => "no failed event matches; `postrider failed list` shows them".to_owned(),
        1 => format!("1 event {verb}"),
        count => format!("{count} events {verb}"),
    };
    context.output.tell(&json!({ field: count }), &sentence)?;
    Ok(ExitCode::from(if count == 0 { FAILED } else { 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_events_are_listed_in_columns() {
        let at: Timestamp = "2025-03-27T10:22:43.262665Z".parse().expect("a time");
        let line = |target: &str, status, error: &str| Line {
            target: target.to_owned(),
            target_id: "id".into(),
            instance_id: "312909075211878808".into(),
            aggregate_type: "user".to_owned(),
            aggregate_id: "312909075211944344".to_owned(),
            sequence: 7,
            event_type: "user.human.added".to_owned(),
            position: "1743070963.262665".to_owned(),
            in_tx_order: 1,
            failure_count: 5,
            status,
            error: error.to_owned(),
            first_failed: at,
            last_failed: at,
        };
        let lines = [
            line("crm", FailedStatus::Parked, "500 Internal Server Error"),
            line("billing", FailedStatus::Halted, "no answer\nwithin 10s \x1b[31m"),
        ];
        insta::assert_snapshot!(list_table(&lines).render(false));
        insta::assert_snapshot!(list_table(&[]).render(false));
    }
}
