//! The tail: reads the events table up to the horizon, once for everybody.
//!
//! One task for a store. While nothing is new it asks one cheap question every `poll_interval`; when something is, it takes
//! the horizon (`store` reads, `domain::Horizon` decides) and then pages up to it, instance by instance. Nothing is ever read
//! past the horizon. Trouble with the store is reported once and waited out; the couriers wait with it.
//!
//! The parts: [`horizon`] takes the horizon and tells who holds it; [`server`] makes sure that a server that is new has
//! everything that was read.

mod horizon;
mod server;

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{EventKey, Horizon, InstanceId, Position};
use store::{EventStore, HorizonMark, Identity, PageRequest};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

pub(crate) use self::horizon::{Safe, Sight};
use self::server::TailError;
use crate::{
    Options, Retry, Status, clock,
    feed::{Feed, Page},
    feeds::Feeds,
};

/// How often the way in which positions are stamped is looked at again, for an upgrade of ZITADEL in between.
const EXAMINE: Duration = Duration::from_mins(1);
/// Memory for all feeds together, in bytes.
const MEMORY: usize = 48 << 20;
/// A page takes no more, unless a single event does.
pub(crate) const PAGE_BYTES: usize = 1 << 20;
/// While the horizon is held back it is looked at again after this.
const HELD_BACK: Duration = Duration::from_millis(20);
/// At most 200 horizon polls a second.
const MIN_PROBE: Duration = Duration::from_millis(5);
/// The horizon is taken at least so often, so that its holder is known and `now` is recent.
const MAX_PROBE: Duration = Duration::from_secs(1);

/// See the module's head.
pub(crate) struct Tail {
    events: EventStore,
    options: Options,
    feeds: Feeds,
    status: Arc<Status>,
    horizon: Horizon,
    identity: Option<Identity>,
    /// The furthest cursors at the start, until there are feeds.
    stood: HashMap<InstanceId, EventKey>,
    held_back: bool,
    /// Who holds the horizon back, since when somebody does, and whether that was told.
    holder: Option<(String, Instant, bool)>,
    head: Position,
    safe: watch::Sender<Safe>,
    mark: watch::Sender<Option<HorizonMark>>,
    instances: watch::Sender<Vec<InstanceId>>,
    probed: Option<Instant>,
    examined: Instant,
    swept: Option<Instant>,
    looked: Instant,
}

impl Tail {
    /// Takes up the horizon at the persisted watermark; `stood` is where the most advanced cursor of each instance stands.
    pub fn new(
        events: EventStore,
        options: Options,
        feeds: Feeds,
        status: Arc<Status>,
        mark: Option<HorizonMark>,
        stood: HashMap<InstanceId, EventKey>,
    ) -> (Self, Sight) {
        let watermark = mark.as_ref().map_or(Position::ZERO, |mark| mark.watermark);
        let identity = mark.and_then(|mark| mark.identity);
        let (safe, safe_seen) = watch::channel(Safe { position: watermark, identity: identity.clone() });
        let (mark_sender, mark_seen) = watch::channel(None);
        let (instances, instances_seen) = watch::channel(Vec::new());
        let tail = Self {
            events,
            options,
            feeds,
            status,
            horizon: Horizon::resume(watermark),
            identity,
            stood,
            held_back: false,
            holder: None,
            head: Position::ZERO,
            safe,
            mark: mark_sender,
            instances,
            probed: None,
            examined: Instant::now(),
            swept: None,
            looked: Instant::now(),
        };
        (tail, Sight { safe: safe_seen, mark: mark_seen, instances: instances_seen })
    }

    /// Reads until `stop`.
    pub async fn run(mut self, stop: &CancellationToken) {
        let retry = Retry::default();
        let mut failed = 0;
        let mut told = String::new();
        while !stop.is_cancelled() {
            let round = tokio::select! {
                () = stop.cancelled() => return,
                round = self.round() => round,
            };
            let pause = match round {
                Ok(pause) => {
                    if failed > 0 {
                        info!("the event store can be read again");
                        failed = 0;
                        told.clear();
                    }
                    self.status.events_readable();
                    pause
                }
                Err(error) => {
                    failed += 1;
                    self.status.events_failed(&error);
                    // What was only away may come back as another server that has lost events: every new trouble is told.
                    if told != error.to_string() || failed % 20 == 0 {
                        told = error.to_string();
                        warn!(
                            error = &error as &dyn std::error::Error,
                            "the event store cannot be read; this is tried again"
                        );
                    }
                    // After an outage it may be another version of the store.
                    self.examined = Instant::now().checked_sub(EXAMINE).unwrap_or(self.examined);
                    retry.delay(failed)
                }
            };
            if !pause.is_zero() {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = sleep(pause) => {}
                    () = self.feeds.hungry() => {}
                }
            }
        }
    }

    /// One look at the store; how long to wait before the next.
    async fn round(&mut self) -> Result<Duration, TailError> {
        if self.examined.elapsed() >= EXAMINE {
            self.events.reexamine().await?;
            self.examined = Instant::now();
        }
        self.look_for_instances().await?;
        let all = self.feeds.all();
        let share = MEMORY / all.len().max(1);
        for feed in &all {
            feed.trim(share);
        }
        let feeds: Vec<_> = all.into_iter().filter(|feed| feed.wants_more()).collect();
        let ends: Vec<_> = (feeds.iter())
            .filter(|feed| !feed.has_more())
            .map(|feed| (feed.instance.clone(), feed.end().position))
            .collect();
        let fresh = if ends.is_empty() { Vec::new() } else { self.events.fresh(&ends).await? };
        let reads: Vec<_> =
            feeds.into_iter().filter(|feed| feed.has_more() || fresh.contains(&feed.instance)).collect();
        let due = self.probed.is_none_or(|probed| probed.elapsed() >= MAX_PROBE);
        if reads.is_empty() && !due {
            return Ok(if self.held_back {
                HELD_BACK.min(self.options.poll_interval)
            } else {
                self.options.poll_interval
            });
        }
        if due || self.probed.is_none_or(|probed| probed.elapsed() >= MIN_PROBE) {
            self.take_the_horizon().await?;
        }
        let (mut read_something, mut trouble) = (false, None);
        for feed in &reads {
            // One instance in trouble does not keep the others from being read.
            match self.read_page(feed, share).await {
                Ok(read) => read_something |= read,
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        if let Some(error) = trouble {
            return Err(error);
        }
        Ok(match (read_something, reads.is_empty()) {
            (true, _) => Duration::ZERO,
            // Something is there, but beyond the horizon.
            (false, false) => HELD_BACK.min(self.options.poll_interval),
            (false, true) => self.options.poll_interval,
        })
    }

    async fn read_page(&self, feed: &Feed, share: usize) -> Result<bool, TailError> {
        let after = feed.end();
        let request = PageRequest {
            instance: &feed.instance,
            after: &after,
            up_to: self.horizon.safe(),
            filter: None,
            limit: self.options.bulk_limit,
            max_bytes: PAGE_BYTES.min(share / 2).max(64 << 10),
        };
        let page = self.events.page(&request).await?;
        self.same_server(page.identity.as_ref())?;
        let Some(end) = page.end else {
            feed.drained();
            return Ok(false);
        };
        debug!(instance = %feed.instance, rows = page.rows.len(), %end, "read a page");
        let bytes = page.rows.iter().map(domain::Row::weight).sum();
        feed.append(Page::new(page.rows, end, bytes), page.more, share);
        Ok(true)
    }

    /// A full sweep every `requeue_every`; between sweeps the recently active ones.
    async fn look_for_instances(&mut self) -> Result<(), TailError> {
        let sweep = self.swept.is_none_or(|swept| swept.elapsed() >= self.options.requeue_every);
        if !sweep && (!self.events.has_instances() || self.looked.elapsed() < MAX_PROBE) {
            return Ok(());
        }
        let found = if sweep {
            for feed in self.feeds.all() {
                feed.read_again();
            }
            self.events.instances().await?
        } else {
            let since = clock::wall() - domain::SignedDuration::from_secs(10);
            self.events.recent_instances(since).await?
        };
        self.looked = Instant::now();
        if sweep {
            self.swept = Some(Instant::now());
        }
        self.instances.send_if_modified(|known| {
            let new: Vec<_> = found.into_iter().filter(|instance| !known.contains(instance)).collect();
            let any = !new.is_empty();
            known.extend(new);
            any
        });
        Ok(())
    }
}
