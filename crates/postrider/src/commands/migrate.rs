//! `postrider migrate`: the tables of the state; and, where somebody asks for it, the trigger of the event store that says when
//! there are new events.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use store::{EventStore, TriggerChange};

use crate::{config::Config, connect, context::Context, failure::usage};

#[derive(Args)]
pub struct Migrate {
    /// Instead, add a trigger to the events table of PostgreSQL, so that commits of events wake the daemon (LISTEN/NOTIFY); it
    /// needs the right TRIGGER on the table, and two-phase commits of events fail with it
    #[arg(long, group = "trigger")]
    notify_trigger: bool,
    /// Instead, take that trigger away again
    #[arg(long, group = "trigger")]
    drop_notify_trigger: bool,
    /// Print the SQL for somebody who has the rights, and change nothing
    #[arg(long, requires = "trigger")]
    print: bool,
}

impl Migrate {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        match (self.notify_trigger, self.drop_notify_trigger) {
            (false, false) => state(context, &config).await,
            (true, _) => self.trigger(context, &config, TriggerChange::Add).await,
            (false, true) => self.trigger(context, &config, TriggerChange::Drop).await,
        }
    }

    async fn trigger(&self, context: &Context, config: &Config, change: TriggerChange) -> anyhow::Result<ExitCode> {
        let events = context.events(config).await?;
        if let EventStore::Sqlite(_) = events {
            return Err(usage(
                "a SQLite event store needs no notify trigger: SQLite has nothing that wakes another process, and to look into \
                 the file every projection.poll_interval costs next to nothing",
            ));
        }
        let place = || format!("the event store at {}", config.event_store.url);
        if self.print {
            let sql = events.trigger_sql(change).await.with_context(place)?;
            context.output.tell(&json!({ "sql": sql }), sql.trim_end())?;
            return Ok(ExitCode::SUCCESS);
        }
        let done = events.change_trigger(change).await.with_context(place)?;
        let sentence = match (change, done.changed) {
            (TriggerChange::Add, true) => "the notify trigger was added; a daemon that runs listens within a minute",
            (TriggerChange::Add, false) => "the notify trigger is there already",
            (TriggerChange::Drop, true) => "the notify trigger was dropped; a daemon that runs polls within a minute",
            (TriggerChange::Drop, false) => "there is no notify trigger",
        };
        if change == TriggerChange::Add && done.two_phase {
            eprintln!(
                "warning: this server allows two-phase commits (max_prepared_transactions): PREPARE TRANSACTION now fails for \
                 whoever has added events"
            );
        }
        context.output.tell(&json!({ "changed": done.changed }), sentence)?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn state(context: &Context, config: &Config) -> anyhow::Result<ExitCode> {
    let state = connect::state(config).await?;
    let done = state.migrate().await.with_context(|| format!("the state at {}", config.state))?;
    let sentence = match (done.from, done.to) {
        (from, to) if from == to => format!("the state is at schema {to} already"),
        (0, to) => format!("the state was created, at schema {to}"),
        (from, to) => format!("the state was migrated from schema {from} to {to}"),
    };
    context.output.tell(&json!({ "from": done.from, "to": done.to }), &sentence)?;
    Ok(ExitCode::SUCCESS)
}
