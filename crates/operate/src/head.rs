//! The first event that a cursor has not settled.

use std::sync::Arc;

use domain::{Cursor, EventKey, Position, Router, Row};
use store::{EventStore, PageRequest, StoreError};

/// The first event after a cursor that concerns its target and is not settled, up to a position.
///
/// At most `pages` of the bounded scan are read. What is not open any more because it is gone, or concerns nobody since, is
/// passed over.
pub async fn first_unsettled(
    router: &Router,
    cursor: &Cursor,
    events: &EventStore,
    up_to: Position,
    pages: usize,
) -> Result<Option<Arc<Row>>, StoreError> {
    let (target, instance) = (&cursor.target_id, &cursor.instance_id);
    let Some(filter) = router.filter(target, instance) else { return Ok(None) };
    let concerns = |row: &Row| row.event_type().is_none_or(|one| router.concerns(target, instance, one));
    let mut after: EventKey = cursor.key.clone();
    if let Some(ahead) = &cursor.ahead {
        for open in &ahead.open {
            if let Some(row) = events.event(open).await?.filter(concerns) {
                return Ok(Some(Arc::new(row)));
            }
        }
        after = after.max(ahead.to.clone());
    }
    for _ in 0..pages {
        let request =
            PageRequest { instance, after: &after, up_to, filter: Some(&filter), limit: 100, max_bytes: 64 * 1024 };
        let page = events.page(&request).await?;
        if let Some(row) = page.rows.into_iter().find(|row| concerns(row)) {
            return Ok(Some(row));
        }
        match page.end {
            Some(end) if page.more => after = end,
            _ => break,
        }
    }
    Ok(None)
}
