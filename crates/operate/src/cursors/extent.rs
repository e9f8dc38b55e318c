//! From where to where a store goes on an instance: the line that a cursor moves on.

use domain::{InstanceId, Position};
use store::EventStore;

use crate::{OperateError, place::first_position};

/// A stretch of positions, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// Of the oldest event.
    pub first: Position,
    /// Where the store ends.
    pub last: Position,
}

/// How far the events of an instance go back; `None` where it has none.
pub async fn extent(
    instance: &InstanceId,
    head: Position,
    events: &EventStore,
) -> Result<Option<Extent>, OperateError> {
    let first = first_position(events, instance, head).await?;
    Ok(first.map(|first| Extent { first, last: head.max(first) }))
}
