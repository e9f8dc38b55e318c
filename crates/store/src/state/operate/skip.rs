//! Skip: the first event that is not settled is parked by hand.

use std::collections::BTreeSet;

use domain::{Cursor, FailedEvent, Timestamp};

use super::{By, Place, finish, lock_all, put, record, rules};
use crate::{
    StoreError,
    state::{State, denials, failed},
};

impl State {
    /// Parks an event that was the first one unsettled when the cursor stood as `seen`. If it may not be that any more, the
    /// answer is [`StoreError::Moved`].
    pub async fn skip(
        &self,
        seen: &Cursor,
        failed: &FailedEvent,
        event_date: Option<Timestamp>,
        by: impl Into<By<'_>>,
    ) -> Result<(), StoreError> {
        let by = by.into();
        let mut work = self.database.write("skip the event at the head of a cursor").await?;
        let Some(cursor) = lock_all(&mut work, &BTreeSet::from([seen.id])).await?.pop() else {
            return Err(StoreError::NoCursor { id: seen.id });
        };
        if !is_unsettled(&cursor, seen, failed) {
            work.rollback().await?;
            return Err(StoreError::Moved { target: cursor.target_id });
        }
        failed::put(&mut work, &[(cursor.id, failed)]).await?;
        if rules(&mut work, &cursor.target_id).await?.gate {
            denials::record(&mut work, &[(cursor.id, &failed.key, &failed.key)]).await?;
        }
        let known = cursor.ahead.clone().filter(|ahead| failed.key <= ahead.to);
        let (key, ahead) = known.map_or_else(
            || (failed.key.clone(), None),
            |ahead| ahead.without(&cursor.key, &BTreeSet::from([failed.key.clone()])),
        );
        let event_date = if key == cursor.key { cursor.event_date } else { event_date.filter(|_| key == failed.key) };
        let (parked_in_a_row, generation) = (cursor.parked_in_a_row, cursor.generation);
        put(&mut work, &cursor, Place { key: &key, event_date, parked_in_a_row, generation, ahead }).await?;
        let by = by.because(by.reason.or(Some(&failed.error)));
        let moved = (cursor.key.to_string(), failed.key.to_string());
        record(&mut work, "skip", &cursor, by, moved).await?;
        finish(work, by, true).await
    }
}

/// A cursor may move on while something stays open behind it; where nothing is known to be open, it must not have moved.
fn is_unsettled(cursor: &Cursor, seen: &Cursor, failed: &FailedEvent) -> bool {
    let open = |cursor: &Cursor| cursor.ahead.as_ref().is_some_and(|ahead| ahead.open.contains(&failed.key));
    let settled = |cursor: &Cursor| cursor.ahead.as_ref().is_some_and(|ahead| ahead.settles(&failed.key));
    let same = cursor.key == seen.key && cursor.ahead == seen.ahead;
    failed.key > cursor.key && !settled(cursor) && (same || (open(cursor) && open(seen)))
}
