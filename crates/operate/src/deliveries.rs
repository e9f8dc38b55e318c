//! The last attempts, as far as they are written down, and sending one again.

use domain::{InstanceId, OutcomeKind, TargetId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use store::{AttemptFilter, AttemptId, EventStore, RecordedAttempt, State, StoreError};

use crate::{Caller, Known, OperateError, Told};

/// One attempt. The names are a promise to scripts.
#[derive(Clone, Serialize, Debug, JsonSchema)]
#[schemars(rename = "Attempt")]
pub struct Line {
    /// Its number.
    pub id: i64,
    /// Its target's name.
    pub target: String,
    /// Its target's id.
    #[schemars(with = "String")]
    pub target_id: TargetId,
    /// Where.
    #[schemars(with = "String")]
    pub instance_id: InstanceId,
    /// What happened.
    pub event_type: String,
    /// What it happened to.
    pub aggregate_type: String,
    /// What it happened to.
    pub aggregate_id: String,
    /// Its number within its aggregate.
    pub sequence: i64,
    /// Where it stands in the store.
    pub position: String,
    /// Where it stands in its transaction.
    pub in_tx_order: i64,
    /// The how manieth attempt.
    pub attempt: u32,
    /// What the answer means.
    #[schemars(with = "String")]
    pub outcome: OutcomeKind,
    /// The status of the answer.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
}

impl Line {
    /// As it was recorded.
    #[must_use]
    pub fn new(recorded: RecordedAttempt) -> Self {
        let RecordedAttempt { id, target, attempt } = recorded;
        Self {
            id: id.0,
            target: target.to_string(),
            target_id: attempt.target_id,
            instance_id: attempt.instance_id,
            event_type: attempt.event_type.to_string(),
            aggregate_type: attempt.key.aggregate_type.to_string(),
            aggregate_id: attempt.key.aggregate_id.to_string(),
            sequence: attempt.key.sequence,
            position: attempt.key.position.to_string(),
            in_tx_order: attempt.key.in_tx_order,
            attempt: attempt.attempt,
            outcome: attempt.outcome,
            status: attempt.status,
            error: attempt.error,
            started_at: attempt.started_at,
            duration_ms: attempt.duration.as_secs_f64() * 1000.0,
        }
    }
}

/// An attempt with the beginning of what was answered.
#[derive(Clone, Serialize, Debug, JsonSchema)]
#[schemars(rename = "WholeAttempt")]
pub struct Whole {
    /// The attempt.
    #[serde(flatten)]
    pub line: Line,
    /// The beginning of the answer's body, where it was kept.
    pub answer: Option<String>,
}

/// Which attempts; what is `None` does not narrow.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Which {
    /// To this target: its name or id.
    pub target: Option<String>,
    /// On this instance.
    pub instance: Option<String>,
    /// With this outcome.
    pub outcome: Option<OutcomeKind>,
    /// At most so many.
    pub limit: u32,
}

/// The last attempts, the latest first.
pub async fn list(which: Which, caller: &Caller, state: &State) -> Result<Vec<Line>, OperateError> {
    let known = Known::read(state, caller).await?;
    let instance = caller.narrow(which.instance.map(Into::into))?;
    let filter = AttemptFilter { target: None, instance, outcome: which.outcome, event: None, limit: which.limit };
    let asked = which.target.as_deref().map(|name| known.target(name)).transpose()?;
    let targets: Vec<Option<TargetId>> = match (asked, &caller.instance) {
        (Some(target), _) => vec![Some(target.id.clone())],
        (None, None) => vec![None],
        // Each by itself, so that what others were sent does not use up the limit.
        (None, Some(_)) => known.targets().map(|target| Some(target.id.clone())).collect(),
    };
    let mut lines = Vec::new();
    for target in targets {
        let filter = AttemptFilter { target, ..filter.clone() };
        lines.extend(state.attempts(&filter).await?.into_iter().map(Line::new));
    }
    lines.sort_by_key(|line| std::cmp::Reverse((line.started_at, line.id)));
    lines.truncate(usize::try_from(which.limit).unwrap_or(usize::MAX));
    Ok(lines)
}

/// One attempt in full.
pub async fn show(id: i64, caller: &Caller, state: &State) -> Result<Whole, OperateError> {
    let recorded = state.attempt(AttemptId(id)).await?.ok_or(StoreError::NoAttempt { id })?;
    if !Known::read(state, caller).await?.sees(&recorded.attempt.target_id) {
        return Err(StoreError::NoAttempt { id }.into());
    }
    let mut recorded = recorded;
    let answer = recorded.attempt.answer.take();
    Ok(Whole { line: Line::new(recorded), answer })
}

/// The event of an attempt is sent to its target again; the cursor does not move.
pub async fn resend(
    id: i64,
    dry_run: bool,
    caller: &Caller,
    (events, state): (&EventStore, &State),
) -> Result<Told, OperateError> {
    show(id, caller, state).await?;
    let id = AttemptId(id);
    // First what the state says, then whether there is still something to send.
    let recorded = state.resend(id, true, &caller.name).await?;
    let key = &recorded.attempt.key;
    if events.event(key).await?.is_none() {
        return Err(OperateError::Nothing(format!(
            "the event at {key} is no longer in the event store; nothing was changed"
        )));
    }
    if !dry_run {
        state.resend(id, false, &caller.name).await?;
    }
    let paused = state.definitions().await?.targets.iter().any(|known| known.name == recorded.target && known.paused);
    let sentence = format!(
        "{} at {key} {} sent to {} again{}",
        recorded.attempt.event_type,
        if dry_run { "would be" } else { "is" },
        recorded.target,
        if paused { ", once that is resumed" } else { "" }
    );
    let mut answer = json!({ "resent": !dry_run, "dry_run": dry_run, "delivery": Line::new(recorded) });
    if dry_run {
        answer["would_send"] = json!(1);
    }
    Ok(Told { answer, sentence, dry_run })
}

/// What came of an attempt.
pub(crate) fn sentence(attempt: &store::Attempt) -> String {
    let status = attempt.status.map(|status| format!(", answered {status}")).unwrap_or_default();
    let error = attempt.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("attempt {} {}{status}{error}", attempt.attempt, attempt.outcome)
}
