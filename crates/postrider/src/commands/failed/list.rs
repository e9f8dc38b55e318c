//! `postrider failed list`.

use std::process::ExitCode;

use clap::Args;
use domain::FailedStatus;
use operate::failed::Line;

use super::filter::Which;
use crate::{
    context::Context,
    output::{Table, Tone, time},
};

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    which: Which,
}

impl List {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let lines = self.which.lines(context).await?;
        context.output.print(&lines, || list_table(&lines))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The table of failed events.
pub fn list_table(lines: &[Line]) -> Table {
    let instances = lines.iter().any(|line| !line.instance_id.as_str().is_empty());
    let mut header = vec!["target"];
    header.extend(instances.then_some("instance"));
    let removed = lines.iter().any(|line| line.removed_at.is_some());
    header.extend(removed.then_some("removed"));
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
        cells.extend(removed.then(|| line.removed_at.map(time).unwrap_or_default()));
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

#[cfg(test)]
mod tests {
    use domain::Timestamp;

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
            removed_at: None,
        };
        let lines = [
            line("crm", FailedStatus::Parked, "500 Internal Server Error"),
            line("billing", FailedStatus::Halted, "no answer\nwithin 10s \x1b[31m"),
        ];
        insta::assert_snapshot!(list_table(&lines).render(false));
        insta::assert_snapshot!(list_table(&[]).render(false));
    }
}
