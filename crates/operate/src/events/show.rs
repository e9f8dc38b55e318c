//! One event in full, and what became of it for each target.

use domain::{Concern, Event, OutcomeKind, Role, Router, Row, TargetId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use store::{AttemptFilter, EventStore, FailedFilter, State};

use super::{EventLine, key_of_word};
use crate::{Caller, Known, OperateError, deliveries, words::number};

/// An event with what became of it.
#[derive(Clone, Serialize, Debug, JsonSchema)]
pub struct WholeEvent {
    /// The event.
    #[serde(flatten)]
    pub line: EventLine,
    /// The stored JSON text, for those who may see payloads.
    #[schemars(with = "serde_json::Value")]
    pub payload: Option<Box<RawValue>>,
    /// The payload as text, where it is no JSON.
    pub payload_text: Option<String>,
    /// Every target that the caller sees and that it concerns, or that was sent it.
    pub receipts: Vec<Receipt>,
}

/// What became of an event for one target.
#[derive(Clone, Serialize, Debug, JsonSchema)]
pub struct Receipt {
    /// Its name.
    pub target: String,
    /// Its id.
    #[schemars(with = "String")]
    pub target_id: TargetId,
    /// `pending`, `settled` (delivered, or passed by an operator or by earlier definitions), `delivered` where that is written
    /// down, `failed` with the status of the failed event, or `not_concerned`.
    pub state: &'static str,
    /// The status of a failed event, and the last attempt that is written down.
    pub detail: Option<String>,
    /// When it was delivered, where that is written down.
    pub delivered_at: Option<Timestamp>,
}

/// One event in full, with what became of it for every target that the caller sees.
pub async fn show(
    word: &str,
    caller: &Caller,
    (events, state): (&EventStore, &State),
) -> Result<WholeEvent, OperateError> {
    let key = key_of_word(word)?;
    let gone = || OperateError::NotFound("there is no such event in the store".to_owned());
    if !caller.owns(Some(&key.instance_id)) {
        return Err(gone());
    }
    let row = events.event(&key).await?.ok_or_else(gone)?;
    let (payload, payload_text) = match &row {
        Row::Event(Event { payload: Some(payload), .. }) if caller.role >= Role::Operator => readable(payload),
        _ => (None, None),
    };
    let receipts = receipts(&row, caller, state).await?;
    Ok(WholeEvent { line: EventLine::of(&row), payload, payload_text, receipts })
}

fn readable(payload: &[u8]) -> (Option<Box<RawValue>>, Option<String>) {
    let text = String::from_utf8_lossy(payload).into_owned();
    match serde_json::from_str::<Box<RawValue>>(&text) {
        Ok(json) => (Some(json), None),
        Err(_) => (None, Some(text)),
    }
}

async fn receipts(row: &Row, caller: &Caller, state: &State) -> Result<Vec<Receipt>, OperateError> {
    let known = Known::read(state, caller).await?;
    let router = Router::build(&known.definitions)?;
    let (key, instance) = (row.key(), &row.key().instance_id);
    let of_it = FailedFilter {
        instance: Some(instance.clone()),
        aggregate_id: Some(key.aggregate_id.to_string()),
        sequence: Some(key.sequence),
        ..FailedFilter::default()
    };
    let all_failed = state.failed_events(&of_it).await?;
    let cursors = state.cursors().await?;
    let mut receipts = Vec::new();
    for target in known.targets() {
        let concern = row.event_type().map(|one| router.concern(&target.id, instance, one));
        let concerned = concern.as_ref().is_none_or(Concern::receives);
        let attempts = AttemptFilter {
            target: Some(target.id.clone()),
            instance: Some(instance.clone()),
            outcome: None,
            event: Some(key.clone()),
            limit: 1,
        };
        let last = state.attempts(&attempts).await?;
        let last = last.first();
        let here = cursors.iter().find(|cursor| cursor.target_id == target.id && cursor.instance_id == *instance);
        let failed = all_failed.iter().find(|(of, _, failed)| *of == target.id && failed.key == *key);
        let failed = failed.map(|(_, _, failed)| failed);
        if !concerned && last.is_none() && failed.is_none() {
            continue;
        }
        let delivered = last.filter(|last| last.attempt.outcome == OutcomeKind::Delivered);
        let settled = here.is_some_and(|cursor| cursor.has_settled(key));
        let state = match (failed, delivered) {
            (Some(_), _) => "failed",
            (None, Some(_)) => "delivered",
            (None, None) if settled => "settled",
            (None, None) if concerned => "pending",
            (None, None) => "not_concerned",
        };
        let attempt = last.map(|last| deliveries::sentence(&last.attempt));
        let failed = failed.map(|failed| {
            format!("{} after {}: {}", failed.status, number(failed.failure_count.into(), "failure"), failed.error)
        });
        receipts.push(Receipt {
            target: target.name.to_string(),
            target_id: target.id.clone(),
            state,
            detail: failed.or(attempt),
            delivered_at: delivered.map(|last| last.attempt.started_at),
        });
    }
    Ok(receipts)
}
