//! Places in the store that operators name: `beginning`, `now`, a position, a time.

use domain::{EventKey, InstanceId, Position, Start};
use engine::{Resolved, resolve_start};
use store::{EventStore, PageRequest, State};

use crate::{clock, config::nearest, failure::usage, output::writer};

/// Where a place is. A time that has not come yet is refused.
pub async fn resolve(events: &EventStore, state: &State, place: Start) -> anyhow::Result<Resolved> {
    if let Start::Time(time) = place
        && time > clock::now()
    {
        return Err(usage(format!("{time} is in the future; `now` is as far as it goes")));
    }
    let resolved = resolve_start(events, state, place).await?;
    if let Some(holder) = &resolved.held_by {
        eprintln!(
            "warning: a transaction that may write events did not end in time ({}); now is taken to be {}",
            writer(holder),
            resolved.position
        );
    }
    Ok(resolved)
}

/// A stretch of the store: the events behind `after`, up to and including `to`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    pub after: EventKey,
    pub to: EventKey,
}

/// From the events of one place to those of another: a position belongs to both, a time only to what begins there. It
/// ends at the horizon at the latest.
pub async fn span(events: &EventStore, state: &State, from: Start, to: Start) -> anyhow::Result<Span> {
    let after = resolve(events, state, from).await?.key;
    let horizon = EventKey::after(resolve(events, state, Start::Now).await?.position);
    let to_key = match to {
        Start::Now => horizon.clone(),
        Start::At(position) => EventKey::after(position),
        Start::Beginning | Start::Time(_) => resolve(events, state, to).await?.key,
    };
    if to_key < after {
        return Err(usage(format!("there is nothing between {from} and {to}: the second is before the first")));
    }
    Ok(Span { after, to: to_key.min(horizon) })
}

/// The position of the first event of an instance.
pub async fn first_position(events: &EventStore, instance: &InstanceId) -> anyhow::Result<Option<Position>> {
    let beginning = EventKey::before(Position::ZERO);
    let up_to = events.probe().await?.head;
    let request = PageRequest { instance, after: &beginning, up_to, filter: None, limit: 1, max_bytes: 1 };
    Ok(events.page(&request).await?.rows.first().map(|row| row.key().position))
}

/// The instance that is named, which must be there, or all of them.
pub async fn instances(events: &EventStore, named: Option<&str>) -> anyhow::Result<Vec<InstanceId>> {
    let mut known = events.instances().await?;
    if let Some(named) = named {
        let found = known.iter().any(|instance| instance.as_str() == named);
        if !found {
            let hint = nearest(named, known.iter().map(InstanceId::as_str))
                .map_or_else(|| "the event store has no event of it".to_owned(), |near| format!("is {near:?} meant?"));
            return Err(usage(format!("there is no instance {named:?}; {hint}")));
        }
        known.retain(|instance| instance.as_str() == named);
    }
    Ok(known)
}
