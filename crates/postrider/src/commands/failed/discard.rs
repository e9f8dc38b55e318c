//! `postrider failed discard TARGET`.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::filter::{Chosen, nothing};
use crate::{
    commands::{
        act::{Because, events, told},
        known::Known,
    },
    context::Context,
};

/// Failed events are given up for good: one, all of a target, or those that match. A removed target is named by its id.
#[derive(Args)]
pub struct Discard {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    because: Because,
}

impl Discard {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let known = Known::read(&state).await?;
        let name = self.chosen.target.clone();
        let choice = self.chosen.choice(&state, &known).await?;
        let (actor, dry_run) = (context.actor(), self.because.dry_run);
        let matching = choice.events.len() as u64;
        let count = state.discard(&choice.filter, self.because.by(&actor)).await?;
        if count == 0 {
            return Err(nothing(&name));
        }
        let mut answer =
            json!({ "target": choice.owner.name, "discarded": if dry_run { 0 } else { count }, "dry_run": dry_run });
        if dry_run {
            answer["would_send"] = json!(0);
            answer["would_discard"] = json!(count);
        }
        let left = match matching.saturating_sub(count) {
            0 => String::new(),
            left => format!("; {} with others before them may still be delivered, and stay", events(left)),
        };
        let verb = if dry_run { "would be discarded" } else { "discarded" };
        told(context, dry_run, &answer, &format!("{} {verb}{left}", events(count)))?;
        Ok(ExitCode::SUCCESS)
    }
}
