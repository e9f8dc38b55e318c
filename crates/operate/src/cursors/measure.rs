//! What the event store knows about cursors: how much is left for each, and who holds the horizon.

use std::time::Duration;

use domain::{Position, Timestamp, Writer};
use store::{EventStore, Probe, State};

use super::{Line, Overview};
use crate::{Caller, OperateError, clock};

/// A writer that is younger is a transaction in the ordinary course.
const LONG_OPEN_SECONDS: f64 = 1.0;

/// What was measured beside the lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Measured {
    /// Where the store ends.
    pub head: Position,
    /// The writer that has kept the horizon longest, if that is worth mentioning.
    pub holder: Option<Writer>,
}

/// All cursors that the caller sees, by target and instance, without what the event store would say. With `removed` those of
/// targets that are gone, instead of those that are there.
pub async fn list(state: &State, caller: &Caller, removed: bool) -> Result<(Overview, Vec<Line>), OperateError> {
    let overview = Overview::read(state, caller).await?;
    let mut lines = Vec::new();
    for cursor in state.cursors().await? {
        if !overview.known.sees(&cursor.target_id) {
            continue;
        }
        let owner = overview.known.by_id(&cursor.target_id);
        // What a removed target left behind waits for its retention and is nobody's.
        if owner.removed_at.is_some() == removed {
            let mut line = overview.line(&owner, cursor);
            // Daemons are the house's.
            line.worker = line.worker.filter(|_| caller.instance.is_none());
            lines.push(line);
        }
    }
    lines.sort_by(|a, b| (&a.target, &a.instance_id).cmp(&(&b.target, &b.instance_id)));
    Ok((overview, lines))
}

/// Fills in what the event store knows; with `count` also how many events are left.
pub async fn measure(
    events: &EventStore,
    max_event_age: Option<Duration>,
    overview: &Overview,
    lines: &mut [Line],
    count: bool,
) -> Result<Measured, OperateError> {
    let probe = events.probe().await?;
    let reckoner = overview.reckoner(events, max_event_age).await?;
    for line in &mut *lines {
        line.lag_seconds = Some(overview.lag_seconds(line, events, probe.head).await?);
        if count {
            line.lag_events = Some(reckoner.waiting(&line.cursor).await?.events);
        }
    }
    Ok(Measured { head: probe.head, holder: holder(probe, clock::now()) })
}

/// The writer that has been open longest, if that is worth mentioning.
fn holder(probe: Probe, now: Timestamp) -> Option<Writer> {
    let oldest = probe.writers.into_iter().min_by_key(|writer| (writer.floor.is_none(), writer.floor, writer.since))?;
    let long = oldest.since.is_none_or(|since| now.duration_since(since).as_secs_f64() >= LONG_OPEN_SECONDS);
    long.then_some(oldest)
}
