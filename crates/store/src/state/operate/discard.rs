//! Discard: failed events are given up for good.

use std::collections::BTreeSet;

use domain::{Cursor, EventKey, FailedEvent, FailedStatus};

use super::{By, Place, Rules, describe, finish, lock_matching, put, record, rules, waits};
use crate::{
    StoreError,
    state::{FailedFilter, State, cursors, database::Work, denials, failed},
};

impl State {
    /// Gives failed events up for good, and returns how many. One that the cursor waits for is passed.
    ///
    /// Where it is not known what is settled beyond a cursor, only the event that failed first in strict order has nothing
    /// unsettled before it. What waits behind that one stays, and if there is nothing else to discard the answer is
    /// [`StoreError::NotAtHead`].
    pub async fn discard(&self, filter: &FailedFilter, by: impl Into<By<'_>>) -> Result<u64, StoreError> {
        let by = by.into();
        let mut work = self.database.write("discard failed events").await?;
        let mut discarded = 0;
        let mut refused = None;
        for (cursor, events) in lock_matching(&mut work, filter).await? {
            let rules = rules(&mut work, &cursor.target_id).await?;
            let head = head(&mut work, &cursor, &rules).await?;
            let beyond = |failed: &FailedEvent| waits(failed) && failed.key > cursor.key;
            let unknown = |failed: &FailedEvent| match &cursor.ahead {
                Some(ahead) => failed.key > ahead.to,
                None => head.as_ref() != Some(&failed.key),
            };
            let (kept, gone): (Vec<_>, Vec<_>) =
                events.into_iter().partition(|failed| beyond(failed) && unknown(failed));
            if !kept.is_empty() {
                refused = Some(cursor.target_id.clone());
            }
            if gone.is_empty() {
                continue;
            }
            let keys: Vec<_> = gone.iter().map(|failed| (cursor.id, failed.key.clone())).collect();
            failed::remove(&mut work, &keys).await?;
            let open = |failed: &&FailedEvent| {
                beyond(failed) && cursor.ahead.as_ref().is_none_or(|ahead| !ahead.settles(&failed.key))
            };
            let passed: BTreeSet<_> = gone.iter().filter(open).map(|failed| failed.key.clone()).collect();
            if !passed.is_empty() {
                pass(&mut work, &cursor, &rules, &passed).await?;
            } else if gone.iter().any(waits) {
                cursors::raise_epoch(&mut work, cursor.id).await?;
            }
            record(&mut work, "discard", &cursor, by, (describe(&gone), "discarded".to_owned())).await?;
            discarded += gone.len() as u64;
        }
        if let Some(target) = refused.filter(|_| discarded == 0) {
            work.rollback().await?;
            return Err(StoreError::NotAtHead { target });
        }
        finish(work, by, discarded > 0).await?;
        Ok(discarded)
    }
}

/// Settles events beyond the cursor that were not delivered.
async fn pass(work: &mut Work, cursor: &Cursor, rules: &Rules, passed: &BTreeSet<EventKey>) -> Result<(), StoreError> {
    if rules.gate {
        let denied: Vec<_> = passed.iter().map(|key| (cursor.id, key, key)).collect();
        denials::record(work, &denied).await?;
    }
    let (key, ahead) = match (cursor.ahead.clone(), passed.last()) {
        (Some(ahead), _) => ahead.without(&cursor.key, passed),
        // Nothing is known beyond it, and it is the head.
        (None, Some(head)) => (head.clone(), None),
        (None, None) => (cursor.key.clone(), None),
    };
    let event_date = cursor.event_date.filter(|_| key == cursor.key);
    let (parked_in_a_row, generation) = (cursor.parked_in_a_row, cursor.generation);
    put(work, cursor, Place { key: &key, event_date, parked_in_a_row, generation, ahead }).await
}

/// The event that the cursor waits before, where it is sure that nothing unsettled lies between.
async fn head(work: &mut Work, cursor: &Cursor, rules: &Rules) -> Result<Option<EventKey>, StoreError> {
    if !rules.strict {
        return Ok(None);
    }
    let waiting = failed::of_cursor(work, cursor.id, &[FailedStatus::Retrying, FailedStatus::Halted]).await?;
    Ok(waiting.into_iter().map(|failed| failed.key).find(|key| *key > cursor.key))
}
