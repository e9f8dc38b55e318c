//! `postrider cursor halt|unhalt NAME`.

use std::{collections::BTreeSet, process::ExitCode};

use clap::Args;
use domain::{Cursor, CursorState, Router, Target};
use serde_json::{Value, json};

use super::{Chosen, on};
use crate::{
    commands::{
        act::{Because, How, events, told},
        pause::is_halted,
        reckon::{Reckoner, Tally},
    },
    context::Context,
};

#[derive(Args)]
pub struct Halt {
    /// The target's name
    name: String,
    /// On this instance only; otherwise on every instance where the target has a cursor
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    #[command(flatten)]
    because: Because,
}

#[derive(Args)]
pub struct Unhalt {
    /// The target's name
    name: String,
    /// On this instance only; otherwise on every instance where the target has a cursor
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    #[command(flatten)]
    how: How,
}

impl Halt {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let chosen = Chosen::read(context, &self.name, self.instance.as_deref()).await?;
        let Chosen { state, cursors, .. } = &chosen;
        let dry_run = self.because.dry_run;
        let waiting = if dry_run { Some(waiting(context, &chosen, cursors).await?) } else { None };
        let (ids, actor) = (ids(cursors), context.actor());
        state.halt(&ids, &self.because.reason, self.because.by(&actor)).await?;
        let mut answer = json!({ "target": self.name, "instances": instances(cursors), "halted": !dry_run });
        answer["dry_run"] = json!(dry_run);
        let wait = waiting.map(|waiting| {
            tell(&mut answer, Tally::default(), waiting);
            format!("; {waiting} would wait")
        });
        let verb = if dry_run { "would be" } else { "is" };
        let sentence = format!("{} {verb} halted{}{}", self.name, everywhere(cursors), wait.unwrap_or_default());
        told(context, dry_run, &answer, &sentence)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Unhalt {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let chosen = Chosen::read(context, &self.name, self.instance.as_deref()).await?;
        let Chosen { state, target, cursors, .. } = &chosen;
        let (ids, actor, dry_run) = (ids(cursors), context.actor(), self.how.dry_run);
        let done = state.unhalt(&ids, self.how.by(&actor)).await?;
        let freed: Vec<Cursor> = cursors.iter().filter(|cursor| done.cursors.contains(&cursor.id)).cloned().collect();
        let mut answer = json!({
            "target": self.name,
            "instances": instances(&freed),
            "changed": !freed.is_empty() && !dry_run,
            "retried": done.retried,
            "dry_run": dry_run,
        });
        let waiting = if dry_run { Some(waiting(context, &chosen, &freed).await?) } else { None };
        if let Some(waiting) = waiting {
            tell(&mut answer, if target.paused { Tally::default() } else { waiting }, waiting);
        }
        let sentence = match (&freed[..], waiting) {
            ([], _) => nothing(target, cursors),
            (freed, Some(waiting)) if target.paused => {
                format!("{} would go on{} once it is resumed; {waiting} would wait", self.name, everywhere(freed))
            }
            (freed, Some(waiting)) => {
                format!("{} would go on{}; {waiting} would be sent", self.name, everywhere(freed))
            }
            (freed, None) if done.retried > 0 => {
                format!("{} goes on{}; {} tried again", self.name, everywhere(freed), are(done.retried))
            }
            (freed, None) => format!("{} goes on{}", self.name, everywhere(freed)),
        };
        told(context, dry_run, &answer, &sentence)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn are(count: u64) -> String {
    format!("{} {}", events(count), if count == 1 { "is" } else { "are" })
}

/// A row that cannot be read halts a cursor too, and nothing but mending or skipping it helps.
fn nothing(target: &Target, cursors: &[Cursor]) -> String {
    let by_a_row = cursors.iter().find(|cursor| cursor.state == CursorState::Halted && is_halted(cursor));
    match by_a_row {
        Some(cursor) => format!(
            "{} is not halted by an operator or a failed event{}; what stands in its way is mended, or parked with \
             `postrider cursor skip {}`",
            target.name,
            on(&cursor.instance_id),
            target.name
        ),
        None => format!("{} is not halted", target.name),
    }
}

fn ids(cursors: &[Cursor]) -> BTreeSet<domain::CursorId> {
    cursors.iter().map(|cursor| cursor.id).collect()
}

fn instances(cursors: &[Cursor]) -> Vec<Value> {
    cursors.iter().map(|cursor| json!(cursor.instance_id)).collect()
}

fn everywhere(cursors: &[Cursor]) -> String {
    match cursors {
        [cursor] => on(&cursor.instance_id),
        cursors => format!(" on {} instances", cursors.len()),
    }
}

fn tell(answer: &mut Value, sent: Tally, waiting: Tally) {
    answer["would_send"] = json!(sent.events);
    answer["waiting"] = json!(waiting.events);
    answer["capped"] = json!(waiting.capped);
}

async fn waiting(context: &Context, chosen: &Chosen, cursors: &[Cursor]) -> anyhow::Result<Tally> {
    let router = Router::build(&chosen.definitions)?;
    let events = context.events(&chosen.config).await?;
    let reckoner = Reckoner::new(&router, &events, &chosen.config).await?;
    let mut waiting = Tally::default();
    for cursor in cursors {
        waiting = waiting.and(reckoner.waiting(cursor).await?);
    }
    Ok(waiting)
}
