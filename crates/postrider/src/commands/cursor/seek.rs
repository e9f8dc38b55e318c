//! `postrider cursor seek NAME --to X`.
//!
//! Invariant: no cursor is put beyond the horizon, where events may still appear behind it.

use std::process::ExitCode;

use clap::Args;
use domain::{Position, Start};
use engine::{Resolved, resolve_start};
use serde::Serialize;
use store::{EventStore, State, Worker};

use super::cursors_of;
use crate::{
    context::{Context, target_named},
    failure::usage,
    output::{Table, Tone, place, writer},
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
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
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
}

impl Seek {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let state = context.state(&config).await?;
        let definitions = state.definitions().await?;
        let target = target_named(&definitions, &self.name)?;
        let cursors = cursors_of(&state, target, self.instance.as_deref()).await?;
        if self.accept_lost && state.workers().await?.iter().any(Worker::is_live) {
            return Err(usage(
                "a daemon is running; stop it first, so that nothing is sent while the store is in doubt \
                 (`postrider worker list` shows which)",
            ));
        }
        let events = context.events(&config).await?;
        if self.accept_lost && !self.dry_run {
            state.forget_horizon().await?;
        }
        let place_in_store = resolve_start(&events, &state, self.to).await?;
        within_horizon(&place_in_store, self.to, &events, &state).await?;
        if let Some(holder) = &place_in_store.held_by {
            eprintln!(
                "warning: a transaction that may write events did not end in time ({}); now is taken to be {}",
                writer(holder),
                place_in_store.position
            );
        }
        let mut moved = Vec::new();
        for cursor in cursors {
            if !self.dry_run {
                state.seek(cursor.id, &place_in_store.key, self.new_ids, &context.actor()).await?;
            }
            moved.push(Moved {
                target: self.name.clone(),
                instance_id: cursor.instance_id.to_string(),
                from: place(&cursor.key),
                to: place(&place_in_store.key),
                position: place_in_store.position,
                direction: if place_in_store.key < cursor.key { "back" } else { "forward" },
            });
        }
        context.output.print(&moved, || {
            let mut table = Table::new(["target", "instance", "from", "to", "direction"], "");
            for moved in &moved {
                let Moved { target, instance_id, from, to, direction, .. } = moved;
                table.row(
                    Tone::Plain,
                    [target.clone(), instance_id.clone(), from.clone(), to.clone(), (*direction).to_owned()],
                );
            }
            if self.dry_run {
                table.note("dry run: nothing was changed");
            }
            table
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn within_horizon(resolved: &Resolved, to: Start, events: &EventStore, state: &State) -> anyhow::Result<()> {
    if matches!(to, Start::Now | Start::Beginning) {
        return Ok(());
    }
    if state.horizon().await?.is_some_and(|(mark, _)| resolved.position <= mark.watermark) {
        return Ok(());
    }
    let now = resolve_start(events, state, Start::Now).await?;
    if resolved.position > now.position {
        return Err(usage(format!(
            "{to} is beyond the horizon {}, where events may still appear behind the cursor; `--to now` is as far as it goes",
            now.position
        )));
    }
    Ok(())
}
