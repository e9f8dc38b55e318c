//! What operators do to cursors and failed events. Each act is one transaction, raises the epoch of the cursors it moves,
//! raises the revision, and is recorded.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Cursor, CursorId, CursorState, EventKey, FailedEvent, FailedStatus, Ordering, TargetId, Timestamp};

use super::{
    State,
    audit::{self, Record},
    cursors,
    database::Work,
    denials,
    failed::{self, FailedFilter},
    row,
};
use crate::StoreError;

const PAUSE: &str = "UPDATE targets SET paused = $1, updated_at = {now}
     WHERE id = $2 AND removed_at IS NULL AND paused <> $3";
const EXISTS: &str = "SELECT id FROM targets WHERE id = $1 AND removed_at IS NULL";
const ORDERING: &str = "SELECT ordering FROM targets WHERE id = $1";
const PLACE: &str = "UPDATE cursors SET epoch = epoch + 1, position = $1, in_tx_order = $2, event_instance_id = $3,
     aggregate_type = $4, aggregate_id = $5, sequence = $6, event_date = $7, parked_in_a_row = $8, generation = $9,
     state = $10, reason = NULL, ahead = NULL, last_updated = {now} WHERE id = $11";

const UNHALT: &str = "UPDATE cursors SET epoch = epoch + 1, state = 'retrying', reason = NULL, last_updated = {now}
     WHERE id = $1";

/// Where a cursor is put.
struct Place<'a> {
    key: &'a EventKey,
    event_date: Option<Timestamp>,
    parked_in_a_row: u32,
    generation: i64,
}

impl State {
    /// Pauses or resumes a target. `false`: it was so already.
    pub async fn set_paused(&self, target: &TargetId, paused: bool, actor: &str) -> Result<bool, StoreError> {
        let mut work = self.database.write("pause or resume a target").await?;
        audit::raise_revision(&mut work).await?;
        let flag = i64::from(paused);
        let changed = work.run(work.sql(PAUSE).bind(flag).bind(target.to_string()).bind(flag)).await? == 1;
        if !changed {
            let there = work.row(work.sql(EXISTS).bind(target.to_string())).await?.is_some();
            work.rollback().await?;
            return if there { Ok(false) } else { Err(StoreError::NoTarget { target: target.clone() }) };
        }
        let describe = |paused: bool| Some(if paused { "paused" } else { "running" }.to_owned());
        let act = if paused { "pause" } else { "resume" };
        let entry = Record {
            actor,
            act,
            target: Some(target),
            instance: None,
            from: describe(!paused),
            to: describe(paused),
            reason: None,
        };
        audit::record(&mut work, entry).await?;
        work.commit().await?;
        Ok(true)
    }

    /// Puts a cursor elsewhere. With `new_ids` receivers see other `Webhook-Id`s from here on.
    ///
    /// What failed ahead of the cursor is forgotten; what was parked stays listed.
    pub async fn seek(&self, id: CursorId, to: &EventKey, new_ids: bool, actor: &str) -> Result<(), StoreError> {
        let mut work = self.database.write("seek a cursor").await?;
        let cursor = lock_one(&mut work, id).await?;
        cursors::forget_head_failures(&mut work, &cursor).await?;
        denials::forget_beyond(&mut work, cursor.id, to).await?;
        let generation = cursor.generation + i64::from(new_ids);
        let place = Place { key: to, event_date: None, parked_in_a_row: 0, generation };
        put(&mut work, &cursor, &place).await?;
        let reason = new_ids.then_some("new ids");
        record(&mut work, "seek", &cursor, actor, (cursor.key.to_string(), to.to_string()), reason).await?;
        audit::raise_revision(&mut work).await?;
        work.commit().await
    }

    /// Parks the event at the head: `from` must still be the cursor, else [`StoreError::Moved`].
    pub async fn skip(
        &self,
        id: CursorId,
        from: &EventKey,
        failed: &FailedEvent,
        event_date: Option<Timestamp>,
        actor: &str,
    ) -> Result<(), StoreError> {
        let mut work = self.database.write("skip the event at the head of a cursor").await?;
        let cursor = lock_one(&mut work, id).await?;
        if cursor.key != *from || failed.key <= cursor.key {
            work.rollback().await?;
            return Err(StoreError::Moved { target: cursor.target_id });
        }
        failed::put(&mut work, &[(id, failed)]).await?;
        let (parked_in_a_row, generation) = (cursor.parked_in_a_row, cursor.generation);
        put(&mut work, &cursor, &Place { key: &failed.key, event_date, parked_in_a_row, generation }).await?;
        let moved = (cursor.key.to_string(), failed.key.to_string());
        record(&mut work, "skip", &cursor, actor, moved, Some(&failed.error)).await?;
        audit::raise_revision(&mut work).await?;
        work.commit().await
    }

    /// Has parked and halted events sent again, and returns how many. Their failure counts stay what they are.
    pub async fn retry(&self, filter: &FailedFilter, actor: &str) -> Result<u64, StoreError> {
        let mut work = self.database.write("retry failed events").await?;
        let mut retried = 0;
        for (cursor, mut events) in lock_matching(&mut work, filter).await? {
            events.retain(|failed| matches!(failed.status, FailedStatus::Parked | FailedStatus::Halted));
            if events.is_empty() {
                continue;
            }
            let halted = events.iter().any(|failed| failed.status == FailedStatus::Halted);
            let was = describe(&events);
            for failed in &mut events {
                failed.status = FailedStatus::Retrying;
            }
            let rows: Vec<_> = events.iter().map(|failed| (cursor.id, failed)).collect();
            failed::put(&mut work, &rows).await?;
            if halted {
                work.run(work.sql(UNHALT).bind(cursor.id.0)).await?;
            }
            record(&mut work, "retry", &cursor, actor, (was, "retrying".to_owned()), None).await?;
            retried += events.len() as u64;
        }
        finish(work, retried).await
    }

    /// Gives failed events up for good, and returns how many. One that the cursor waits for is passed.
    ///
    /// Only in strict order is it known that nothing unsettled lies before the event that failed first; elsewhere, and
    /// behind that event, what is retried or halted ahead of the cursor stays, and if there is nothing else to discard the
    /// answer is [`StoreError::NotAtHead`].
    pub async fn discard(&self, filter: &FailedFilter, reason: Option<&str>, actor: &str) -> Result<u64, StoreError> {
        let mut work = self.database.write("discard failed events").await?;
        let mut discarded = 0;
        let mut refused = None;
        for (cursor, events) in lock_matching(&mut work, filter).await? {
            let head = head(&mut work, &cursor).await?;
            let is_ahead = |failed: &FailedEvent| waits(failed) && failed.key > cursor.key;
            let (kept, gone): (Vec<_>, Vec<_>) =
                events.into_iter().partition(|failed| is_ahead(failed) && Some(&failed.key) != head.as_ref());
            if !kept.is_empty() {
                refused = Some(cursor.target_id.clone());
            }
            if gone.is_empty() {
                continue;
            }
            let keys: Vec<_> = gone.iter().map(|failed| (cursor.id, failed.key.clone())).collect();
            failed::remove(&mut work, &keys).await?;
            if let Some(passed) = gone.iter().find(|failed| is_ahead(failed)) {
                let (parked_in_a_row, generation) = (cursor.parked_in_a_row, cursor.generation);
                let place = Place { key: &passed.key, event_date: None, parked_in_a_row, generation };
                put(&mut work, &cursor, &place).await?;
            } else if gone.iter().any(waits) {
                cursors::raise_epoch(&mut work, cursor.id).await?;
            }
            record(&mut work, "discard", &cursor, actor, (describe(&gone), "discarded".to_owned()), reason).await?;
            discarded += gone.len() as u64;
        }
        match refused {
            Some(target) if discarded == 0 => Err(StoreError::NotAtHead { target }),
            _ => finish(work, discarded).await,
        }
    }
}

/// Whether a courier has this event in its hands, or waits before it.
fn waits(failed: &FailedEvent) -> bool {
    matches!(failed.status, FailedStatus::Retrying | FailedStatus::Halted)
}

/// The event that the cursor waits before, where it is sure that nothing unsettled lies between.
async fn head(work: &mut Work, cursor: &Cursor) -> Result<Option<EventKey>, StoreError> {
    let row = work.row(work.sql(ORDERING).bind(cursor.target_id.to_string())).await?;
    if work.decoded(row.map(|row| row::word::<Ordering>(&row, "ordering")).transpose())? != Some(Ordering::Strict) {
        return Ok(None);
    }
    let waiting = failed::of_cursor(work, cursor.id, &[FailedStatus::Retrying, FailedStatus::Halted]).await?;
    Ok(waiting.into_iter().map(|failed| failed.key).find(|key| *key > cursor.key))
}

async fn lock_one(work: &mut Work, id: CursorId) -> Result<Cursor, StoreError> {
    cursors::lock(work, &BTreeSet::from([id])).await?.pop().ok_or(StoreError::NoCursor { id })
}

/// Locks the cursors that have matching failed events, and only then reads these: they change under that lock only.
async fn lock_matching(work: &mut Work, filter: &FailedFilter) -> Result<Vec<(Cursor, Vec<FailedEvent>)>, StoreError> {
    let ids: BTreeSet<_> = failed::cursors_matching(work, filter).await?.into_iter().collect();
    let cursors = cursors::lock(work, &ids).await?;
    let mut events: BTreeMap<CursorId, Vec<FailedEvent>> = BTreeMap::new();
    for (id, failed) in failed::matching(work, filter).await? {
        events.entry(id).or_default().push(failed);
    }
    let with_events = |cursor: Cursor| {
        let events = events.remove(&cursor.id).unwrap_or_default();
        (cursor, events)
    };
    Ok(cursors.into_iter().map(with_events).collect())
}

async fn put(work: &mut Work, cursor: &Cursor, place: &Place<'_>) -> Result<(), StoreError> {
    let statement = row::bind_key!(work.sql(PLACE), place.key)
        .bind(place.event_date.map(Timestamp::as_microsecond))
        .bind(i64::from(place.parked_in_a_row))
        .bind(place.generation)
        .bind(CursorState::CatchingUp.as_str())
        .bind(cursor.id.0);
    work.run(statement).await.map(drop)
}

async fn record(
    work: &mut Work,
    act: &'static str,
    cursor: &Cursor,
    actor: &str,
    (from, to): (String, String),
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let (target, instance) = (Some(&cursor.target_id), Some(&cursor.instance_id));
    audit::record(work, Record { actor, act, target, instance, from: Some(from), to: Some(to), reason }).await
}

/// One event by its key, several by their number.
fn describe(events: &[FailedEvent]) -> String {
    match events {
        [failed] => format!("{} {} at {}", failed.status, failed.event_type, failed.key),
        _ => format!("{} events", events.len()),
    }
}

async fn finish(mut work: Work, done: u64) -> Result<u64, StoreError> {
    if done == 0 {
        work.rollback().await?;
    } else {
        audit::raise_revision(&mut work).await?;
        work.commit().await?;
    }
    Ok(done)
}
