//! Which failed events: for looking at them, and for acting on them.

use clap::{ArgGroup, Args};
use domain::{FailedStatus, Timestamp, TypePattern};
use operate::failed;

use crate::context::Context;

/// What narrows, whatever is done with the events.
#[derive(Args)]
pub struct Narrow {
    /// On this instance only
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// Of this aggregate
    #[arg(long, value_name = "ID")]
    aggregate: Option<String>,
    /// With this sequence
    #[arg(long, value_name = "N", requires = "aggregate")]
    sequence: Option<i64>,
    /// Of this event type, or of a group such as user.human.*
    #[arg(long = "type", value_name = "PATTERN")]
    event_type: Option<TypePattern>,
    /// Failed last at this time or later (2025-03-27T10:00:00Z)
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Failed last before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// With this text in the error, in whatever case
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// In this status: retrying, parked, interrupted, halted
    #[arg(long)]
    status: Option<FailedStatus>,
}

impl Narrow {
    fn asked(self) -> failed::Narrow {
        failed::Narrow {
            instance: self.instance,
            aggregate: self.aggregate,
            sequence: self.sequence,
            event_type: self.event_type,
            since: self.since,
            until: self.until,
            error: self.error,
            status: self.status,
        }
    }
}

/// Which events, for looking.
#[derive(Args)]
pub struct Which {
    /// Of this target: its name, or the id of one that was removed
    target: Option<String>,
    #[command(flatten)]
    narrow: Narrow,
    /// Of targets that were removed, instead of those that are there
    #[arg(long)]
    removed: bool,
}

impl Which {
    /// The events with their targets, ordered by target and key.
    pub async fn lines(self, context: &Context) -> anyhow::Result<Vec<failed::Line>> {
        let state = context.state(&context.config()?).await?;
        let target = self.target.as_deref();
        Ok(failed::list(target, self.narrow.asked(), self.removed, &context.caller(), &state).await?)
    }
}

/// Which events, for acting: one, all of a target, or those that match, but never by leaving something out.
#[derive(Args)]
#[command(group(
    ArgGroup::new("chosen").required(true).multiple(true).args(["aggregate", "event_type", "since", "until", "error", "status", "all"])
))]
pub struct Chosen {
    /// The target's name
    target: String,
    #[command(flatten)]
    narrow: Narrow,
    /// All of the target
    #[arg(long, conflicts_with_all = ["aggregate", "sequence", "event_type", "since", "until", "error", "status"])]
    all: bool,
}

impl Chosen {
    /// Whose, and which.
    pub fn asked(self) -> (String, failed::Narrow) {
        (self.target, self.narrow.asked())
    }
}
