//! `postrider failed retry TARGET`.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::filter::{Chosen, nothing};
use crate::{
    commands::{
        act::{How, events, told},
        known::Known,
    },
    context::Context,
    failure::usage,
};

/// What was parked or halted is sent again: one event, all of them, or those that match. Interrupted events, and those that
/// are being retried already, are only sent if they are named by --status or by --aggregate and --sequence.
#[derive(Args)]
pub struct Retry {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    how: How,
}

impl Retry {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let known = Known::read(&state).await?;
        let name = self.chosen.target.clone();
        let choice = self.chosen.choice(&state, &known).await?;
        if choice.owner.removed_at.is_some() {
            return Err(usage(format!("{name} was removed: nothing is sent to it any more; discard its events")));
        }
        let (actor, dry_run) = (context.actor(), self.how.dry_run);
        let count = state.retry(&choice.filter, self.how.by(&actor)).await?;
        if count == 0 {
            return Err(nothing(&name));
        }
        let mut answer =
            json!({ "target": choice.owner.name, "retried": if dry_run { 0 } else { count }, "dry_run": dry_run });
        if dry_run {
            answer["would_send"] = json!(count);
        }
        let verb = if dry_run { "would be sent again" } else { "will be sent again" };
        told(context, dry_run, &answer, &format!("{} {verb}", events(count)))?;
        Ok(ExitCode::SUCCESS)
    }
}
