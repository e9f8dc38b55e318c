//! `postrider cursor list`, once or again and again.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, IsTerminal},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use domain::{CursorState, TargetId, Timestamp};
use operate::{
    COUNT_CAP,
    cursors::{self, Line, Measured, Overview},
    now,
};
use store::State;
use tokio::time::{Instant, sleep_until};

use crate::{
    config::Config,
    context::Context,
    output::{Format, Table, Tone, age, colour_wanted, number, place, say, time, writer},
};

/// Begins a screen anew, at its top.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

#[derive(Args)]
pub struct List {
    /// Count the events that are left, up to 100000
    #[arg(long)]
    count: bool,
    /// Of targets that were removed, instead of those that are there
    #[arg(long)]
    removed: bool,
    /// Print it again and again, every 2 seconds or as many as are given; as JSON one document a line
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = interval)]
    watch: Option<Duration>,
}

/// Seconds between two looks.
pub fn interval(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let shortest = Duration::from_millis(100);
    seconds
        .filter(|seconds| *seconds >= shortest)
        .ok_or_else(|| "a number of seconds, at least 0.1, is needed".to_owned())
}

impl List {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let state = context.state(&config).await?;
        let Some(every) = self.watch else {
            let (lines, measured) = self.look(context, &config, &state).await?;
            context.output.print(&lines, || table(&lines, self.count, measured.as_ref(), now()))?;
            return Ok(ExitCode::SUCCESS);
        };
        let mut seen = false;
        loop {
            let next = Instant::now() + every;
            match self.look(context, &config, &state).await {
                Ok((lines, measured)) => {
                    seen = true;
                    self.print_again(context, every, &lines, measured.as_ref())?;
                }
                Err(error) if seen => eprintln!("warning: {error:#}; this is tried again"),
                Err(error) => return Err(error),
            }
            sleep_until(next).await;
        }
    }

    async fn look(
        &self,
        context: &Context,
        config: &Config,
        state: &State,
    ) -> anyhow::Result<(Vec<Line>, Option<Measured>)> {
        let (overview, mut lines) = cursors::list(state, &context.caller(), self.removed).await?;
        let measured = measure(context, config, &overview, &mut lines, self.count).await;
        Ok((lines, measured))
    }

    /// On a terminal in the place of what was there before.
    fn print_again(
        &self,
        context: &Context,
        every: Duration,
        lines: &[Line],
        measured: Option<&Measured>,
    ) -> anyhow::Result<()> {
        let at = now();
        let table = || table(lines, self.count, measured, at);
        let terminal = io::stdout().is_terminal();
        match context.output {
            Format::Json => say(&format!("{}\n", serde_json::to_string(lines)?)),
            Format::Table if terminal => {
                let table = table().render(colour_wanted(terminal));
                say(&format!("{CLEAR}every {}s, {}\n\n{table}", every.as_secs_f64(), time(at)))
            }
            Format::Table => say(&format!("{}\n", table().render(false))),
        }
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
) -> Option<Measured> {
    let measured = async {
        let events = context.events(config).await?;
        let max_age = config.projection.max_event_age;
        anyhow::Ok(cursors::measure(&events, max_age, overview, lines, count).await?)
    };
    match measured.await {
        Ok(measured) => Some(measured),
        Err(error) => {
            eprintln!("warning: how much is left is not known: {error:#}");
            None
        }
    }
}

fn tone(state: CursorState) -> Tone {
    match state {
        CursorState::Halted => Tone::Bad,
        CursorState::Retrying | CursorState::Holding => Tone::Warning,
        CursorState::Paused => Tone::Dim,
        CursorState::Live | CursorState::CatchingUp | CursorState::Waiting => Tone::Plain,
    }
}

/// The table of all cursors.
pub fn table(lines: &[Line], counted: bool, measured: Option<&Measured>, now: Timestamp) -> Table {
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
        table.row(tone(line.state), cells);
    }
    note_workers(&mut table, lines);
    if let Some(note) = held(measured) {
        table.note(note);
    }
    table
}

/// Who keeps the horizon back, if anybody does.
pub fn held(measured: Option<&Measured>) -> Option<String> {
    let Measured { head, holder } = measured?;
    let holder = writer(holder.as_ref()?);
    Some(format!("horizon: held below {head} by an open transaction: {holder}"))
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

/// How many events are left.
pub fn left(events: Option<u64>) -> String {
    match events {
        Some(COUNT_CAP..) => format!("{COUNT_CAP}+"),
        Some(events) => events.to_string(),
        None => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use domain::{Cursor, CursorId, EventKey, Writer};

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
        let held = Measured { head: "1743070999".parse().expect("a position"), holder: Some(holder) };
        insta::assert_snapshot!(table(&lines, true, Some(&held), now).render(false));
        insta::assert_snapshot!(table(&lines, false, None, now).render(true));
        insta::assert_snapshot!(table(&[], false, None, now).render(false));
    }
}
