//! Where `now`, `beginning`, a position or a time lies in the store: for a new target's start, and for a seek.
//!
//! `now` is the horizon and not the newest event: a transaction that is open when a target is created may still commit
//! events below the newest one. With no writer about, the head of one look is the horizon. Otherwise that of a running
//! daemon is taken from the state, and without one the writers are waited for until those that were seen first are gone,
//! which proves the head of that look.

use std::{collections::HashSet, time::Duration};

use domain::{EventKey, Position, Start, Writer};
use store::{EventStore, Probe, State, StoreError};
use tokio::time::{Instant, sleep};

use crate::clock;

/// A watermark that is younger stands for `now`.
const FRESH: Duration = Duration::from_secs(3);
/// How long open writers are waited for.
const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

/// A place in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// As a cursor.
    pub key: EventKey,
    /// As a target's `start_position`.
    pub position: Position,
    /// For `now`: a writer that did not end in time. What it still commits may lie on either side of the place.
    pub held_by: Option<Writer>,
}

/// Why a place cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The state did not say how far the store is known.
    #[error("failed to look up the horizon's watermark")]
    Watermark(#[source] StoreError),
    /// The event store did not say where it ends.
    #[error("failed to look at the end of the event store")]
    Probe(#[source] StoreError),
    /// The event store did not say what happened at a time.
    #[error("failed to find the first event of a time")]
    Time(#[source] StoreError),
}

/// Finds a place in the store. Only `now` waits, and for five seconds at most.
pub async fn resolve_start(events: &EventStore, state: &State, start: Start) -> Result<Resolved, ResolveError> {
    let (position, held_by) = match start {
        Start::Now => now(events, state).await?,
        Start::Beginning => (Position::ZERO, None),
        Start::At(position) => (position, None),
        Start::Time(time) => (events.position_at(time).await.map_err(ResolveError::Time)?, None),
    };
    Ok(Resolved { key: start.cursor_at(position), position, held_by })
}

async fn now(events: &EventStore, state: &State) -> Result<(Position, Option<Writer>), ResolveError> {
    let first = events.probe().await.map_err(ResolveError::Probe)?;
    if first.writers.is_empty() {
        return Ok((first.head, None));
    }
    if let Some((mark, when)) = state.horizon().await.map_err(ResolveError::Watermark)? {
        // A time in the future says nothing: the two clocks disagree.
        let fresh = Duration::try_from(clock::wall().duration_since(when)).is_ok_and(|age| age < FRESH);
        // A daemon that has only just begun may not know any horizon yet.
        if fresh && mark.watermark > Position::ZERO {
            return Ok((mark.watermark, None));
        }
    }
    let seen: HashSet<&str> = first.writers.iter().map(|writer| writer.vxid.as_str()).collect();
    let deadline = Instant::now() + PATIENCE;
    let mut remaining = first.writers.clone();
    while !remaining.is_empty() && Instant::now() < deadline {
        sleep(POLL).await;
        let Probe { writers, .. } = events.probe().await.map_err(ResolveError::Probe)?;
        remaining = writers.into_iter().filter(|writer| seen.contains(writer.vxid.as_str())).collect();
    }
    let holder = remaining.into_iter().min_by_key(|writer| (writer.floor.is_none(), writer.floor, writer.since));
    let floor = holder.as_ref().and_then(|writer| writer.floor).unwrap_or(first.head);
    Ok((first.head.min(floor), holder))
}
