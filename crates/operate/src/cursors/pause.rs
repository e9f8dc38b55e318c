//! Pause and resume: a target sends nothing until it is resumed, and its cursor stays.

use std::time::Duration;

use domain::Router;
use serde_json::json;
use store::{EventStore, State};

use super::is_halted;
use crate::{Caller, How, Known, OperateError, Reckoner, Tally, Told};

/// Pauses or resumes a target. The event store is only asked by a dry run, which counts.
pub async fn set_paused(
    name: &str,
    paused: bool,
    how: &How,
    caller: &Caller,
    (events, state): (Option<&EventStore>, &State),
    max_event_age: Option<Duration>,
) -> Result<Told, OperateError> {
    let known = Known::read(state, caller).await?;
    let target = known.target(name)?;
    let name = target.name.as_str();
    let mut answer = json!({ "target": name, "target_id": target.id, "paused": paused });
    let mut wait = String::new();
    if let Some(events) = events.filter(|_| how.dry_run) {
        let router = Router::build(&known.definitions)?;
        let reckoner = Reckoner::new(&router, events, max_event_age).await?;
        let (mut waiting, mut sent) = (Tally::default(), Tally::default());
        for cursor in state.cursors().await?.iter().filter(|cursor| cursor.target_id == target.id) {
            let left = reckoner.waiting(cursor).await?;
            waiting = waiting.and(left);
            if target.paused && !paused && !is_halted(cursor) {
                sent = sent.and(left);
            }
        }
        answer["would_send"] = json!(sent.events);
        answer["waiting"] = json!(waiting.events);
        answer["capped"] = json!(waiting.capped);
        wait = if paused { format!("; {waiting} would wait") } else { format!("; {sent} would be sent") };
    }
    let changed = state.set_paused(&target.id, paused, how.by(caller)).await?;
    answer["changed"] = json!(changed && !how.dry_run);
    answer["dry_run"] = json!(how.dry_run);
    let word = if paused { "paused" } else { "active" };
    let sentence = match (changed, how.dry_run) {
        (true, true) => format!("{name} would be {word}{wait}"),
        (true, false) => format!("{name} is {word}"),
        (false, _) => format!("{name} is {word} already"),
    };
    Ok(Told { answer, sentence, dry_run: how.dry_run })
}
