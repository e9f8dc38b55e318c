//! The tail: reads the events table up to the horizon, once for everybody.
//!
//! One task for a store. While nothing is new it asks one cheap question every `poll_interval`; when something is, it takes
//! the horizon (`store` reads, `domain::Horizon` decides) and then pages up to it, instance by instance. Nothing is ever read
//! past the horizon. Trouble with the store is reported once and waited out; the couriers wait with it.
//!
//! When the server behind the connection changes (a failover, a restored copy), nothing is read until the last row that
//! was read is found again and the store has not fallen behind the watermark: a store that lost events would otherwise
//! have its gap skipped in silence.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use domain::{EventKey, Horizon, HorizonReading, InstanceId, Position, Writer};
use store::{EventStore, HorizonMark, Identity, PageRequest, StoreError};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    Options, Retry, Status, clock,
    feed::{Feed, Page},
};

/// How often the way in which positions are stamped is looked at again, for an upgrade of ZITADEL in between.
const EXAMINE: Duration = Duration::from_mins(1);
/// A writer that holds the horizon for longer is worth a line in the log.
const LONG_HELD: Duration = Duration::from_secs(5);
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

/// Why the tail cannot read on.
#[derive(Debug, thiserror::Error)]
enum TailError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A restored or failed-over copy that lacks what was already read.
    #[error(
        "another server answers for the event store, and it ends at {head}, before {watermark} up to where events were read: it has lost events. \
         Nothing is sent until it has caught up; if they are gone for good, stop the daemon, move each cursor with \
         `postrider cursor seek NAME --to PLACE --accept-lost`, and start it again"
    )]
    FellBehind { head: Position, watermark: Position },
    /// As before, found by an event.
    #[error(
        "another server answers for the event store, and it does not have the event at {key}, which was read before: it has lost events. \
         Nothing is sent; if they are gone for good, move the cursors with `postrider cursor seek`"
    )]
    LostEvent { key: EventKey },
}

/// The feeds of all instances that have couriers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feeds {
    feeds: Arc<Mutex<BTreeMap<InstanceId, Arc<Feed>>>>,
    hungry: Arc<Notify>,
}

impl Feeds {
    /// The feed of an instance, made when there is none: it begins after `start`.
    pub fn of(&self, instance: &InstanceId, start: &EventKey) -> Arc<Feed> {
        let mut feeds = self.feeds.lock().expect("no holder of this lock panics");
        let made = || Arc::new(Feed::new(instance.clone(), start.clone(), Arc::clone(&self.hungry)));
        let feed = Arc::clone(feeds.entry(instance.clone()).or_insert_with(made));
        self.hungry.notify_one();
        feed
    }

    /// Where the most advanced cursor of each instance stands now. A place between events was chosen by an operator, or
    /// nothing was sent there: a feed whose last event was lost goes on from it.
    pub fn cursors_stand_at(&self, furthest: &HashMap<InstanceId, EventKey>) {
        for feed in self.all() {
            if let Some(place) = furthest.get(&feed.instance).filter(|key| key.is_edge()) {
                feed.restart_if_lost(place);
            }
        }
    }

    fn all(&self) -> Vec<Arc<Feed>> {
        self.feeds.lock().expect("no holder of this lock panics").values().cloned().collect()
    }
}

/// Up to where it is safe to read, and from which server: a page from another one proves nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Safe {
    pub position: Position,
    pub identity: Option<Identity>,
}

/// What the tail lets others see.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    /// Up to where it is safe to read.
    pub safe: watch::Receiver<Safe>,
    /// What the ledger persists of it.
    pub mark: watch::Receiver<Option<HorizonMark>>,
    /// The instances that have events.
    pub instances: watch::Receiver<Vec<InstanceId>>,
}

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
                let hungry = Arc::clone(&self.feeds.hungry);
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = sleep(pause) => {}
                    () = hungry.notified() => {}
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

    async fn take_the_horizon(&mut self) -> Result<(), TailError> {
        let probe = self.events.probe().await?;
        if self.identity.is_some() && self.identity != probe.identity {
            self.make_sure_of_the_new_server(probe.head).await?;
        }
        if probe.head < self.head {
            warn!(
                from = %self.head, to = %probe.head,
                "the event store's end went back, as a clock that is set back does; events stamped before the horizon would not be seen"
            );
        }
        self.head = probe.head;
        let HorizonReading { safe, head, holder } = self.horizon.advance(probe.head, &probe.writers);
        self.identity = probe.identity;
        self.probed = Some(Instant::now());
        self.held_back = safe < head;
        self.tell_who_holds(holder.as_ref());
        self.status.horizon(safe, head, holder.as_ref(), clock::wall());
        let seen = Safe { position: safe, identity: self.identity.clone() };
        self.safe.send_if_modified(|known| {
            *known != seen && {
                known.clone_from(&seen);
                true
            }
        });
        let mark = HorizonMark { watermark: safe, identity: self.identity.clone() };
        self.mark.send_replace(Some(mark));
        Ok(())
    }

    /// A writer that holds the horizon for long is named once, and so is the end of it.
    fn tell_who_holds(&mut self, holder: Option<&Writer>) {
        let Some(holder) = holder else {
            if let Some((_, since, true)) = self.holder.take() {
                info!(held_for = ?since.elapsed(), "nobody holds the horizon any more");
            }
            return;
        };
        let (vxid, since, told) = self.holder.get_or_insert_with(|| (holder.vxid.clone(), Instant::now(), false));
        if *vxid != holder.vxid {
            (*vxid, *told) = (holder.vxid.clone(), false);
        }
        if !*told && since.elapsed() >= LONG_HELD {
            *told = true;
            warn!(
                pid = holder.pid,
                role = holder.role,
                application = holder.application,
                state = holder.state,
                open_since = holder.since.map(tracing::field::display),
                "an open transaction may still write events: nothing behind it is sent until it ends"
            );
        }
    }

    /// A page from another server than the horizon's proves nothing.
    fn same_server(&self, identity: Option<&Identity>) -> Result<(), TailError> {
        if identity == self.identity.as_ref() {
            return Ok(());
        }
        Err(StoreError::Switched.into())
    }

    async fn make_sure_of_the_new_server(&self, head: Position) -> Result<(), TailError> {
        if head < self.horizon.safe() {
            return Err(TailError::FellBehind { head, watermark: self.horizon.safe() });
        }
        let feeds = self.feeds.all();
        let without_feed =
            self.stood.iter().filter(|(instance, _)| feeds.iter().all(|feed| feed.instance != **instance));
        for key in without_feed.map(|(_, key)| key) {
            self.make_sure_of(key).await?;
        }
        for feed in feeds {
            self.make_sure_of(&feed.end()).await.inspect_err(|error| {
                if matches!(error, TailError::LostEvent { .. }) {
                    feed.end_is_lost();
                }
            })?;
        }
        info!("the event store is served by another server now; the last events read are there, reading goes on");
        Ok(())
    }

    async fn make_sure_of(&self, key: &EventKey) -> Result<(), TailError> {
        if !key.is_edge() && self.events.event(key).await?.is_none() {
            return Err(TailError::LostEvent { key: key.clone() });
        }
        Ok(())
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
