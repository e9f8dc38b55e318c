//! The tail: reads the events table up to the horizon, once for everybody.
//!
//! One task for a store. While nothing is new it asks one cheap question every `poll_interval`, or when it is told that there
//! is something (`waking`); when something is, it takes the horizon (`store` reads, `domain::Horizon` decides) and then pages
//! up to it, instance by instance. Nothing is ever read past the horizon. Trouble with the store is reported once and waited
//! out; the couriers wait with it.
//!
//! The parts: [`pages`] reads, and [`ahead`] reads ahead where there is a backlog; [`horizon`] takes the horizon and tells who holds
//! it; [`server`] makes sure that a server that is new has everything that was read; [`instances`] finds those that are new.

mod ahead;
mod horizon;
mod instances;
mod pages;
mod server;

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use domain::{EventKey, Horizon, InstanceId, LogEvent, Position, Router};
use store::{EventStore, HorizonMark, HorizonSource, Identity};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::{ahead::Ahead, server::TailError};
pub(crate) use self::{
    horizon::{Safe, Sight},
    pages::PAGE_BYTES,
};
use crate::{Options, Retry, Status, feeds::Feeds, traces::Traces, waking::Waking};

/// How often the way in which positions are stamped is looked at again, for an upgrade of ZITADEL in between.
const EXAMINE: Duration = Duration::from_mins(1);
/// Memory for all feeds together, in bytes.
const MEMORY: usize = 48 << 20;
/// While the horizon is held back it is looked at again after this.
const HELD_BACK: Duration = Duration::from_millis(20);
/// At most 200 horizon polls a second, and no more looks than that because somebody says that there is something.
const MIN_PROBE: Duration = Duration::from_millis(5);
/// The horizon is taken at least so often, so that its holder is known and `now` is recent.
const MAX_PROBE: Duration = Duration::from_secs(1);

/// What is to be done after a look.
enum Next {
    /// Something was read: there may be more.
    GoOn,
    /// Something is there, or may be, but not within the horizon yet.
    HeldBack,
    /// Nothing is there.
    Idle,
}

/// See the module's head.
pub(crate) struct Tail {
    events: EventStore,
    /// For pages: the same few sessions read them all, and have at hand what they need for it.
    reader: EventStore,
    options: Options,
    feeds: Feeds,
    router: Arc<ArcSwap<Router>>,
    status: Arc<Status>,
    traces: Option<Arc<Traces>>,
    waking: Arc<Waking>,
    ahead: Option<Ahead>,
    /// This look is made because somebody said that there is something.
    woken: bool,
    began: Instant,
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
    look_every: Duration,
    /// Somebody said that there is something since the instances were looked for.
    may_be_new: bool,
}

impl Tail {
    /// Takes up the horizon at the persisted watermark; `stood` is where the most advanced cursor of each instance stands.
    pub fn new(
        events: EventStore,
        options: Options,
        feeds: Feeds,
        router: Arc<ArcSwap<Router>>,
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
            reader: events.alone(),
            events,
            feeds,
            router,
            traces: None,
            ahead: None,
            waking: Arc::new(Waking::new(options.poll_interval, Arc::clone(&status))),
            woken: false,
            began: Instant::now(),
            options,
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
            look_every: Duration::ZERO,
            may_be_new: false,
        };
        (tail, Sight { safe: safe_seen, mark: mark_seen, instances: instances_seen })
    }

    /// The same, and its reading is told in traces, where there are any.
    pub fn traced(self, traces: Option<Arc<Traces>>) -> Self {
        Self { traces, ..self }
    }

    /// Reads until `stop`.
    pub async fn run(self, stop: &CancellationToken) {
        let (waking, events) = (Arc::clone(&self.waking), self.events.clone());
        tokio::select! {
            () = self.look_again_and_again(stop) => {}
            never = waking.listen(&events) => match never {},
        }
    }

    async fn look_again_and_again(mut self, stop: &CancellationToken) {
        let retry = Retry::default();
        let mut failed = 0;
        let mut told = String::new();
        while !stop.is_cancelled() {
            let looked = tokio::select! {
                () = stop.cancelled() => return,
                looked = self.look() => looked,
            };
            self.woken = false;
            // Whether somebody who says that there is something is listened to.
            let (pause, heeds) = match looked {
                Ok(next) => {
                    if failed > 0 {
                        info!(event = LogEvent::EventStoreReadable.name(), "the event store can be read again");
                        failed = 0;
                        told.clear();
                    }
                    self.status.events_readable();
                    match next {
                        Next::GoOn => continue,
                        // By the starts of transactions nothing can be read the sooner for another that has ended now.
                        Next::HeldBack => {
                            (HELD_BACK.min(self.options.poll_interval), self.events.source() != HorizonSource::TxStart)
                        }
                        Next::Idle => {
                            let idle = self.waking.idle();
                            (self.instances_are_due_in().map_or(idle, |due| idle.min(due)), true)
                        }
                    }
                }
                Err(error) => {
                    failed += 1;
                    self.status.events_failed(&error);
                    // What was only away may come back as another server that has lost events: every new trouble is told.
                    if told != error.to_string() || failed % 20 == 0 {
                        told = error.to_string();
                        warn!(
                            event = LogEvent::EventStoreUnreadable.name(),
                            error = &error as &dyn std::error::Error,
                            "the event store cannot be read; this is tried again"
                        );
                    }
                    // After an outage it may be another version of the store.
                    self.examined = Instant::now().checked_sub(EXAMINE).unwrap_or(self.examined);
                    (retry.delay(failed), false)
                }
            };
            let may_look = self.probed.map_or(self.began, |probed| probed.max(self.began)) + MIN_PROBE;
            let woken = async {
                self.waking.woken().await;
                sleep_until(may_look).await;
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(pause) => {}
                () = self.feeds.hungry() => {}
                () = woken, if heeds => self.woken = true,
            }
        }
    }

    /// One look at the store.
    async fn look(&mut self) -> Result<Next, TailError> {
        self.began = Instant::now();
        if self.examined.elapsed() >= EXAMINE.min(self.options.requeue_every) {
            self.events.reexamine().await?;
            self.examined = Instant::now();
            self.waking.examined();
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
        // Where it can only be one instance that has something new, and that can be read at once, the page tells.
        let guessed = self.woken && ends.len() == 1 && self.events.source() != HorizonSource::TxStart;
        let fresh = match &ends[..] {
            [] => Vec::new(),
            [(instance, _)] if guessed => vec![instance.clone()],
            ends => self.events.fresh(ends).await?,
        };
        let reads: Vec<_> =
            feeds.into_iter().filter(|feed| feed.has_more() || fresh.contains(&feed.instance)).collect();
        let due = self.probed.is_none_or(|probed| probed.elapsed() >= MAX_PROBE);
        if reads.is_empty() && !due && !self.woken {
            return Ok(if self.held_back { Next::HeldBack } else { Next::Idle });
        }
        // Where all that is read lies behind the horizon of before, it can stay where it is.
        let behind = !due && !reads.is_empty() && reads.iter().all(|feed| feed.was_cut());
        if due || (!behind && self.probed.is_none_or(|probed| probed.elapsed() >= MIN_PROBE)) {
            self.take_the_horizon().await?;
        }
        let (mut read_something, mut trouble) = (false, None);
        for feed in &reads {
            // One instance in trouble does not keep the others from being read.
            match self.read_page(feed, share, reads.len() == 1).await {
                Ok(read) => read_something |= read,
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        if let Some(error) = trouble {
            return Err(error);
        }
        let something_is_there = !reads.is_empty() && !guessed;
        Ok(if read_something || behind {
            Next::GoOn
        } else if something_is_there || self.held_back || self.woken {
            // Who woke the tail may have spoken for others as well, who were not seen here.
            Next::HeldBack
        } else {
            Next::Idle
        })
    }
}
