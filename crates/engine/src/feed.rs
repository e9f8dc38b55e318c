//! The feed of one instance: the tail's bounded run of recent events in memory, read by all couriers of the instance.
//!
//! The tail appends pages at the end; when the run is longer than its share of memory the oldest pages go. The tail never
//! waits for a courier: one that has fallen behind the run reads pages of its own. But it does not read ahead for nobody:
//! a full feed is only added to once some courier has come to its last page.
//!
//! A page holds what the targets of its time asked for, and says so: a courier that finds it was read for others reads for itself.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use domain::{EventKey, InstanceId, Router, Row, TargetId, Timestamp, TypeFilter};
use tokio::sync::{Notify, watch};

use crate::{page_size::PageSize, traces::PageSpan};

/// What a page takes beside its rows.
const BARE_PAGE: usize = 512;
/// More types and groups than that are not asked for one by one: everything is.
const WIDEST_FILTER: usize = 100;

/// Rows in order, and where the reading that brought them ended.
#[derive(Debug)]
pub(crate) struct Page {
    pub rows: Vec<Arc<Row>>,
    /// The last row that was looked at, whether it is among `rows` or not.
    pub end: EventKey,
    /// `created_at` of the row at `end`, if it can be read.
    pub end_date: Option<Timestamp>,
    /// What was asked for: rows of other types are not here.
    filter: Arc<TypeFilter>,
    /// What its reading is called in traces, where there are any.
    pub span: Option<PageSpan>,
    /// About how much memory it takes.
    bytes: usize,
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
    /// Of what was read, if there was anything; `filter` is what was asked for.
    pub fn new(read: store::Page, filter: Arc<TypeFilter>) -> Option<Self> {
        let rows = read.rows.into_iter().map(Arc::new).collect();
        let bytes = read.bytes + BARE_PAGE;
        Some(Self {
            rows,
            end: read.end?,
            end_date: read.end_date,
            filter,
            span: None,
            bytes,
            routed: Mutex::default(),
        })
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
    /// The courier has fallen behind the run, or the run has not come to where it stands, or was read for others than it: it
    /// reads pages of its own.
    Elsewhere,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Feed {
    pub instance: InstanceId,
    run: Mutex<Run>,
    /// What the targets of one revision of the definitions ask for together.
    filter: Mutex<Option<(i64, Arc<TypeFilter>)>>,
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
    size: PageSize,
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
            size: PageSize::default(),
            lost: false,
        };
        Self { instance, run: Mutex::new(run), filter: Mutex::default(), grown: watch::Sender::new(0), hungry }
    }

    /// What all targets of the instance ask for together.
    pub fn filter(&self, router: &Router) -> Arc<TypeFilter> {
        let mut known = self.filter.lock().expect("no holder of this lock panics");
        match &*known {
            Some((revision, filter)) if *revision == router.revision() => Arc::clone(filter),
            _ => {
                let mut filter = router.filter_for_all(&self.instance);
                if filter.types.len() + filter.groups.len() > WIDEST_FILTER {
                    filter = TypeFilter { all: true, ..TypeFilter::default() };
                }
                let filter = Arc::new(filter);
                *known = Some((router.revision(), Arc::clone(&filter)));
                filter
            }
        }
    }

    /// The page with what comes after `after`, for a courier by this router.
    pub fn read(&self, after: &EventKey, router: &Router) -> Read {
        let filter = self.filter(router);
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
        match run.pages.get(found) {
            None => Read::CaughtUp,
            Some(page) if page.filter.all || page.filter == filter => Read::Page(Arc::clone(page)),
            Some(_) => Read::Elsewhere,
        }
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

    /// How many rows to ask for, at most `limit` and not many more than fit `max_bytes`.
    pub fn rows(&self, limit: usize, max_bytes: usize) -> usize {
        self.lock().size.rows(limit, max_bytes)
    }

    /// What a page was like, whether it is appended or not.
    pub fn learn(&self, read: &store::Page) {
        self.lock().size.learn(read);
    }

    /// Whether so many bytes more would be kept.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        let run = self.lock();
        run.bytes + bytes < run.share
    }

    /// Appends what the tail has read; the oldest pages make room.
    pub fn append(&self, page: Page, more: bool, share: usize) {
        {
            let mut run = self.lock();
            // Where nothing concerns anybody it is enough to know how far that goes.
            let empty =
                |other: &mut Arc<Page>| page.rows.is_empty() && other.rows.is_empty() && other.filter == page.filter;
            if let Some(last) = run.pages.pop_back_if(empty) {
                run.bytes -= last.bytes;
            }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{
        Condition, Definitions, EventKey, Execution, ExecutionTarget, Position, Router, Source, Target, TypeFilter,
    };
    use tokio::sync::Notify;

    use super::{BARE_PAGE, Feed, Page, Read, WIDEST_FILTER};

    /// Routers of targets that ask for these types.
    fn router(revision: i64, types: &[&str]) -> Router {
        let target = Target::new("crm".into(), "crm".into(), "https://example.com/".parse().expect("a URL"));
        let executions = types.iter().map(|name| Execution {
            condition: Condition::Event((*name).into()),
            instance: None,
            targets: vec![ExecutionTarget::Target(target.name.clone())],
            exclude: Vec::new(),
            source: Source::Api,
        });
        let executions = executions.collect();
        Router::build(&Definitions { revision, targets: vec![target], executions }).expect("they are sound")
    }

    fn at(position: i64) -> EventKey {
        EventKey { aggregate_type: "t".into(), ..EventKey::after(Position::from_integer(position)) }
    }

    fn empty(end: i64, filter: &Arc<TypeFilter>) -> Page {
        let read =
            store::Page { rows: Vec::new(), end: Some(at(end)), end_date: None, more: false, bytes: 0, identity: None };
        Page::new(read, Arc::clone(filter)).expect("it has an end")
    }

    fn feed() -> Feed {
        Feed::new("i1".into(), at(0), Arc::new(Notify::new()))
    }

    #[test]
    fn pages_without_rows_become_one() {
        let (feed, router) = (feed(), router(1, &["a.b"]));
        let filter = feed.filter(&router);
        for end in 1..=1000 {
            feed.append(empty(end, &filter), false, 1 << 20);
        }
        assert!(
            matches!(feed.read(&at(3), &router), Read::Page(page) if page.end == at(1000)),
            "one page goes all the way"
        );
        assert_eq!(feed.lock().pages.len(), 1);
        assert_eq!(feed.lock().bytes, BARE_PAGE);
        assert!(matches!(feed.read(&at(1000), &router), Read::CaughtUp));
    }

    #[test]
    fn a_page_is_nothing_for_whom_it_was_not_read() {
        let (feed, one, same, other) = (feed(), router(1, &["a.b"]), router(2, &["a.b"]), router(3, &["a.b", "c.d"]));
        feed.append(empty(1, &feed.filter(&one)), false, 1 << 20);
        feed.append(empty(2, &feed.filter(&other)), false, 1 << 20);
        assert!(matches!(feed.read(&at(0), &one), Read::Page(_)));
        assert!(matches!(feed.read(&at(0), &same), Read::Page(_)), "another revision that asks for the same");
        assert!(matches!(feed.read(&at(0), &other), Read::Elsewhere), "c.d was not asked for");
        assert!(matches!(feed.read(&at(1), &other), Read::Page(_)));
        assert!(matches!(feed.read(&at(1), &one), Read::Elsewhere), "and what was is no longer known to be all");
    }

    #[test]
    fn what_asks_for_very_many_types_asks_for_all() {
        let names: Vec<_> = (0..=WIDEST_FILTER).map(|number| format!("a.n{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert!(feed().filter(&router(1, &names)).all);
        let filter = feed().filter(&router(1, &names[1..]));
        assert_eq!((filter.all, filter.types.len()), (false, WIDEST_FILTER));
    }
}
