//! Seek: a cursor is put elsewhere.

use std::collections::BTreeSet;

use domain::{Cursor, CursorId, EventKey};

use super::{By, Place, finish, lock_all, put, record, rules};
use crate::{
    StoreError,
    state::{State, cursors, database::Work, denials, horizon},
};

/// Where cursors are to be put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seek<'a> {
    /// Which cursors.
    pub cursors: &'a BTreeSet<CursorId>,
    /// Everything up to here counts as settled.
    pub to: &'a EventKey,
    /// Receivers see other `Webhook-Id`s from here on.
    pub new_ids: bool,
    /// How far the event store was known is forgotten: it has lost events for good.
    pub accept_lost: bool,
}

impl State {
    /// Puts one cursor elsewhere: see [`State::seek_all`].
    pub async fn seek(
        &self,
        id: CursorId,
        to: &EventKey,
        new_ids: bool,
        by: impl Into<By<'_>>,
    ) -> Result<(), StoreError> {
        self.seek_all(Seek { cursors: &BTreeSet::from([id]), to, new_ids, accept_lost: false }, by).await
    }

    /// Puts cursors elsewhere, all or none.
    ///
    /// What failed ahead of a cursor is forgotten, and so is what was settled there; what was parked stays listed.
    pub async fn seek_all(&self, seek: Seek<'_>, by: impl Into<By<'_>>) -> Result<(), StoreError> {
        let mut by = by.into();
        let mut work = self.database.write("seek a cursor").await?;
        let details = [
            seek.new_ids.then_some("new ids"),
            seek.accept_lost.then_some("what the event store lost is accepted"),
            by.reason,
        ];
        let reason = details.into_iter().flatten().collect::<Vec<_>>().join("; ");
        by.reason = Some(reason.as_str()).filter(|reason| !reason.is_empty());
        for cursor in lock_all(&mut work, seek.cursors).await? {
            cursors::forget_head_failures(&mut work, &cursor).await?;
            denials::forget_beyond(&mut work, cursor.id, seek.to).await?;
            if rules(&mut work, &cursor.target_id).await?.gate {
                deny(&mut work, &cursor, seek.to).await?;
            }
            let place = Place {
                key: seek.to,
                event_date: None,
                parked_in_a_row: 0,
                generation: cursor.generation + i64::from(seek.new_ids),
                ahead: None,
            };
            put(&mut work, &cursor, place).await?;
            record(&mut work, "seek", &cursor, by, (cursor.key.to_string(), seek.to.to_string())).await?;
        }
        if seek.accept_lost {
            horizon::forget(&mut work, by).await?;
        }
        finish(work, by, true).await
    }
}

/// What a gate passes without delivering it is denied to those behind it: what was open before the place, and all that it had
/// not come to.
async fn deny(work: &mut Work, cursor: &Cursor, to: &EventKey) -> Result<(), StoreError> {
    let (known, open) = match &cursor.ahead {
        Some(ahead) => ((&ahead.to).max(&cursor.key), ahead.open.as_slice()),
        None => (&cursor.key, &[][..]),
    };
    let mut denied: Vec<_> = open.iter().take_while(|open| *open <= to).map(|open| (cursor.id, open, open)).collect();
    denied.extend((known < to).then_some((cursor.id, known, to)));
    denials::record(work, &denied).await
}
