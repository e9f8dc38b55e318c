//! `postrider cursor list`.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use clap::Args;
use domain::{Position, TargetId, Timestamp, Writer};
use store::Probe;

use super::line::{Line, Overview};
use crate::{
    clock,
    commands::reckon::COUNT_CAP,
    config::Config,
    context::Context,
    output::{Table, age, number, place, time, writer},
};

/// A writer that is younger is a transaction in the ordinary course.
const LONG_OPEN_SECONDS: f64 = 1.0;

#[derive(Args)]
pub struct List {
    /// Count the events that are left, up to 100000
    #[arg(long)]
    count: bool,
    /// Of targets that were removed, instead of those that are there
    #[arg(long)]
    removed: bool,
}

impl List {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let state = context.state(&config).await?;
        let overview = Overview::read(&state).await?;
        let mut lines = Vec::new();
        for cursor in state.cursors().await? {
            let owner = overview.known.by_id(&cursor.target_id);
            // What a removed target left behind waits for its retention and is nobody's.
            if owner.removed_at.is_some() == self.removed {
                lines.push(overview.line(&owner, cursor));
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
        let reckoner = overview.reckoner(&events, config).await?;
        for line in &mut *lines {
            line.lag_seconds = Some(overview.lag_seconds(line, &events, probe.head).await?);
            if count {
                line.lag_events = Some(reckoner.waiting(&line.cursor).await?.events);
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
    let removed = lines.iter().any(|line| line.removed_at.is_some());
    header.extend(removed.then_some("removed"));
    header.extend(["state", "position", "event date", "lag"]);
    header.extend(counted.then_some("left"));
    header.extend(["failed", "updated", "reason"]);
    let mut table = Table::new(header, "no cursors; `postrider run` makes one for each target and instance");
    for line in lines {
        let mut cells = vec![line.target.clone()];
        cells.extend(instances.then(|| line.instance_id.to_string()));
        cells.extend(removed.then(|| line.removed_at.map(time).unwrap_or_default()));
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
    note_workers(&mut table, lines);
    if let Some((head, holder)) = holder {
        table.note(format!("horizon: held below {head} by an open transaction: {}", writer(holder)));
    }
    table
}

/// Who serves them, and whether anything is served by nobody.
fn note_workers(table: &mut Table, lines: &[Line]) {
    let mut workers: BTreeMap<&str, BTreeSet<&TargetId>> = BTreeMap::new();
    let mut unserved = BTreeSet::new();
    for line in lines {
        match &line.worker {
            Some(worker) => _ = workers.entry(worker).or_default().insert(&line.target_id),
            None => _ = unserved.insert(&line.target_id),
        }
    }
    let unserved = number(unserved.len() as u64, "target");
    match workers.len() {
        0 if lines.is_empty() => {}
        0 => table.note("worker: none; no daemon is running"),
        1 => workers.keys().for_each(|worker| table.note(format!("worker: {worker}"))),
        _ => {
            for (worker, targets) in &workers {
                table.note(format!("worker: {worker}, {}", number(targets.len() as u64, "target")));
            }
        }
    }
    if !workers.is_empty() && lines.iter().any(|line| line.worker.is_none()) {
        table.note(format!(
            "worker: none at the moment for {unserved}; another daemon takes over when a lease has ended"
        ));
    }
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
    use domain::{Cursor, CursorId, CursorState, EventKey};

    use super::*;

    fn line(target: &str, state: CursorState, lag: f64, reason: Option<&str>) -> Line {
        let at: Timestamp = "2025-03-27T10:22:43.262665Z".parse().expect("a time");
        let key = EventKey::after("1743070963.262665".parse().expect("a position"));
        let cursor = Cursor {
            event_date: Some(at),
            last_updated: at,
            state,
            reason: reason.map(str::to_owned),
            ..Cursor::new(CursorId(1), "id".into(), "312909075211878808".into(), key)
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
            removed_at: None,
            cursor,
        }
    }

    #[test]
    fn several_workers_are_named_with_how_many_targets_they_serve() {
        let of = |target: &str, worker: Option<&str>| {
            let mut line = line(target, CursorState::Live, 0.0, None);
            line.target_id = target.into();
            line.worker = worker.map(str::to_owned);
            line
        };
        let lines = [of("a", Some("w1")), of("a", Some("w1")), of("b", Some("w2")), of("c", Some("w1")), of("d", None)];
        let now: Timestamp = "2025-03-27T10:23:00Z".parse().expect("a time");
        let text = table(&lines, false, None, now).render(false);
        let notes: Vec<_> = text.lines().filter(|line| line.starts_with("worker")).collect();
        assert_eq!(
            notes,
            [
                "worker: w1, 2 targets",
                "worker: w2, 1 target",
                "worker: none at the moment for 1 target; another daemon takes over when a lease has ended"
            ]
        );
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
