//! How far a target's cursors have come, with everything that failed on the way, at one moment.

use domain::{Cursor, FailedEvent, FailedStatus, TargetId};

use super::{
    State, failed,
    row::{self, CURSOR_COLUMNS},
};
use crate::StoreError;

const ALL: [FailedStatus; 4] =
    [FailedStatus::Retrying, FailedStatus::Parked, FailedStatus::Interrupted, FailedStatus::Halted];

impl State {
    /// The cursors of one target with their failed events, ordered by instance and key. No commit lies between a cursor and
    /// its failed events.
    pub async fn standing(&self, target: &TargetId) -> Result<Vec<(Cursor, Vec<FailedEvent>)>, StoreError> {
        let mut work = self.database.snapshot("read the cursors of a target").await?;
        let sql = format!("SELECT {CURSOR_COLUMNS} FROM cursors WHERE target_id = $1 ORDER BY instance_id");
        let rows = work.rows(work.sql(&sql).bind(target.to_string())).await?;
        let cursors: Vec<Cursor> = work.decoded(rows.iter().map(row::cursor).collect())?;
        let mut standing = Vec::new();
        for cursor in cursors {
            let failed = failed::of_cursor(&mut work, cursor.id, &ALL).await?;
            standing.push((cursor, failed));
        }
        work.rollback().await?;
        Ok(standing)
    }
}
