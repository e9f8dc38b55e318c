//! Seek: a cursor is put elsewhere.
//!
//! Invariants: no cursor is put beyond the horizon, where events may still appear behind it; whatever is refused, nothing was
//! changed before, and cursors on several instances are moved all or none.

use std::{collections::BTreeSet, time::Duration};

use domain::{Cursor, Position, Router, Start};
use engine::Resolved;
use schemars::JsonSchema;
use serde::Serialize;
use store::{EventStore, Seek as Move, State, Worker};

use super::Chosen;
use crate::{
    Caller, How, OperateError, Reckoner,
    place::{first_position, resolve},
    words::{self, place},
};

/// Whose cursors shall stand where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seek {
    /// The target's name or id.
    pub target: String,
    /// On this instance only; otherwise on every one where the target has a cursor.
    pub instance: Option<String>,
    /// Where.
    pub to: Start,
    /// Events get a new `Webhook-Id`, for receivers that would take them for duplicates.
    pub new_ids: bool,
    /// The event store has lost events for good: it is taken as it is at the daemon's next start.
    pub accept_lost: bool,
}

/// One cursor that was moved, or would be. The names are a promise to scripts.
#[derive(Clone, Serialize, Debug, JsonSchema)]
pub struct Moved {
    /// The target's name.
    pub target: String,
    /// Where.
    pub instance_id: String,
    /// Where it stood.
    pub from: String,
    /// Where it stands.
    pub to: String,
    /// The same as a position.
    #[schemars(with = "String")]
    pub position: Position,
    /// `back` or `forward`.
    pub direction: &'static str,
    /// Nothing was changed.
    pub dry_run: bool,
    /// Settled events that are sent because of it; only told by a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_send: Option<u64>,
    /// Events that are passed without being sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_pass: Option<u64>,
    /// There may be more of either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capped: Option<bool>,
    /// Both in words.
    #[serde(skip)]
    pub said: [String; 2],
}

/// What a seek came to.
#[derive(Clone, Debug)]
pub struct Sought {
    /// Each cursor.
    pub moved: Vec<Moved>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// The cursors that it is about, if it is one that may be: what is refused without a look at the event store.
pub async fn chosen(seek: &Seek, caller: &Caller, state: &State) -> Result<Chosen, OperateError> {
    let chosen = Chosen::read(state, caller, &seek.target, seek.instance.as_deref()).await?;
    if seek.accept_lost && state.workers().await?.iter().any(Worker::is_live) {
        return Err(OperateError::Precondition(
            "a daemon is running; stop it first, so that nothing is sent while the store is in doubt \
             (`postrider worker list` shows which)"
                .to_owned(),
        ));
    }
    Ok(chosen)
}

/// Puts cursors elsewhere, all or none.
pub async fn seek(
    seek: &Seek,
    how: &How,
    caller: &Caller,
    (events, state): (&EventStore, &State),
    max_event_age: Option<Duration>,
) -> Result<Sought, OperateError> {
    let chosen = chosen(seek, caller, state).await?;
    let to = resolved(seek, &chosen.cursors, caller, (events, state)).await?;
    let router = Router::build(&chosen.definitions)?;
    let reckoner = if how.dry_run { Some(Reckoner::new(&router, events, max_event_age).await?) } else { None };
    let mut moved = Vec::new();
    for cursor in &chosen.cursors {
        moved.push(one(chosen.target.name.as_str(), cursor, &to, reckoner.as_ref()).await?);
    }
    let ids: BTreeSet<_> = chosen.cursors.iter().map(|cursor| cursor.id).collect();
    let act = Move { cursors: &ids, to: &to.key, new_ids: seek.new_ids, accept_lost: seek.accept_lost };
    state.seek_all(act, how.by(caller)).await?;
    Ok(Sought { moved, warnings: words::held(&to, caller).into_iter().collect() })
}

async fn resolved(
    seek: &Seek,
    cursors: &[Cursor],
    caller: &Caller,
    (events, state): (&EventStore, &State),
) -> Result<Resolved, OperateError> {
    let mut to = resolve(events, state, seek.to).await?;
    if let Start::At(position) = seek.to {
        behind_the_first(position, cursors, events).await?;
    }
    if seek.accept_lost {
        // How far the store was known says nothing any more.
        let head = events.probe().await?.head;
        if seek.to == Start::Now && to.position > head {
            to = Resolved { key: seek.to.cursor_at(head), position: head, ..to };
        }
        if to.position > head {
            return Err(beyond(seek.to, head, None));
        }
    } else {
        within_horizon(&to, seek.to, caller, (events, state)).await?;
    }
    Ok(to)
}

async fn one(
    target: &str,
    cursor: &Cursor,
    to: &Resolved,
    reckoner: Option<&Reckoner<'_>>,
) -> Result<Moved, OperateError> {
    let mut moved = Moved {
        target: target.to_owned(),
        instance_id: cursor.instance_id.to_string(),
        from: place(&cursor.key),
        to: place(&to.key),
        position: to.position,
        direction: if to.key < cursor.key { "back" } else { "forward" },
        dry_run: reckoner.is_some(),
        would_send: None,
        would_pass: None,
        capped: None,
        said: Default::default(),
    };
    if let Some(reckoner) = reckoner {
        let would = reckoner.moved(cursor, &to.key).await?;
        moved.would_send = Some(would.sent.events);
        moved.would_pass = Some(would.passed.events);
        moved.capped = Some(would.sent.capped || would.passed.capped);
        moved.said = [would.sent.to_string(), would.passed.to_string()];
    }
    Ok(moved)
}

/// A position that no event has or follows is a slip, most likely a number too few.
async fn behind_the_first(position: Position, cursors: &[Cursor], events: &EventStore) -> Result<(), OperateError> {
    let (mut first, head): (Option<Position>, _) = (None, events.probe().await?.head);
    for cursor in cursors {
        let here = first_position(events, &cursor.instance_id, head).await?;
        first = first.into_iter().chain(here).min();
    }
    match first {
        Some(first) if position < first => Err(OperateError::Invalid(format!(
            "{position} is before the first event, which is at {first}; `--to beginning` sends everything there is"
        ))),
        _ => Ok(()),
    }
}

async fn within_horizon(
    resolved: &Resolved,
    to: Start,
    caller: &Caller,
    (events, state): (&EventStore, &State),
) -> Result<(), OperateError> {
    if matches!(to, Start::Now | Start::Beginning) {
        return Ok(());
    }
    if state.horizon().await?.is_some_and(|(mark, _)| resolved.position <= mark.watermark) {
        return Ok(());
    }
    let now = resolve(events, state, Start::Now).await?;
    if resolved.position > now.position { Err(beyond(to, now.position, words::held(&now, caller))) } else { Ok(()) }
}

fn beyond(to: Start, horizon: Position, held: Option<String>) -> OperateError {
    let held = held.map(|held| format!(" ({held})")).unwrap_or_default();
    OperateError::Invalid(format!(
        "{to} is beyond the horizon {horizon}{held}, where events may still appear behind the cursor; `--to now` is as far as it \
         goes"
    ))
}
