//! What lies in a stretch of the store, by event type: in statements that look at a bounded number of rows each.

use std::collections::BTreeMap;

use domain::{EventKey, EventType, InstanceId, TypeFilter};
use store::{EventStore, PageRequest, StoreError};

use crate::Span;

/// How many events there are of each type; those without a type that can be read under `None`.
pub type Census = BTreeMap<Option<EventType>, u64>;

/// Counts everything in the span.
pub async fn census(events: &EventStore, instance: &InstanceId, span: &Span) -> Result<Census, StoreError> {
    let mut counts = Census::new();
    let mut after = span.after.clone();
    while after < span.to {
        // Nothing matches, so that only the end of what was looked at comes back.
        let nothing = TypeFilter::default();
        let look = PageRequest {
            instance,
            after: &after,
            up_to: span.to.position,
            filter: Some(&nothing),
            limit: 1,
            max_bytes: 1,
        };
        let page = events.page(&look).await?;
        let Some(end) = page.end else { break };
        let last = !page.more || end.position >= span.to.position;
        let up_to = if last { span.to.position } else { end.position };
        let everything = PageRequest { up_to, filter: None, limit: usize::MAX, max_bytes: usize::MAX, ..look };
        for (event_type, count) in events.census(&everything, u64::MAX).await? {
            *counts.entry(event_type).or_default() += count;
        }
        if last {
            // What shares the last position and lies beyond the span.
            let beyond = PageRequest { after: &span.to, ..everything };
            for (event_type, count) in events.census(&beyond, u64::MAX).await? {
                let counted = counts.entry(event_type).or_default();
                *counted = counted.saturating_sub(count);
            }
            break;
        }
        after = EventKey::after(end.position);
    }
    counts.retain(|_, count| *count > 0);
    Ok(counts)
}
