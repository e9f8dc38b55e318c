//! `postrider cursor seek NAME --to X`.
//!
//! Invariants: no cursor is put beyond the horizon, where events may still appear behind it; whatever is refused, nothing was
//! changed before, and cursors on several instances are moved all or none.

use std::{collections::BTreeSet, process::ExitCode};

use clap::Args;
use domain::{Cursor, Position, Router, Start};
use engine::Resolved;
use serde::Serialize;
use store::{EventStore, Seek as Move, State, Worker};

use super::Chosen;
use crate::{
    commands::{
        act::How,
        place::{first_position, resolve},
        reckon::Reckoner,
    },
    config::Config,
    context::Context,
    failure::usage,
    output::{Table, Tone, place},
};

#[derive(Args)]
pub struct Seek {
    /// The target's name
    name: String,
    /// now, beginning, a position (the event there is sent again), or a time with its offset (2025-03-27T10:00:00Z)
    #[arg(long, value_name = "PLACE")]
    to: Start,
    /// On this instance only; otherwise on every instance where the target has a cursor
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// Give events a new Webhook-Id, for receivers that would take them for duplicates
    #[arg(long)]
    new_ids: bool,
    /// The event store has lost events for good: take it as it is at the daemon's next start (the daemon must not run)
    #[arg(long)]
    accept_lost: bool,
    #[command(flatten)]
    how: How,
}

/// The names are a promise to scripts.
#[derive(Serialize)]
struct Moved {
    target: String,
    instance_id: String,
    from: String,
    to: String,
    position: Position,
    direction: &'static str,
    dry_run: bool,
    /// Settled events that are sent because of it; only told by a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    would_send: Option<u64>,
    /// Events that are passed without being sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    would_pass: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capped: Option<bool>,
    #[serde(skip)]
    said: [String; 2],
}

impl Seek {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let Chosen { config, state, definitions, cursors, .. } =
            Chosen::read(context, &self.name, self.instance.as_deref()).await?;
        if self.accept_lost && state.workers().await?.iter().any(Worker::is_live) {
            return Err(usage(
                "a daemon is running; stop it first, so that nothing is sent while the store is in doubt \
                 (`postrider worker list` shows which)",
            ));
        }
        let events = context.events(&config).await?;
        let to = self.resolved(&cursors, &events, &state).await?;
        let router = Router::build(&definitions)?;
        let moved = self.moved(&cursors, &to, &router, &events, &config).await?;
        let ids: BTreeSet<_> = cursors.iter().map(|cursor| cursor.id).collect();
        let seek = Move { cursors: &ids, to: &to.key, new_ids: self.new_ids, accept_lost: self.accept_lost };
        state.seek_all(seek, self.how.by(&context.actor())).await?;
        context.output.print(&moved, || table(&moved, self.how.dry_run))?;
        Ok(ExitCode::SUCCESS)
    }

    async fn resolved(&self, cursors: &[Cursor], events: &EventStore, state: &State) -> anyhow::Result<Resolved> {
        let mut to = resolve(events, state, self.to).await?;
        if let Start::At(position) = self.to {
            behind_the_first(position, cursors, events).await?;
        }
        if self.accept_lost {
            // How far the store was known says nothing any more.
            let head = events.probe().await?.head;
            if self.to == Start::Now && to.position > head {
                to = Resolved { key: self.to.cursor_at(head), position: head, ..to };
            }
            if to.position > head {
                return Err(beyond(self.to, head));
            }
        } else {
            within_horizon(&to, self.to, events, state).await?;
        }
        Ok(to)
    }

    async fn moved(
        &self,
        cursors: &[Cursor],
        to: &Resolved,
        router: &Router,
        events: &EventStore,
        config: &Config,
    ) -> anyhow::Result<Vec<Moved>> {
        let reckoner = if self.how.dry_run { Some(Reckoner::new(router, events, config).await?) } else { None };
        let mut all = Vec::new();
        for cursor in cursors {
            let mut moved = Moved {
                target: self.name.clone(),
                instance_id: cursor.instance_id.to_string(),
                from: place(&cursor.key),
                to: place(&to.key),
                position: to.position,
                direction: if to.key < cursor.key { "back" } else { "forward" },
                dry_run: self.how.dry_run,
                would_send: None,
                would_pass: None,
                capped: None,
                said: Default::default(),
            };
            if let Some(reckoner) = &reckoner {
                let would = reckoner.moved(cursor, &to.key).await?;
                moved.would_send = Some(would.sent.events);
                moved.would_pass = Some(would.passed.events);
                moved.capped = Some(would.sent.capped || would.passed.capped);
                moved.said = [would.sent.to_string(), would.passed.to_string()];
            }
            all.push(moved);
        }
        Ok(all)
    }
}

fn table(all: &[Moved], dry_run: bool) -> Table {
    let mut header = vec!["target", "instance", "from", "to", "direction"];
    header.extend(dry_run.then_some(["would send", "would pass"]).into_iter().flatten());
    let mut table = Table::new(header, "");
    for moved in all {
        let Moved { target, instance_id, from, to, direction, said, .. } = moved;
        let mut cells = vec![target.clone(), instance_id.clone(), from.clone(), to.clone(), (*direction).to_owned()];
        cells.extend(said.iter().filter(|_| dry_run).cloned());
        table.row(Tone::Plain, cells);
    }
    if dry_run {
        table.note("dry run: nothing was changed");
    }
    table
}

/// A position that no event has or follows is a slip, most likely a number too few.
async fn behind_the_first(position: Position, cursors: &[Cursor], events: &EventStore) -> anyhow::Result<()> {
    let mut first: Option<Position> = None;
    for cursor in cursors {
        let here = first_position(events, &cursor.instance_id).await?;
        first = first.into_iter().chain(here).min();
    }
    match first {
        Some(first) if position < first => Err(usage(format!(
            "{position} is before the first event, which is at {first}; `--to beginning` sends everything there is"
        ))),
        _ => Ok(()),
    }
}

async fn within_horizon(resolved: &Resolved, to: Start, events: &EventStore, state: &State) -> anyhow::Result<()> {
    if matches!(to, Start::Now | Start::Beginning) {
        return Ok(());
    }
    if state.horizon().await?.is_some_and(|(mark, _)| resolved.position <= mark.watermark) {
        return Ok(());
    }
    let now = resolve(events, state, Start::Now).await?;
    if resolved.position > now.position { Err(beyond(to, now.position)) } else { Ok(()) }
}

fn beyond(to: Start, horizon: Position) -> anyhow::Error {
    usage(format!(
        "{to} is beyond the horizon {horizon}, where events may still appear behind the cursor; `--to now` is as far as it goes"
    ))
}
