//! Halt and unhalt: of single cursors, where pausing a whole target would be too much.

use std::collections::BTreeSet;

use domain::{Cursor, CursorId, CursorState, FailedStatus};

use super::{By, finish, lock_all, record, stand};
use crate::{
    StoreError,
    state::{State, failed},
};

/// What ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Unhalted {
    /// The cursors that were halted, by an operator or by a failed event.
    pub cursors: BTreeSet<CursorId>,
    /// Failed events that are tried again.
    pub retried: u64,
}

impl State {
    /// Halts cursors where they are, all or none: nothing is sent from there until [`State::unhalt`], wherever they are moved
    /// meanwhile. One that is halted already takes the new reason.
    pub async fn halt(
        &self,
        cursors: &BTreeSet<CursorId>,
        reason: &str,
        by: impl Into<By<'_>>,
    ) -> Result<(), StoreError> {
        let by = by.into().because(Some(reason));
        let mut work = self.database.write("halt a cursor").await?;
        for cursor in lock_all(&mut work, cursors).await? {
            stand(&mut work, &cursor, Some(reason), CursorState::Halted).await?;
            let to = format!("halted at {}", cursor.key);
            record(&mut work, "halt", &cursor, by, (describe(&cursor), to)).await?;
        }
        finish(work, by, true).await
    }

    /// Lets cursors go on that are halted by an operator or by a failed event; the latter is tried again.
    pub async fn unhalt(&self, cursors: &BTreeSet<CursorId>, by: impl Into<By<'_>>) -> Result<Unhalted, StoreError> {
        let by = by.into();
        let mut work = self.database.write("let a halted cursor go on").await?;
        let mut done = Unhalted::default();
        for cursor in lock_all(&mut work, cursors).await? {
            let mut halted = failed::of_cursor(&mut work, cursor.id, &[FailedStatus::Halted]).await?;
            if cursor.halt.is_none() && halted.is_empty() {
                continue;
            }
            let state = if halted.is_empty() { CursorState::CatchingUp } else { CursorState::Retrying };
            stand(&mut work, &cursor, None, state).await?;
            for failed in &mut halted {
                failed.status = FailedStatus::Retrying;
            }
            let rows: Vec<_> = halted.iter().map(|failed| (cursor.id, failed)).collect();
            failed::put(&mut work, &rows).await?;
            let to = match halted.len() {
                0 => "running".to_owned(),
                1 => "running, 1 event retrying".to_owned(),
                retried => format!("running, {retried} events retrying"),
            };
            record(&mut work, "unhalt", &cursor, by, (describe(&cursor), to)).await?;
            done.cursors.insert(cursor.id);
            done.retried += halted.len() as u64;
        }
        let changed = !done.cursors.is_empty();
        finish(work, by, changed).await?;
        Ok(done)
    }
}

fn describe(cursor: &Cursor) -> String {
    match &cursor.halt {
        Some(reason) => format!("halted: {reason}"),
        None => cursor.state.to_string(),
    }
}
