//! An operator has an event sent again that its target has settled: delivered, or given up. The event becomes a failed one that
//! is retried, as `failed retry` has it; the cursor does not move, and what is settled ahead of it stays settled.

use std::collections::BTreeSet;

use domain::{Cursor, CursorId, EventKey, FailedEvent, FailedStatus};

use super::{
    State,
    audit::{self, Record},
    cursors,
    database::Work,
    deliveries::{self, AttemptId, RecordedAttempt},
    failed,
    row::{self, FAILED_COLUMNS},
};
use crate::StoreError;

const CURSOR: &str = "SELECT cursors.id FROM cursors JOIN targets ON targets.id = cursors.target_id
     WHERE cursors.target_id = $1 AND cursors.instance_id = $2 AND targets.removed_at IS NULL";
const FAILED: &str = "FROM failed_events WHERE cursor_id = $1 AND position = $2 AND in_tx_order = $3
     AND event_instance_id = $4 AND aggregate_type = $5 AND aggregate_id = $6 AND sequence = $7";

impl State {
    /// Has the event of this attempt sent to its target again, and says which it is. Its failures are counted anew.
    ///
    /// With `dry_run` everything is looked at and nothing changes. What is refused: an event that is not settled yet
    /// ([`StoreError::NotSettled`]), and one that is being sent again already ([`StoreError::SentAgainAlready`]).
    pub async fn resend(&self, id: AttemptId, dry_run: bool, actor: &str) -> Result<RecordedAttempt, StoreError> {
        let mut work = self.database.write("send an event again").await?;
        let recorded = deliveries::by_id(&mut work, id).await?.ok_or(StoreError::NoAttempt { id: id.0 })?;
        let attempt = &recorded.attempt;
        let cursor = lock_cursor(&mut work, &recorded).await?;
        let known = failed_event(&mut work, cursor.id, &attempt.key).await?;
        if !cursor.has_settled(&attempt.key) {
            return Err(StoreError::NotSettled { target: recorded.target });
        }
        if known.as_ref().is_some_and(|known| known.status == FailedStatus::Retrying) {
            return Err(StoreError::SentAgainAlready { target: recorded.target });
        }
        if dry_run {
            work.rollback().await?;
            return Ok(recorded);
        }
        let now = work.now().await?;
        let again = FailedEvent {
            key: attempt.key.clone(),
            event_type: attempt.event_type.clone(),
            failure_count: 0,
            status: FailedStatus::Retrying,
            error: "sent again by an operator".to_owned(),
            first_failed: now,
            last_failed: now,
        };
        failed::put(&mut work, &[(cursor.id, &again)]).await?;
        let was = known.map_or("settled", |known| known.status.as_str());
        let entry = Record {
            actor,
            act: "resend",
            target: Some(&cursor.target_id),
            instance: Some(&cursor.instance_id),
            from: Some(format!("{was} {} at {}", attempt.event_type, attempt.key)),
            to: Some(FailedStatus::Retrying.to_string()),
            reason: None,
        };
        audit::record(&mut work, entry).await?;
        audit::raise_revision(&mut work).await?;
        work.commit().await?;
        Ok(recorded)
    }
}

async fn lock_cursor(work: &mut Work, recorded: &RecordedAttempt) -> Result<Cursor, StoreError> {
    let (target, instance) = (&recorded.attempt.target_id, &recorded.attempt.instance_id);
    let row = work.row(work.sql(CURSOR).bind(target.to_string()).bind(instance.to_string())).await?;
    let id = work.decoded(row.map(|row| row::number(&row, "id").map(CursorId)).transpose())?;
    let locked = cursors::lock(work, &id.into_iter().collect::<BTreeSet<_>>()).await?.pop();
    locked.ok_or_else(|| StoreError::NoTarget { target: target.clone() })
}

async fn failed_event(work: &mut Work, cursor: CursorId, key: &EventKey) -> Result<Option<FailedEvent>, StoreError> {
    let sql = format!("SELECT {FAILED_COLUMNS} {FAILED}");
    let row = work.row(row::bind_key!(work.sql(&sql).bind(cursor.0), key)).await?;
    work.decoded(row.as_ref().map(row::failed).transpose())
}
