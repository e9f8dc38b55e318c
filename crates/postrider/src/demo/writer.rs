//! Writes events as ZITADEL's users, organisations and sessions do, at a steady rate.

use std::time::Duration;

use domain::Position;
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use store::{EventStore, NewEvent};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Play, tally::Journal};

const EVENTS: [(&str, &str, &str); 8] = [
    ("user", "user.human.added", r#"{"userName":"ada","firstName":"Ada","lastName":"Lovelace"}"#),
    ("user", "user.human.email.changed", r#"{"email":"ada@example.com"}"#),
    ("user", "user.human.email.verified", "{}"),
    ("user", "user.human.profile.changed", r#"{"lastName":"King"}"#),
    ("org", "org.domain.added", r#"{"domain":"example.com"}"#),
    ("project", "project.role.added", r#"{"key":"reader","displayName":"Reader"}"#),
    ("session", "session.added", r#"{"userAgent":{"description":"a browser"}}"#),
    ("session", "session.terminated", "{}"),
];

/// Ticks are no shorter: at higher rates several events are written at once.
const TICK: Duration = Duration::from_millis(5);

/// See the module's head.
pub struct Writer {
    events: EventStore,
    play: Play,
    rng: StdRng,
}

impl Writer {
    pub fn new(events: EventStore, play: Play) -> Self {
        Self { events, play, rng: rand::make_rng() }
    }

    /// Writes what is to be played, noting when; returns how many that were.
    pub async fn write(mut self, journal: &Journal, stop: &CancellationToken) -> anyhow::Result<u64> {
        let mut ticks = interval(TICK.max(Duration::from_secs_f64(1.0 / f64::from(self.play.rate.max(1)))));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (began, mut written) = (Instant::now(), 0_u64);
        while self.play.events.is_none_or(|events| written < events) {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            let due =
                u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX) * u64::from(self.play.rate) / 1000 + 1;
            let due = self.play.events.map_or(due, |events| due.min(events));
            let batch: Vec<_> = (written..due).map(|_| self.event()).collect();
            if batch.is_empty() {
                continue;
            }
            let before = std::time::Instant::now();
            let keys = self.events.append(&batch).await?;
            written += keys.len() as u64;
            journal.written(keys.iter().map(|key| key.position), before);
        }
        Ok(written)
    }

    fn event(&mut self) -> NewEvent {
        let (kind, event_type, payload) = EVENTS.choose(&mut self.rng).expect("there are events");
        let id: u32 = self.rng.random_range(1..=20);
        NewEvent {
            instance_id: "demo".into(),
            aggregate_type: (*kind).into(),
            aggregate_id: format!("{kind}-{id}").into(),
            event_type: (*event_type).into(),
            revision: Some(2),
            payload: Some((*payload).into()),
            creator: "demo".to_owned(),
            owner: "org-1".to_owned(),
        }
    }
}

/// A position of the SQLite store as the number it is.
pub fn number(position: Position) -> u64 {
    position.to_string().parse().unwrap_or_default()
}
