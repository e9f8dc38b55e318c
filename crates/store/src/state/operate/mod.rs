//! What operators do to targets, cursors and failed events. Each act is one transaction, raises the epoch of the cursors it
//! moves, raises the revision, and is recorded.
//!
//! An act can be rehearsed ([`By::rehearsed`]): the same transaction is made and taken back, so that what a rehearsal says is
//! what the act would do.

mod discard;
mod halt;
mod pause;
mod retry;
mod seek;
mod skip;

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Ahead, Cursor, CursorId, CursorState, EventKey, FailedEvent, FailedStatus, Ordering, TargetId, Timestamp,
};

pub use halt::Unhalted;
pub use seek::Seek;

use super::{
    audit::{self, Record},
    cursors,
    database::Work,
    failed::{self, FailedFilter},
    row,
};
use crate::StoreError;

const RULES: &str = "SELECT ordering, interrupt_on_error FROM targets WHERE id = $1";
const PLACE: &str = "UPDATE cursors SET epoch = epoch + 1, position = $1, in_tx_order = $2, event_instance_id = $3,
     aggregate_type = $4, aggregate_id = $5, sequence = $6, event_date = $7, parked_in_a_row = $8, generation = $9,
     ahead = $10, state = $11, reason = $12, last_updated = {now} WHERE id = $13";
const STAND: &str = "UPDATE cursors SET epoch = epoch + 1, halt = $1, state = $2, reason = $3, last_updated = {now}
     WHERE id = $4";

/// Who acts, and why. A name alone is enough.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct By<'a> {
    actor: &'a str,
    reason: Option<&'a str>,
    rehearsed: bool,
}

impl<'a> By<'a> {
    /// In this name.
    #[must_use]
    pub fn new(actor: &'a str) -> Self {
        Self { actor, reason: None, rehearsed: false }
    }

    /// For the audit.
    #[must_use]
    pub fn because(self, reason: Option<&'a str>) -> Self {
        Self { reason, ..self }
    }

    /// Whether everything is taken back in the end: nothing changes and nothing is recorded.
    #[must_use]
    pub fn rehearsed(self, rehearsed: bool) -> Self {
        Self { rehearsed, ..self }
    }

    /// In whose name.
    pub(super) fn actor(&self) -> &'a str {
        self.actor
    }

    /// For the audit, of something that is nobody's in particular.
    pub(super) fn record(self, act: &'static str, from: Option<String>, to: Option<String>) -> Record<'a> {
        Record { actor: self.actor, act, target: None, instance: None, from, to, reason: self.reason }
    }
}

impl<'a> From<&'a str> for By<'a> {
    fn from(actor: &'a str) -> Self {
        Self::new(actor)
    }
}

/// What of a target's definition decides how its cursors may be moved.
struct Rules {
    strict: bool,
    /// Targets behind it need to know what it settled without delivering it.
    gate: bool,
}

async fn rules(work: &mut Work, target: &TargetId) -> Result<Rules, StoreError> {
    let row = work.row(work.sql(RULES).bind(target.to_string())).await?;
    let row = row.ok_or_else(|| work.invalid("a cursor has no target"))?;
    let strict = work.decoded(row::word::<Ordering>(&row, "ordering"))? == Ordering::Strict;
    Ok(Rules { strict, gate: work.decoded(row::flag(&row, "interrupt_on_error"))? })
}

/// Where a cursor is put.
struct Place<'a> {
    key: &'a EventKey,
    event_date: Option<Timestamp>,
    parked_in_a_row: u32,
    generation: i64,
    ahead: Option<Ahead>,
}

/// Whether a courier has this event in its hands, or waits before it.
fn waits(failed: &FailedEvent) -> bool {
    matches!(failed.status, FailedStatus::Retrying | FailedStatus::Halted)
}

/// Locks these cursors; all of them must be there.
async fn lock_all(work: &mut Work, ids: &BTreeSet<CursorId>) -> Result<Vec<Cursor>, StoreError> {
    let cursors = cursors::lock(work, ids).await?;
    let there: BTreeSet<_> = cursors.iter().map(|cursor| cursor.id).collect();
    match ids.difference(&there).next() {
        Some(id) => Err(StoreError::NoCursor { id: *id }),
        None => Ok(cursors),
    }
}

/// Locks the cursors that have matching failed events, and only then reads these: they change under that lock only.
async fn lock_matching(work: &mut Work, filter: &FailedFilter) -> Result<Vec<(Cursor, Vec<FailedEvent>)>, StoreError> {
    let ids: BTreeSet<_> = failed::cursors_matching(work, filter).await?.into_iter().collect();
    let cursors = cursors::lock(work, &ids).await?;
    let mut events: BTreeMap<CursorId, Vec<FailedEvent>> = BTreeMap::new();
    for (id, failed) in failed::matching(work, filter).await? {
        events.entry(id).or_default().push(failed);
    }
    let with_events = |cursor: Cursor| events.remove(&cursor.id).map(|events| (cursor, events));
    Ok(cursors.into_iter().filter_map(with_events).collect())
}

/// Moves a cursor. One that an operator halted stays halted.
async fn put(work: &mut Work, cursor: &Cursor, place: Place<'_>) -> Result<(), StoreError> {
    let (state, reason) = standing(cursor.halt.as_deref(), CursorState::CatchingUp);
    let statement = row::bind_key!(work.sql(PLACE), place.key)
        .bind(place.event_date.map(Timestamp::as_microsecond))
        .bind(i64::from(place.parked_in_a_row))
        .bind(place.generation)
        .bind(place.ahead.as_ref().map(row::to_json))
        .bind(state.as_str())
        .bind(reason.map(row::clean))
        .bind(cursor.id.0);
    work.run(statement).await.map(drop)
}

/// Leaves a cursor where it is, and changes how it stands there.
async fn stand(work: &mut Work, cursor: &Cursor, halt: Option<&str>, state: CursorState) -> Result<(), StoreError> {
    let (state, reason) = standing(halt, state);
    let statement =
        work.sql(STAND).bind(halt.map(row::clean)).bind(state.as_str()).bind(reason.map(row::clean)).bind(cursor.id.0);
    work.run(statement).await.map(drop)
}

/// What stands in the row: an operator's halt before everything else.
fn standing(halt: Option<&str>, otherwise: CursorState) -> (CursorState, Option<&str>) {
    halt.map_or((otherwise, None), |reason| (CursorState::Halted, Some(reason)))
}

async fn record(
    work: &mut Work,
    act: &'static str,
    cursor: &Cursor,
    by: By<'_>,
    (from, to): (String, String),
) -> Result<(), StoreError> {
    let (target, instance) = (Some(&cursor.target_id), Some(&cursor.instance_id));
    let (actor, reason) = (by.actor, by.reason);
    audit::record(work, Record { actor, act, target, instance, from: Some(from), to: Some(to), reason }).await
}

/// One event by its key, several by their number.
fn describe(events: &[FailedEvent]) -> String {
    match events {
        [failed] => format!("{} {} at {}", failed.status, failed.event_type, failed.key),
        _ => format!("{} events", events.len()),
    }
}

/// Makes the act last, or takes it back where it was rehearsed or came to nothing.
pub(super) async fn finish(mut work: Work, by: By<'_>, changed: bool) -> Result<(), StoreError> {
    if by.rehearsed || !changed {
        return work.rollback().await;
    }
    audit::raise_revision(&mut work).await?;
    work.commit().await
}
