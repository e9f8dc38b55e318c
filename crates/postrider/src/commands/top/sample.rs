//! What `top` shows: the cursors as they stand, and how fast they have come there.

use std::collections::HashMap;

use domain::{Cursor, CursorId, Timestamp};
use operate::{
    Caller,
    cursors::{self, Line, Measured},
    now,
};
use store::{EventStore, State};

use crate::{config::Config, context::Context};

/// One look at everything.
pub struct Sample {
    pub at: Timestamp,
    pub rows: Vec<Row>,
    /// What the event store said, unless it is away.
    pub measured: Result<Measured, String>,
}

/// A cursor.
pub struct Row {
    pub line: Line,
    /// Events settled a second since the look before; unknown at the first one, and after a cursor was moved back.
    pub rate: Option<f64>,
}

/// Looks again and again.
pub struct Sampler<'a> {
    context: &'a Context,
    config: &'a Config,
    caller: Caller,
    state: State,
    /// Opened when it can be.
    events: Option<EventStore>,
    before: Option<(Timestamp, HashMap<CursorId, Cursor>)>,
}

impl<'a> Sampler<'a> {
    /// With a state that is there.
    pub async fn new(context: &'a Context, config: &'a Config) -> anyhow::Result<Self> {
        let state = context.state(config).await?;
        Ok(Self { context, config, caller: context.caller(), state, events: None, before: None })
    }

    /// Looks. An event store that is away leaves what it knows unknown; an error is one of the state.
    pub async fn sample(&mut self) -> anyhow::Result<Sample> {
        let (overview, mut lines) = cursors::list(&self.state, &self.caller, false).await?;
        let at = now();
        let max_age = self.config.projection.max_event_age;
        let mut rates = HashMap::new();
        let measured = async {
            if self.events.is_none() {
                self.events = Some(self.context.events(self.config).await?);
            }
            let Some(events) = &self.events else { anyhow::bail!("it is not open") };
            let measured = cursors::measure(events, max_age, &overview, &mut lines, true).await?;
            if let Some((then, before)) = &self.before {
                let seconds = at.duration_since(*then).as_secs_f64();
                let reckoner = overview.reckoner(events, max_age).await?;
                for line in &lines {
                    let Some(old) = before.get(&line.cursor.id).filter(|old| old.key <= line.cursor.key) else {
                        continue;
                    };
                    let settled = reckoner.moved(old, &line.cursor.key).await?.passed.events;
                    #[expect(clippy::cast_precision_loss, reason = "counting stops at 100,000")]
                    let rate = settled as f64 / seconds.max(0.001);
                    rates.insert(line.cursor.id, rate);
                }
            }
            Ok(measured)
        };
        let measured = measured.await.map_err(|error: anyhow::Error| format!("{error:#}"));
        self.before = Some((at, lines.iter().map(|line| (line.cursor.id, line.cursor.clone())).collect()));
        let rows = lines.into_iter().map(|line| Row { rate: rates.get(&line.cursor.id).copied(), line }).collect();
        Ok(Sample { at, rows, measured })
    }
}
