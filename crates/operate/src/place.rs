//! Places in the store that operators name: `beginning`, `now`, a position, a time.

use domain::{EventKey, InstanceId, Position, Start};
use engine::{Resolved, resolve_start};
use store::{EventStore, PageRequest, State};

use crate::{Caller, OperateError, clock, known::nearest, words};

/// Where a place is. A time that has not come yet is refused.
pub async fn resolve(events: &EventStore, state: &State, place: Start) -> Result<Resolved, OperateError> {
    if let Start::Time(time) = place
        && time > clock::now()
    {
        return Err(OperateError::Invalid(format!("{time} is in the future; `now` is as far as it goes")));
    }
    resolve_start(events, state, place)
        .await
        .map_err(|source| OperateError::Resolve { what: format!("the place {place}"), source })
}

/// A stretch of the store: the events behind `after`, up to and including `to`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// Exclusive.
    pub after: EventKey,
    /// Inclusive.
    pub to: EventKey,
}

/// From the events of one place to those of another: a position belongs to both, a time only to what begins there. It
/// ends at the horizon at the latest. With it, what the operator should know.
pub async fn span(
    (events, state): (&EventStore, &State),
    (from, to): (Start, Start),
    caller: &Caller,
) -> Result<(Span, Vec<String>), OperateError> {
    let mut warnings = Vec::new();
    let mut key = async |place: Start| {
        let resolved = resolve(events, state, place).await?;
        warnings.extend(words::held(&resolved, caller));
        Ok::<_, OperateError>(resolved)
    };
    let after = key(from).await?.key;
    let horizon = EventKey::after(key(Start::Now).await?.position);
    let to_key = match to {
        Start::Now => horizon.clone(),
        Start::At(position) => EventKey::after(position),
        Start::Beginning | Start::Time(_) => key(to).await?.key,
    };
    if to_key < after {
        return Err(OperateError::Invalid(format!(
            "there is nothing between {from} and {to}: the second is before the first"
        )));
    }
    warnings.dedup();
    Ok((Span { after, to: to_key.min(horizon) }, warnings))
}

/// The position of the first event of an instance, up to the head of the store.
pub async fn first_position(
    events: &EventStore,
    instance: &InstanceId,
    up_to: Position,
) -> Result<Option<Position>, OperateError> {
    let beginning = EventKey::before(Position::ZERO);
    let request = PageRequest { instance, after: &beginning, up_to, filter: None, limit: 1, max_bytes: 1 };
    Ok(events.page(&request).await?.rows.first().map(|row| row.key().position))
}

/// The instance that is named, which must be there, or all of them that the caller sees.
pub async fn instances(
    events: &EventStore,
    caller: &Caller,
    named: Option<&str>,
) -> Result<Vec<InstanceId>, OperateError> {
    let mut known = events.instances().await?;
    known.retain(|instance| caller.owns(Some(instance)));
    if let Some(named) = named {
        let found = known.iter().any(|instance| instance.as_str() == named);
        if !found {
            let hint = nearest(named, known.iter().map(InstanceId::as_str))
                .map_or_else(|| "the event store has no event of it".to_owned(), |near| format!("is {near:?} meant?"));
            return Err(OperateError::NotFound(format!("there is no instance {named:?}; {hint}")));
        }
        known.retain(|instance| instance.as_str() == named);
    }
    Ok(known)
}
