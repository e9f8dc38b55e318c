//! `postrider cursor seek NAME --to X`.

use std::process::ExitCode;

use clap::Args;
use domain::Start;
use operate::cursors::{self, Moved};

use crate::{
    commands::act::{How, warn},
    context::Context,
    output::{Table, Tone},
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

impl Seek {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let state = context.state(&config).await?;
        let how = self.how.asked();
        let seek = cursors::Seek {
            target: self.name,
            instance: self.instance,
            to: self.to,
            new_ids: self.new_ids,
            accept_lost: self.accept_lost,
        };
        // What is refused anyway is, also while the event store is away.
        cursors::chosen(&seek, &context.caller(), &state).await?;
        let events = context.events(&config).await?;
        let max_age = config.projection.max_event_age;
        let sought = cursors::seek(&seek, &how, &context.caller(), (&events, &state), max_age).await?;
        warn(&sought.warnings);
        context.output.print(&sought.moved, || table(&sought.moved, how.dry_run))?;
        Ok(ExitCode::SUCCESS)
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
