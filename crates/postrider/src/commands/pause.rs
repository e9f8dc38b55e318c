//! `postrider target pause|resume NAME`.

use std::process::ExitCode;

use clap::Args;
use domain::{Cursor, Router};
use serde_json::json;

use super::{
    act::{How, told},
    reckon::{Reckoner, Tally},
};
use crate::context::{Context, target_named};

#[derive(Args)]
pub struct Pause {
    /// The target's name
    name: String,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
pub struct Resume {
    /// The target's name
    name: String,
    #[command(flatten)]
    how: How,
}

impl Pause {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        set_paused(context, &self.name, true, &self.how).await
    }
}

impl Resume {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        set_paused(context, &self.name, false, &self.how).await
    }
}

async fn set_paused(context: &Context, name: &str, paused: bool, how: &How) -> anyhow::Result<ExitCode> {
    let config = context.config()?;
    let state = context.state(&config).await?;
    let definitions = state.definitions().await?;
    let target = target_named(&definitions, name)?;
    let mut answer = json!({ "target": name, "target_id": target.id, "paused": paused });
    let mut wait = String::new();
    if how.dry_run {
        let events = context.events(&config).await?;
        let router = Router::build(&definitions)?;
        let reckoner = Reckoner::new(&router, &events, &config).await?;
        let (mut waiting, mut sent) = (Tally::default(), Tally::default());
        for cursor in state.cursors().await?.iter().filter(|cursor| cursor.target_id == target.id) {
            let left = reckoner.waiting(cursor).await?;
            waiting = waiting.and(left);
            if target.paused && !paused && !is_halted(cursor) {
                sent = sent.and(left);
            }
        }
        answer["would_send"] = json!(sent.events);
        answer["waiting"] = json!(waiting.events);
        answer["capped"] = json!(waiting.capped);
        wait = if paused { format!("; {waiting} would wait") } else { format!("; {sent} would be sent") };
    }
    let actor = context.actor();
    let changed = state.set_paused(&target.id, paused, how.by(&actor)).await?;
    answer["changed"] = json!(changed && !how.dry_run);
    answer["dry_run"] = json!(how.dry_run);
    let word = if paused { "paused" } else { "active" };
    let sentence = match (changed, how.dry_run) {
        (true, true) => format!("{name} would be {word}{wait}"),
        (true, false) => format!("{name} is {word}"),
        (false, _) => format!("{name} is {word} already"),
    };
    told(context, how.dry_run, &answer, &sentence)?;
    Ok(ExitCode::SUCCESS)
}

/// Nothing goes from there, paused or not.
pub fn is_halted(cursor: &Cursor) -> bool {
    cursor.halt.is_some() || cursor.state == domain::CursorState::Halted
}
