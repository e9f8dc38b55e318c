//! Skip: the event at the head is parked by hand.

use domain::{Cursor, EventType, FailedEvent, FailedStatus, Router, Row, Start};
use serde_json::json;
use store::{EventStore, FailedFilter, State};

use super::{Chosen, on};
use crate::{Caller, How, OperateError, Told, clock, head::first_unsettled, place::resolve};

/// Parks the first event that the target has not settled, so that its cursor moves on. The instance is needed where the target has
/// a cursor on more than one.
pub async fn skip(
    name: &str,
    instance: Option<&str>,
    how: &How,
    caller: &Caller,
    (events, state): (&EventStore, &State),
) -> Result<Told, OperateError> {
    let Chosen { definitions, target, cursors } = Chosen::read(state, caller, name, instance).await?;
    let name = target.name.as_str();
    let [cursor] = cursors.as_slice() else {
        let instances: Vec<_> = cursors.iter().map(|cursor| cursor.instance_id.as_str()).collect();
        return Err(OperateError::Invalid(format!(
            "{name:?} has cursors on {} instances; name one with --instance: {}",
            instances.len(),
            instances.join(", ")
        )));
    };
    let router = Router::build(&definitions)?;
    let up_to = resolve(events, state, Start::Now).await?.position;
    let Some(row) = first_unsettled(&router, cursor, events, up_to, usize::MAX).await? else {
        let nothing = format!("{name} has nothing to skip{}: no event is left for it", on(&cursor.instance_id));
        return Err(OperateError::Nothing(nothing));
    };
    let parked = parked(&row, cursor, state).await?;
    let event_date = row.created_at();
    state.skip(cursor, &parked, event_date, how.by(caller)).await?;
    let mut answer = json!({
        "target": name,
        "instance_id": cursor.instance_id,
        "event_type": parked.event_type,
        "position": parked.key.position,
        "in_tx_order": parked.key.in_tx_order,
        "aggregate_type": parked.key.aggregate_type,
        "aggregate_id": parked.key.aggregate_id,
        "sequence": parked.key.sequence,
        "dry_run": how.dry_run,
    });
    if how.dry_run {
        answer["would_send"] = json!(0);
    }
    let event = format!("{} at {}", parked.event_type, parked.key);
    let sentence = if how.dry_run {
        format!("{event} would be parked, and not be sent")
    } else {
        format!("parked {event}; `postrider failed retry {name}` sends it")
    };
    Ok(Told { answer, sentence, dry_run: how.dry_run })
}

/// As it will stand among the failed events, with the failures it already had.
async fn parked(row: &Row, cursor: &Cursor, state: &State) -> Result<FailedEvent, OperateError> {
    let filter = FailedFilter {
        target: Some(cursor.target_id.clone()),
        instance: Some(cursor.instance_id.clone()),
        aggregate_id: Some(row.key().aggregate_id.to_string()),
        sequence: Some(row.key().sequence),
        ..FailedFilter::default()
    };
    let known = state.failed_events(&filter).await?.into_iter().map(|(_, _, event)| event);
    let known = known.into_iter().find(|event| event.key == *row.key());
    let now = clock::now();
    Ok(FailedEvent {
        key: row.key().clone(),
        event_type: row.event_type().cloned().unwrap_or_else(|| EventType::from("")),
        failure_count: known.as_ref().map_or(0, |event| event.failure_count),
        status: FailedStatus::Parked,
        error: known.as_ref().map_or_else(
            || "skipped by an operator".to_owned(),
            |event| format!("skipped by an operator; before that: {}", event.error),
        ),
        first_failed: known.as_ref().map_or(now, |event| event.first_failed),
        last_failed: known.as_ref().map_or(now, |event| event.last_failed),
    })
}
