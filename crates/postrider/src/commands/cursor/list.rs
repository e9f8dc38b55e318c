//! `postrider cursor list`.

use std::process::ExitCode;

use clap::Args;
use domain::{Position, Timestamp, Writer};
use store::Probe;

use super::line::{COUNT_CAP, Line, Overview};
use crate::{
    clock,
    config::Config,
    context::Context,
    output::{Table, age, place, time, writer},
};

/// A writer that is younger is a transaction in the ordinary course.
const LONG_OPEN_SECONDS: f64 = 1.0;

#[derive(Args)]
pub struct List {
    /// Count the events that are left, up to 100000
    #[arg(long)]
    count: bool,
}

impl List {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let state = context.state(&config).await?;
        let overview = Overview::read(&state).await?;
        let mut lines = Vec::new();
        for cursor in state.cursors().await? {
            // What a removed target left behind waits for its retention and is nobody's.
            if let Some(target) = overview.definitions.targets.iter().find(|target| target.id == cursor.target_id) {
                lines.push(overview.line(target, cursor));
            }
        }
        lines.sort_by(|a, b| (&a.target, &a.instance_id).cmp(&(&b.target, &b.instance_id)));
        let holder = measure(context, &config, &overview, &mut lines, self.count).await;
        context.output.print(&lines, || table(&lines, self.count, holder.as_ref(), clock::now()))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Fills in what the event store knows. An event store that is away leaves the lags unknown: the cursors are still worth
/// seeing.
pub async fn measure(
    context: &Context,
    config: &Config,
    overview: &Overview,
    lines: &mut [Line],
    count: bool,
) -> Option<(Position, Writer)> {
    let measured = async {
        let events = context.events(config).await?;
        let probe = events.probe().await?;
        for line in &mut *lines {
            line.lag_seconds = Some(overview.lag_seconds(line, &events, probe.head).await?);
            if count {
                line.lag_events = Some(overview.lag_events(line, &events, probe.head).await?);
            }
        }
        anyhow::Ok(holder(probe, clock::now()))
    };
    measured.await.unwrap_or_else(|error| {
        eprintln!("warning: how much is left is not known: {error:#}");
        None
    })
}

/// The writer that has been open longest, if that is worth mentioning.
fn holder(probe: Probe, now: Timestamp) -> Option<(Position, Writer)> {
    let oldest = probe.writers.into_iter().min_by_key(|writer| (writer.floor.is_none(), writer.floor, writer.since))?;
    let long = oldest.since.is_none_or(|since| now.duration_since(since).as_secs_f64() >= LONG_OPEN_SECONDS);
    long.then_some((probe.head, oldest))
}

/// The table of all cursors.
pub fn table(lines: &[Line], counted: bool, holder: Option<&(Position, Writer)>, now: Timestamp) -> Table {
    let instances = lines.iter().any(|line| !line.instance_id.as_str().is_empty());
    let mut header = vec!["target"];
    header.extend(instances.then_some("instance"));
    header.extend(["state", "position", "event date", "lag"]);
    header.extend(counted.then_some("left"));
    header.extend(["failed", "updated", "reason"]);
    let mut table = Table::new(header, "no cursors; `postrider run` makes one for each target and instance");
    for line in lines {
        let mut cells = vec![line.target.clone()];
        cells.extend(instances.then(|| line.instance_id.to_string()));
        cells.extend([
            line.state.to_string(),
            place(&line.cursor.key),
            line.event_date.map(time).unwrap_or_default(),
            line.lag_seconds
                .map_or_else(|| "?".to_owned(), |seconds| if seconds > 0.0 { age(seconds) } else { "0s".to_owned() }),
        ]);
        cells.extend(counted.then(|| left(line.lag_events)));
        let updated = now.duration_since(line.last_updated).as_secs_f64().max(0.0);
        cells.extend([
            line.failed_events.to_string(),
            format!("{} ago", age(updated)),
            line.reason.clone().unwrap_or_default(),
        ]);
        table.row(line.tone(), cells);
    }
    if let Some(worker) = lines.first().and_then(|line| line.worker.as_ref()) {
        table.note(format!("worker: {worker}"));
    } else if !lines.is_empty() {
        table.note("worker: none; no daemon is running");
    }
    if let Some((head, holder)) = holder {
        table.note(format!("horizon: held below {head} by an open transaction: {}", writer(holder)));
    }
    table
}

fn left(events: Option<u64>) -> String {
    match events {
        Some(COUNT_CAP..) => format!("{COUNT_CAP}+"),
        Some(events) => events.to_string(),
        None => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use domain::{Cursor, CursorId, CursorState, Epoch, EventKey};

    use super::*;

    fn line(target: &str, state: CursorState, lag: f64, reason: Option<&str>) -> Line {
        let at: Timestamp = "2025-03-27T10:22:43.262665Z".parse().expect("a time");
        let cursor = Cursor {
            id: CursorId(1),
            epoch: Epoch(1),
            target_id: "id".into(),
            instance_id: "312909075211878808".into(),
            key: EventKey::after("1743070963.262665".parse().expect("a position")),
            event_date: Some(at),
            delivered: None,
            parked_in_a_row: 0,
            generation: 0,
            last_updated: at,
            state,
            reason: reason.map(str::to_owned),
            ahead: None,
            halt: None,
        };
        Line {
            target: target.to_owned(),
            target_id: cursor.target_id.clone(),
            instance_id: cursor.instance_id.clone(),
            state,
            position: cursor.key.position,
            in_tx_order: 0,
            aggregate_type: String::new(),
            aggregate_id: String::new(),
            sequence: 0,
            event_date: cursor.event_date,
            last_updated: cursor.last_updated,
            lag_events: Some(COUNT_CAP),
            lag_seconds: Some(lag),
            failed_events: 2,
            worker: Some("w1".to_owned()),
            reason: cursor.reason.clone(),
            cursor,
        }
    }

    #[test]
    fn cursors_are_listed_in_columns_with_who_holds_the_horizon() {
        let lines = [
            line("billing", CursorState::Holding, 3725.0, Some("cannot connect: connection refused")),
            line("crm", CursorState::Live, 0.0, None),
        ];
        let now: Timestamp = "2025-03-27T10:23:00Z".parse().expect("a time");
        let holder = Writer {
            vxid: "3/17".to_owned(),
            floor: None,
            pid: Some(4711),
            role: Some("backup".to_owned()),
            application: Some("pg_dump".to_owned()),
            since: Some("2025-03-27T09:00:00Z".parse().expect("a time")),
            state: Some("active".to_owned()),
        };
        let held = ("1743070999".parse().expect("a position"), holder);
        insta::assert_snapshot!(table(&lines, true, Some(&held), now).render(false));
        insta::assert_snapshot!(table(&lines, false, None, now).render(true));
        insta::assert_snapshot!(table(&[], false, None, now).render(false));
    }
}
