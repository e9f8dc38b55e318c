//! Retry: failed events are sent again.

use domain::{CursorState, FailedStatus};

use super::{By, describe, finish, lock_matching, record, stand, waits};
use crate::{
    StoreError,
    state::{FailedFilter, State, failed},
};

impl State {
    /// Has failed events sent again, and returns how many. Their failure counts stay what they are.
    ///
    /// Those that are parked or halted, unless the filter names a status or one event: then whatever has it, or is it. What is
    /// being retried already is tried at once.
    pub async fn retry(&self, filter: &FailedFilter, by: impl Into<By<'_>>) -> Result<u64, StoreError> {
        let by = by.into();
        let mut work = self.database.write("retry failed events").await?;
        let named = filter.status.is_some() || (filter.aggregate_id.is_some() && filter.sequence.is_some());
        let mut retried = 0;
        for (cursor, mut events) in lock_matching(&mut work, filter).await? {
            events.retain(|failed| named || matches!(failed.status, FailedStatus::Parked | FailedStatus::Halted));
            if events.is_empty() {
                continue;
            }
            // One that the cursor waits for is taken up from the row; the courier is told of the others.
            if events.iter().any(|failed| waits(failed) && !cursor.has_settled(&failed.key)) {
                stand(&mut work, &cursor, cursor.halt.as_deref(), CursorState::Retrying).await?;
            }
            let was = describe(&events);
            for failed in &mut events {
                failed.status = FailedStatus::Retrying;
            }
            let rows: Vec<_> = events.iter().map(|failed| (cursor.id, failed)).collect();
            failed::put(&mut work, &rows).await?;
            record(&mut work, "retry", &cursor, by, (was, "retrying".to_owned())).await?;
            retried += events.len() as u64;
        }
        finish(work, by, retried > 0).await?;
        Ok(retried)
    }
}
