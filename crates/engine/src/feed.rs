//! The feed of one instance: the tail's bounded run of recent events in memory, read by all couriers of the instance.
//!
//! The tail appends pages at the end; when the run is longer than its share of memory the oldest pages go. The tail never
//! waits for a courier: one that has fallen behind the run reads pages of its own. But it does not read ahead for nobody:
//! a full feed is only added to once some courier has come to its last page.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use domain::{EventKey, InstanceId, Router, Row, TargetId, Timestamp};
use tokio::sync::{Notify, watch};

/// Rows in order, and where the reading that brought them ended.
#[derive(Debug)]
pub(crate) struct Page {
    pub rows: Vec<Arc<Row>>,
    /// The last row that was looked at, whether it is among `rows` or not.
    pub end: EventKey,
    /// `created_at` of the event at `end`, if it is among `rows`.
    pub end_date: Option<Timestamp>,
    /// About how much memory it takes.
    pub bytes: usize,
    routed: Mutex<Option<Arc<Routed>>>,
}

/// Which rows of a page concern which target, at one revision of the definitions.
#[derive(Debug)]
pub(crate) struct Routed {
    revision: i64,
    by_target: HashMap<TargetId, Vec<u32>>,
    /// Rows of unknown type: they concern everybody.
    broken: Vec<u32>,
}

impl Page {
    pub fn new(rows: Vec<Row>, end: EventKey, bytes: usize) -> Self {
        let end_date = rows.last().filter(|row| *row.key() == end).and_then(|row| match row {
            Row::Event(event) => Some(event.created_at),
            Row::Broken(_) => None,
        });
        let rows = rows.into_iter().map(Arc::new).collect();
        Self { rows, end, end_date, bytes, routed: Mutex::default() }
    }

    /// The rows that concern `target`, in order: looked up once for all couriers, and again when definitions change.
    pub fn matches(&self, router: &Router, instance: &InstanceId, target: &TargetId) -> Vec<u32> {
        let known = {
            let mut cell = self.routed.lock().expect("no holder of this lock panics");
            match &*cell {
                Some(known) if known.revision == router.revision() => Arc::clone(known),
                _ => Arc::clone(cell.insert(Arc::new(Routed::look_up(&self.rows, router, instance)))),
            }
        };
        let mut rows = known.by_target.get(target).cloned().unwrap_or_default();
        if !known.broken.is_empty() {
            rows.extend(&known.broken);
            rows.sort_unstable();
        }
        rows
    }
}

impl Routed {
    fn look_up(rows: &[Arc<Row>], router: &Router, instance: &InstanceId) -> Self {
        let mut by_target: HashMap<TargetId, Vec<u32>> = HashMap::new();
        let mut broken = Vec::new();
        for (index, row) in (0..).zip(rows) {
            match row.event_type() {
                Some(event_type) => {
                    for target in router.targets(instance, event_type) {
                        match by_target.get_mut(target) {
                            Some(list) => list.push(index),
                            None => {
                                by_target.insert(target.clone(), vec![index]);
                            }
                        }
                    }
                }
                None => broken.push(index),
            }
        }
        Self { revision: router.revision(), by_target, broken }
    }
}

/// What a feed has for a courier.
#[derive(Debug)]
pub(crate) enum Read {
    /// The page with the first rows after where the courier stands.
    Page(Arc<Page>),
    /// Nothing yet: wait for the feed to grow.
    CaughtUp,
    /// The courier has fallen behind the run, or the run has not come to where it stands: it reads pages of its own.
    Elsewhere,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Feed {
    pub instance: InstanceId,
    run: Mutex<Run>,
    grown: watch::Sender<u64>,
    hungry: Arc<Notify>,
}

/// Whether there is more behind the last page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum More {
    /// Not when it was read: the store is asked first.
    Nothing,
    /// It is read without asking.
    Perhaps,
    /// The page was cut, and the horizon of then is further.
    Cut,
}

#[derive(Debug)]
struct Run {
    /// Everything after `start` and up to `end` is in `pages`.
    start: EventKey,
    end: EventKey,
    pages: VecDeque<Arc<Page>>,
    bytes: usize,
    share: usize,
    /// Some courier has come to the last page.
    wanted: bool,
    more: More,
    /// The event at `end` was lost by the store: nothing is read until an operator has moved the cursors.
    lost: bool,
}

impl Run {
    /// Lets the oldest pages go until the rest fits, but not the last `keep`.
    fn evict(&mut self, keep: usize) {
        while self.bytes > self.share && self.pages.len() > keep {
            let Some(oldest) = self.pages.pop_front() else { return };
            self.bytes -= oldest.bytes;
            self.start = oldest.end.clone();
        }
    }
}

impl Feed {
    /// A feed that begins after `start`; `hungry` wakes the tail.
    pub fn new(instance: InstanceId, start: EventKey, hungry: Arc<Notify>) -> Self {
        let run = Run {
            end: start.clone(),
            start,
            pages: VecDeque::new(),
            bytes: 0,
            share: usize::MAX,
            wanted: true,
            more: More::Perhaps,
            lost: false,
        };
        Self { instance, run: Mutex::new(run), grown: watch::Sender::new(0), hungry }
    }

    /// The page with what comes after `after`.
    pub fn read(&self, after: &EventKey) -> Read {
        let mut run = self.lock();
        if *after < run.start {
            return Read::Elsewhere;
        }
        if *after > run.end && run.more != More::Nothing {
            // The tail must come here, however long the way is.
            if !std::mem::replace(&mut run.wanted, true) {
                self.hungry.notify_one();
            }
            return Read::Elsewhere;
        }
        let found = run.pages.partition_point(|page| page.end <= *after);
        if found + 1 >= run.pages.len() && !std::mem::replace(&mut run.wanted, true) {
            self.hungry.notify_one();
        }
        run.pages.get(found).map_or(Read::CaughtUp, |page| Read::Page(Arc::clone(page)))
    }

    /// Tells when something was appended.
    pub fn grown(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    /// Where the tail reads on.
    pub fn end(&self) -> EventKey {
        self.lock().end.clone()
    }

    /// Whether the tail should read on: there is room, or somebody has come to the end.
    pub fn wants_more(&self) -> bool {
        let run = self.lock();
        run.wanted || run.bytes < run.share
    }

    /// Whether more may be there without the store being asked: the last page was cut, or nothing was read yet, where the
    /// first event may stand exactly at the place.
    pub fn has_more(&self) -> bool {
        let run = self.lock();
        run.more != More::Nothing || run.end.is_edge()
    }

    /// Whether the last page was cut: more was there, up to the horizon of then.
    pub fn was_cut(&self) -> bool {
        self.lock().more == More::Cut
    }

    /// Nothing but what was read is there, as far as the horizon.
    pub fn drained(&self) {
        self.lock().more = More::Nothing;
    }

    /// The event at the end is no longer in the store.
    pub fn end_is_lost(&self) {
        self.lock().lost = true;
    }

    /// Begins anew after `start`, if the event at the end was lost.
    pub fn restart_if_lost(&self, start: &EventKey) {
        let mut run = self.lock();
        if run.lost {
            run.start = start.clone();
            run.end = start.clone();
            run.pages.clear();
            run.bytes = 0;
            (run.wanted, run.more, run.lost) = (true, More::Perhaps, false);
            self.hungry.notify_one();
        }
    }

    /// Gives back what is more than its share, now that there may be more feeds.
    pub fn trim(&self, share: usize) {
        let mut run = self.lock();
        if share < run.share {
            run.share = share;
            run.evict(0);
        }
    }

    /// Makes the tail look again, whether or not anything seems new.
    pub fn read_again(&self) {
        self.lock().more = More::Perhaps;
    }

    /// Appends what the tail has read; the oldest pages make room.
    pub fn append(&self, page: Page, more: bool, share: usize) {
        {
            let mut run = self.lock();
            run.end = page.end.clone();
            run.more = if more { More::Cut } else { More::Nothing };
            run.share = share;
            run.bytes += page.bytes;
            run.wanted = false;
            run.pages.push_back(Arc::new(page));
            // The page that was just read is kept: somebody came here for it.
            run.evict(1);
        }
        self.grown.send_modify(|times| *times += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Run> {
        self.run.lock().expect("no holder of this lock panics")
    }
}
