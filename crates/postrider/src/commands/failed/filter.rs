//! Which failed events: for looking at them, and for acting on them.

use clap::{ArgGroup, Args};
use domain::{FailedEvent, FailedStatus, InstanceId, TargetId, Timestamp, TypePattern};
use store::{FailedFilter, State};

use super::line::Line;
use crate::{
    commands::known::{Known, Owner, no_cursor},
    failure::usage,
};

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
    fn filter(self, target: Option<TargetId>) -> FailedFilter {
        FailedFilter {
            target,
            instance: self.instance.map(Into::into),
            aggregate_id: self.aggregate,
            sequence: self.sequence,
            status: self.status,
            event_type: self.event_type,
            since: self.since,
            until: self.until,
            error: self.error,
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
    pub async fn lines(self, state: &State) -> anyhow::Result<Vec<Line>> {
        let known = Known::read(state).await?;
        let owner = self.target.as_deref().map(|name| known.any(name)).transpose()?;
        let removed = self.removed || owner.as_ref().is_some_and(|owner| owner.removed_at.is_some());
        let filter = self.narrow.filter(owner.map(|owner| owner.id));
        let found = state.failed_events(&filter).await?;
        let mut lines: Vec<_> = (found.into_iter())
            .map(|(target, instance, event)| (event.key.clone(), Line::new(known.by_id(&target), instance, event)))
            .filter(|(_, line)| line.removed_at.is_some() == removed)
            .collect();
        lines.sort_by(|(a_key, a), (b_key, b)| (&a.target, a_key).cmp(&(&b.target, b_key)));
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }
}

/// Which events, for acting: one, all of a target, or those that match, but never by leaving something out.
#[derive(Args)]
#[command(group(
    ArgGroup::new("chosen").required(true).multiple(true).args(["aggregate", "event_type", "since", "until", "error", "status", "all"])
))]
pub struct Chosen {
    /// The target's name
    pub target: String,
    #[command(flatten)]
    narrow: Narrow,
    /// All of the target
    #[arg(long, conflicts_with_all = ["aggregate", "sequence", "event_type", "since", "until", "error", "status"])]
    all: bool,
}

/// What was chosen.
pub struct Choice {
    pub owner: Owner,
    pub filter: FailedFilter,
    /// What matches as things stand, in the order of keys.
    pub events: Vec<(InstanceId, FailedEvent)>,
}

impl Chosen {
    /// Refuses an aggregate without a sequence, an instance that the target is not on, and one event that could be two.
    pub async fn choice(self, state: &State, known: &Known) -> anyhow::Result<Choice> {
        let owner = known.any(&self.target)?;
        let one = self.narrow.aggregate.is_some();
        if one && self.narrow.sequence.is_none() {
            return Err(usage("one event has an --aggregate and a --sequence; `postrider failed list` shows them"));
        }
        if let Some(instance) = &self.narrow.instance {
            let cursors = state.cursors().await?;
            let on: Vec<_> =
                (cursors.into_iter()).filter(|cursor| cursor.target_id == owner.id).map(|c| c.instance_id).collect();
            if !on.iter().any(|known| known.as_str() == instance) {
                return Err(no_cursor(&self.target, instance, &on));
            }
        }
        let filter = self.narrow.filter(Some(owner.id.clone()));
        let found = state.failed_events(&filter).await?;
        let events: Vec<_> = found.into_iter().map(|(_, instance, event)| (instance, event)).collect();
        if one {
            let mut instances: Vec<&str> = events.iter().map(|(instance, _)| instance.as_str()).collect();
            instances.sort_unstable();
            instances.dedup();
            if instances.len() > 1 {
                return Err(usage(format!(
                    "there is one on several instances; name one with --instance: {}",
                    instances.join(", ")
                )));
            }
        }
        Ok(Choice { owner, filter, events })
    }
}

/// Nothing found is a failure: a script that meant something should know.
pub fn nothing(target: &str) -> anyhow::Error {
    anyhow::anyhow!("no failed event of {target} matches; `postrider failed list {target}` shows what there is")
}
