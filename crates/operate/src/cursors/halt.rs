//! Halt and unhalt: a cursor stays until somebody lets it go on, wherever it is moved meanwhile.

use std::{collections::BTreeSet, time::Duration};

use domain::{Cursor, CursorState, Router, Target};
use serde_json::{Value, json};
use store::{EventStore, State};

use super::{Chosen, is_halted, on};
use crate::{Caller, How, OperateError, Reckoner, Tally, Told, told::count_of_events};

/// Halts a target's cursors: on one instance, or on every one. A reason is needed. The event store is only asked by a dry run.
pub async fn halt(
    name: &str,
    instance: Option<&str>,
    how: &How,
    caller: &Caller,
    (events, state): (Option<&EventStore>, &State),
    max_event_age: Option<Duration>,
) -> Result<Told, OperateError> {
    let Some(reason) = how.reason.as_deref() else {
        return Err(OperateError::Invalid("say why, in a few words, for those who come after you".to_owned()));
    };
    let chosen = Chosen::read(state, caller, name, instance).await?;
    let (name, cursors) = (chosen.target.name.as_str(), &chosen.cursors);
    let waiting = match events.filter(|_| how.dry_run) {
        Some(events) => Some(waiting(events, &chosen, cursors, max_event_age).await?),
        None => None,
    };
    state.halt(&ids(cursors), reason, how.by(caller)).await?;
    let mut answer = json!({ "target": name, "instances": instances(cursors), "halted": !how.dry_run });
    answer["dry_run"] = json!(how.dry_run);
    let wait = waiting.map(|waiting| {
        tell(&mut answer, Tally::default(), waiting);
        format!("; {waiting} would wait")
    });
    let verb = if how.dry_run { "would be" } else { "is" };
    let sentence = format!("{name} {verb} halted{}{}", everywhere(cursors), wait.unwrap_or_default());
    Ok(Told { answer, sentence, dry_run: how.dry_run })
}

/// Lets halted cursors go on: on one instance, or on every one. The event store is only asked by a dry run.
pub async fn unhalt(
    name: &str,
    instance: Option<&str>,
    how: &How,
    caller: &Caller,
    (events, state): (Option<&EventStore>, &State),
    max_event_age: Option<Duration>,
) -> Result<Told, OperateError> {
    let chosen = Chosen::read(state, caller, name, instance).await?;
    let Chosen { target, cursors, .. } = &chosen;
    let name = target.name.as_str();
    let done = state.unhalt(&ids(cursors), how.by(caller)).await?;
    let freed: Vec<Cursor> = cursors.iter().filter(|cursor| done.cursors.contains(&cursor.id)).cloned().collect();
    let mut answer = json!({
        "target": name,
        "instances": instances(&freed),
        "changed": !freed.is_empty() && !how.dry_run,
        "retried": done.retried,
        "dry_run": how.dry_run,
    });
    let waiting = match events.filter(|_| how.dry_run) {
        Some(events) => Some(waiting(events, &chosen, &freed, max_event_age).await?),
        None => None,
    };
    if let Some(waiting) = waiting {
        tell(&mut answer, if target.paused { Tally::default() } else { waiting }, waiting);
    }
    let sentence = match (&freed[..], waiting) {
        ([], _) => nothing(target, cursors),
        (freed, Some(waiting)) if target.paused => {
            format!("{name} would go on{} once it is resumed; {waiting} would wait", everywhere(freed))
        }
        (freed, Some(waiting)) => format!("{name} would go on{}; {waiting} would be sent", everywhere(freed)),
        (freed, None) if done.retried > 0 => {
            format!("{name} goes on{}; {} tried again", everywhere(freed), are(done.retried))
        }
        (freed, None) => format!("{name} goes on{}", everywhere(freed)),
    };
    Ok(Told { answer, sentence, dry_run: how.dry_run })
}

fn are(count: u64) -> String {
    format!("{} {}", count_of_events(count), if count == 1 { "is" } else { "are" })
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

async fn waiting(
    events: &EventStore,
    chosen: &Chosen,
    cursors: &[Cursor],
    max_event_age: Option<Duration>,
) -> Result<Tally, OperateError> {
    let router = Router::build(&chosen.definitions)?;
    let reckoner = Reckoner::new(&router, events, max_event_age).await?;
    let mut waiting = Tally::default();
    for cursor in cursors {
        waiting = waiting.and(reckoner.waiting(cursor).await?);
    }
    Ok(waiting)
}
