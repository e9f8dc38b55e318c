//! Where a courier's rows come from: the feed that all share, or pages of its own while it stands elsewhere.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use domain::{EventKey, Position, Router, Row, TargetId, Timestamp};
use store::{EventStore, PageRequest, StoreError};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};

use crate::{
    clock,
    feed::{Feed, Page, Read, SettingOut, Stay},
    page_size::PageSize,
    tail::{PAGE_BYTES, Safe},
    traces::{Pages, Traces},
    turns::Turn,
};

/// The next thing that a courier comes to.
pub(super) enum Found {
    /// A row that concerns the target.
    Row(Arc<Row>),
    /// The end of a page: everything up to here that was not given concerns nobody.
    Passed(EventKey, Option<Timestamp>),
    /// Nothing until the feed grows or the horizon moves.
    Nothing,
}

/// See the module's head.
pub(super) struct Reader {
    pub feed: Arc<Feed>,
    events: EventStore,
    router: Arc<ArcSwap<Router>>,
    target: TargetId,
    /// Memory for pages that couriers read for themselves, in KiB, for the whole daemon.
    memory: Arc<Semaphore>,
    /// Until it reads for the first time.
    pub sets_out: Option<SettingOut>,
    /// Where in the feed's run it is, for the feed to know what is still needed.
    pub stay: Stay,
    /// Everything up to here was given or passed, beside what the page in hand has given.
    at: EventKey,
    open: Option<Open>,
    bulk_limit: usize,
    size: PageSize,
    pub traces: Option<Arc<Traces>>,
    /// Which page a row came with; nothing where there are no traces.
    pub pages: Pages,
    /// Whether the page in hand is the courier's own, because it has far to go.
    pub catching_up: bool,
    /// When it reads for itself, if the feed does not come to it before.
    pub reads_itself_at: Option<Duration>,
    /// Whether the feed had nothing to say of where the courier stands: then it reads for itself as the horizon moves.
    pub elsewhere: bool,
}

struct Open {
    page: Arc<Page>,
    revision: i64,
    matches: Vec<u32>,
    next: usize,
    /// The row that it gave last.
    given: Option<u32>,
    memory: Option<OwnedSemaphorePermit>,
}

impl Reader {
    pub fn new(
        feed: Arc<Feed>,
        events: EventStore,
        router: Arc<ArcSwap<Router>>,
        target: TargetId,
        memory: Arc<Semaphore>,
        at: EventKey,
        bulk_limit: usize,
    ) -> Self {
        Self {
            stay: Stay::new(&feed),
            feed,
            events,
            router,
            target,
            memory,
            sets_out: None,
            at,
            open: None,
            bulk_limit,
            size: PageSize::default(),
            traces: None,
            pages: Pages::default(),
            catching_up: false,
            reads_itself_at: None,
            elsewhere: false,
        }
    }

    /// Whether it keeps memory that other couriers may wait for.
    pub fn has_own_page(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.memory.is_some())
    }

    /// Lets go of the page in hand, and reads on after `at` when asked again.
    pub fn let_go(&mut self, at: &EventKey) {
        if self.open.is_some() {
            self.begin_after(at);
        }
    }

    /// Reads on after `at`, also where that lies before what was given already.
    pub fn begin_after(&mut self, at: &EventKey) {
        self.open = None;
        self.stay.comes_to(None);
        self.at = at.clone();
    }

    /// The next row that concerns the target, or how far there is none. `window_at` is where the window stands, `settled` where
    /// its cursor does, and `turn` is given back where pages are read that nobody else has.
    pub async fn next(
        &mut self,
        safe: &watch::Receiver<Safe>,
        window_at: &EventKey,
        settled: &EventKey,
        turn: &mut Turn,
    ) -> Result<Found, StoreError> {
        let router = self.router.load_full();
        // Definitions changed while a page was in hand: it is looked at again, and its own filter may be too narrow now.
        if self.open.as_ref().is_some_and(|open| open.revision != router.revision()) {
            self.let_go(window_at);
        }
        if self.open.is_none() && !self.turn_the_page(safe, &router, settled, turn).await? {
            return Ok(Found::Nothing);
        }
        let open = self.open.as_mut().expect("a page was just opened");
        while let Some(&number) = open.matches.get(open.next) {
            open.next += 1;
            let row = &open.page.rows[number as usize];
            let before = open.given.map_or(&self.at, |given| open.page.rows[given as usize].key());
            if row.key() > before {
                open.given = Some(number);
                return Ok(Found::Row(Arc::clone(row)));
            }
        }
        let page = self.open.take().expect("a page is open").page;
        self.at = self.at.clone().max(page.end.clone());
        Ok(Found::Passed(page.end.clone(), page.end_date))
    }

    async fn turn_the_page(
        &mut self,
        safe: &watch::Receiver<Safe>,
        router: &Router,
        settled: &EventKey,
        turn: &mut Turn,
    ) -> Result<bool, StoreError> {
        let read = self.feed.read(&self.at, router);
        match &read {
            Read::Page(page) => self.stay.comes_to(Some(page)),
            Read::Elsewhere => self.stay.comes_to(None),
            Read::CaughtUp | Read::Soon(_) => {}
        }
        self.reads_itself_at = None;
        self.sets_out = None;
        self.elsewhere = matches!(read, Read::Elsewhere);
        let (page, memory) = match read {
            Read::CaughtUp => {
                self.catching_up = false;
                return Ok(false);
            }
            Read::Soon(until) => {
                self.reads_itself_at = Some(clock::boottime() + until.saturating_duration_since(Instant::now()));
                return Ok(false);
            }
            Read::Page(page) => {
                self.catching_up = false;
                (page, None)
            }
            // Boxed, as all is that is rare and large: what a courier carries about between two calls is to be small.
            Read::Elsewhere => {
                // Neither the database nor the memory is waited for in a turn.
                turn.step_aside();
                match Box::pin(self.own_page(safe, router)).await? {
                    Some((page, memory)) => (Arc::new(page), Some(memory)),
                    None => return Ok(false),
                }
            }
        };
        let matches = page.matches(router, &self.feed.instance, &self.target);
        self.pages.turned(&self.at, &page.end, page.span, settled);
        self.open = Some(Open { page, revision: router.revision(), matches, next: 0, given: None, memory });
        Ok(true)
    }

    async fn own_page(
        &mut self,
        safe: &watch::Receiver<Safe>,
        router: &Router,
    ) -> Result<Option<(Page, OwnedSemaphorePermit)>, StoreError> {
        let kib = u32::try_from(PAGE_BYTES >> 10).expect("a page is small");
        let mut memory = Arc::clone(&self.memory).acquire_many_owned(kib).await.expect("the semaphore is never closed");
        let safe = safe.borrow().clone();
        let filter = Arc::new(router.filter(&self.target, &self.feed.instance).unwrap_or_default());
        let request = PageRequest {
            instance: &self.feed.instance,
            after: &self.at,
            up_to: safe.position,
            filter: Some(&filter),
            limit: self.size.rows(self.bulk_limit, PAGE_BYTES),
            max_bytes: PAGE_BYTES,
        };
        let began = self.traces.as_ref().map(|_| clock::wall());
        let page = self.events.page(&request).await?;
        if page.identity != safe.identity {
            return Err(StoreError::Switched);
        }
        self.size.learn(&page);
        let bytes = page.bytes;
        let span = (self.traces.as_ref().zip(began))
            .and_then(|(traces, began)| traces.page(&self.feed.instance, &page, began, clock::wall()));
        let Some(mut page) = Page::new(page, filter) else {
            // Nothing up to the horizon: the next thing comes after it.
            self.catching_up = false;
            if safe.position > Position::ZERO {
                self.at = self.at.clone().max(EventKey::after(safe.position));
            }
            return Ok(None);
        };
        page.span = span;
        self.catching_up = true;
        // What the page did not need goes back.
        let used = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).clamp(1, kib);
        drop(memory.split(usize::try_from(kib - used).expect("a page is small")));
        Ok(Some((page, memory)))
    }
}
