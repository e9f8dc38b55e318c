//! `postrider explain`: where an event goes, or which events a target would receive, and why.

mod event;
mod range;

use std::process::ExitCode;

use clap::Args;
use domain::Start;

use crate::context::Context;

/// Of one event type: which execution it fires, and whom that calls. Of a target: what it would receive between two places,
/// and what keeps the other events from it. Nothing is sent.
#[derive(Args)]
pub struct Explain {
    /// Such as user.human.added
    #[arg(required_unless_present = "target", conflicts_with = "target")]
    event_type: Option<String>,
    /// What this target would receive, with the definitions now in force
    #[arg(long, value_name = "NAME", requires_all = ["from", "to"])]
    target: Option<String>,
    /// From here on: beginning, now, a position, or a time with its offset (2025-03-27T10:00:00Z)
    #[arg(long, value_name = "PLACE", requires = "target")]
    from: Option<Start>,
    /// Up to here: as --from; what is at a position belongs to it, what is at a time does not
    #[arg(long, value_name = "PLACE", requires = "target")]
    to: Option<Start>,
    /// On this instance; otherwise on one that has no executions of its own, and with --target on all of them
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// List at most so many events; all of them are counted
    #[arg(long, value_name = "N", default_value_t = 100, requires = "target")]
    limit: usize,
}

impl Explain {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        if let (Some(target), Some(from), Some(to)) = (&self.target, self.from, self.to) {
            return range::run(context, target, (from, to), self.instance.as_deref(), self.limit).await;
        }
        event::run(context, &self.event_type.unwrap_or_default(), self.instance.unwrap_or_default()).await
    }
}
