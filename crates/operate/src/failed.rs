//! Failed events: looking at them, sending them again, giving them up.

use std::collections::HashMap;

use domain::{FailedEvent, FailedStatus, InstanceId, Target, TargetId, Timestamp, TypePattern};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use store::{FailedCount, FailedFilter, State};

use crate::{Caller, How, Known, OperateError, Owner, Told, known::no_cursor, told::count_of_events};

/// One failed event. The names are a promise to scripts.
#[derive(Clone, Serialize, Debug, JsonSchema)]
#[schemars(rename = "FailedEvent")]
pub struct Line {
    /// Its target's name.
    pub target: String,
    /// Its target's id.
    #[schemars(with = "String")]
    pub target_id: TargetId,
    /// Where.
    #[schemars(with = "String")]
    pub instance_id: InstanceId,
    /// What it happened to.
    pub aggregate_type: String,
    /// What it happened to.
    pub aggregate_id: String,
    /// Its number within its aggregate.
    pub sequence: i64,
    /// What happened.
    pub event_type: String,
    /// Where it stands in the store.
    pub position: String,
    /// Where it stands in its transaction.
    pub in_tx_order: i64,
    /// How often it failed.
    pub failure_count: u32,
    /// What becomes of it.
    #[schemars(with = "String")]
    pub status: FailedStatus,
    /// How it failed last.
    pub error: String,
    /// When it failed first.
    pub first_failed: Timestamp,
    /// When it failed last.
    pub last_failed: Timestamp,
    /// Since when its target is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Timestamp>,
}

impl Line {
    /// Of a target that may have been removed.
    #[must_use]
    pub fn new(owner: Owner, instance_id: InstanceId, event: FailedEvent) -> Self {
        Self {
            target: owner.name,
            target_id: owner.id,
            removed_at: owner.removed_at,
            instance_id,
            aggregate_type: event.key.aggregate_type.to_string(),
            aggregate_id: event.key.aggregate_id.to_string(),
            sequence: event.key.sequence,
            event_type: event.event_type.to_string(),
            position: event.key.position.to_string(),
            in_tx_order: event.key.in_tx_order,
            failure_count: event.failure_count,
            status: event.status,
            error: event.error,
            first_failed: event.first_failed,
            last_failed: event.last_failed,
        }
    }
}

/// Which failed events; what is `None` does not narrow.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Narrow {
    /// On this instance only.
    pub instance: Option<String>,
    /// Of this aggregate.
    pub aggregate: Option<String>,
    /// With this number within the aggregate.
    pub sequence: Option<i64>,
    /// Of this event type or group.
    pub event_type: Option<TypePattern>,
    /// Failed last at this time or later.
    pub since: Option<Timestamp>,
    /// Failed last before this time.
    pub until: Option<Timestamp>,
    /// With this text in the error, in whatever case.
    pub error: Option<String>,
    /// In this status.
    pub status: Option<FailedStatus>,
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

/// The events that match, ordered by target and key: of one target (its name, or the id of one that was removed) or of all.
/// With `removed` those of targets that are gone, instead of those that are there.
pub async fn list(
    target: Option<&str>,
    narrow: Narrow,
    removed: bool,
    caller: &Caller,
    state: &State,
) -> Result<Vec<Line>, OperateError> {
    let known = Known::read(state, caller).await?;
    let owner = target.map(|name| known.any(name)).transpose()?;
    let removed = removed || owner.as_ref().is_some_and(|owner| owner.removed_at.is_some());
    let filter = narrow.filter(owner.map(|owner| owner.id));
    let found = state.failed_events(&filter).await?;
    let mut lines: Vec<_> = (found.into_iter())
        .filter(|(target, _, _)| known.sees(target))
        .map(|(target, instance, event)| (event.key.clone(), Line::new(known.by_id(&target), instance, event)))
        .filter(|(_, line)| line.removed_at.is_some() == removed)
        .collect();
    lines.sort_by(|(a_key, a), (b_key, b)| (&a.target, a_key).cmp(&(&b.target, b_key)));
    Ok(lines.into_iter().map(|(_, line)| line).collect())
}

/// What failed last of a target: a bounded look, for pages that are kept up to date.
#[derive(Clone, Debug)]
pub struct Last {
    /// The latest first, at most as many as were asked for.
    pub lines: Vec<Line>,
    /// How many there are in all.
    pub count: u64,
    /// How many of them are parked.
    pub parked: u64,
    /// When the first of them failed first.
    pub since: Timestamp,
}

/// The events of these targets that failed last, at most so many of each, and none in the status `but`. Targets without any are
/// left out, and so are those that are not the caller's to see.
pub async fn last(
    targets: &[&Target],
    but: Option<FailedStatus>,
    most: u32,
    caller: &Caller,
    state: &State,
) -> Result<HashMap<TargetId, Last>, OperateError> {
    let mut found = HashMap::new();
    let counts = state.failed_counts().await?;
    for target in targets.iter().filter(|target| caller.sees(target)) {
        let of_it = || {
            let is_it = |count: &&FailedCount| count.target == target.id && Some(count.status) != but;
            counts.iter().filter(is_it)
        };
        let Some(since) = of_it().map(|count| count.first_failed).min() else { continue };
        let parked = of_it().filter(|count| count.status == FailedStatus::Parked);
        let lines = state.failed_last(&target.id, but, most).await?.into_iter();
        let last = Last {
            count: of_it().map(|count| count.events).sum(),
            parked: parked.map(|count| count.events).sum(),
            since,
            lines: lines.map(|(instance, event)| Line::new(Owner::from(*target), instance, event)).collect(),
        };
        found.insert(target.id.clone(), last);
    }
    Ok(found)
}

/// What an act on failed events is about.
struct Choice {
    owner: Owner,
    filter: FailedFilter,
    /// How many match as things stand.
    matching: u64,
}

impl Choice {
    /// Refuses an aggregate without a sequence, an instance that the target is not on, and one event that could be two.
    async fn of(name: &str, narrow: Narrow, caller: &Caller, state: &State) -> Result<Self, OperateError> {
        let owner = Known::read(state, caller).await?.any(name)?;
        let one = narrow.aggregate.is_some();
        if one && narrow.sequence.is_none() {
            return Err(OperateError::Invalid(
                "one event has an --aggregate and a --sequence; `postrider failed list` shows them".to_owned(),
            ));
        }
        if let Some(instance) = &narrow.instance {
            let cursors = state.cursors().await?;
            let on: Vec<_> =
                (cursors.into_iter()).filter(|cursor| cursor.target_id == owner.id).map(|c| c.instance_id).collect();
            if !on.iter().any(|known| known.as_str() == instance) {
                return Err(no_cursor(name, instance, &on));
            }
        }
        let filter = narrow.filter(Some(owner.id.clone()));
        let found = state.failed_events(&filter).await?;
        if one {
            let mut instances: Vec<&str> = found.iter().map(|(_, instance, _)| instance.as_str()).collect();
            instances.sort_unstable();
            instances.dedup();
            if instances.len() > 1 {
                return Err(OperateError::Invalid(format!(
                    "there is one on several instances; name one with --instance: {}",
                    instances.join(", ")
                )));
            }
        }
        Ok(Self { owner, filter, matching: found.len() as u64 })
    }
}

/// What was parked or halted is sent again; what was interrupted, and what is being retried already, only if it is named by its
/// status or as one event.
pub async fn retry(
    name: &str,
    narrow: Narrow,
    how: &How,
    caller: &Caller,
    state: &State,
) -> Result<Told, OperateError> {
    let Choice { owner, filter, .. } = Choice::of(name, narrow, caller, state).await?;
    if owner.removed_at.is_some() {
        return Err(OperateError::Precondition(format!(
            "{name} was removed: nothing is sent to it any more; discard its events"
        )));
    }
    let count = state.retry(&filter, how.by(caller)).await?;
    if count == 0 {
        return Err(nothing(name));
    }
    let dry_run = how.dry_run;
    let mut answer = json!({ "target": owner.name, "retried": if dry_run { 0 } else { count }, "dry_run": dry_run });
    if dry_run {
        answer["would_send"] = json!(count);
    }
    let verb = if dry_run { "would be sent again" } else { "will be sent again" };
    Ok(Told { answer, sentence: format!("{} {verb}", count_of_events(count)), dry_run })
}

/// Failed events are given up for good. A reason is needed.
pub async fn discard(
    name: &str,
    narrow: Narrow,
    how: &How,
    caller: &Caller,
    state: &State,
) -> Result<Told, OperateError> {
    if how.reason.is_none() {
        return Err(OperateError::Invalid("say why, in a few words, for those who come after you".to_owned()));
    }
    let Choice { owner, filter, matching } = Choice::of(name, narrow, caller, state).await?;
    let count = state.discard(&filter, how.by(caller)).await?;
    if count == 0 {
        return Err(nothing(name));
    }
    let dry_run = how.dry_run;
    let mut answer = json!({ "target": owner.name, "discarded": if dry_run { 0 } else { count }, "dry_run": dry_run });
    if dry_run {
        answer["would_send"] = json!(0);
        answer["would_discard"] = json!(count);
    }
    let left = match matching.saturating_sub(count) {
        0 => String::new(),
        left => format!("; {} with others before them may still be delivered, and stay", count_of_events(left)),
    };
    let verb = if dry_run { "would be discarded" } else { "discarded" };
    Ok(Told { answer, sentence: format!("{} {verb}{left}", count_of_events(count)), dry_run })
}

/// Nothing found is a failure: a script that meant something should know.
fn nothing(target: &str) -> OperateError {
    OperateError::Nothing(format!(
        "no failed event of {target} matches; `postrider failed list {target}` shows what there is"
    ))
}
