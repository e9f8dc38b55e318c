//! Reading pages into the feeds, for all targets of an instance at once.
//!
//! While there is a backlog the next pages are read before they are asked for: the database looks for them while couriers take this
//! one up. Whoever reads goes on by itself as soon as it knows where a page ends, and is two pages ahead at most. Those are
//! memory beside the feed's, and there is one reader at a time.

use std::sync::Arc;

use domain::{EventKey, Position, TypeFilter};
use store::{EventStore, PageRequest, StoreError};
use tokio::{sync::mpsc, task::JoinSet};
use tracing::debug;

use super::{Tail, server::TailError};
use crate::{
    clock,
    feed::{Feed, Page},
    traces::{PageSpan, Traces},
};

/// A page takes no more, unless a single event does.
pub(crate) const PAGE_BYTES: usize = 1 << 20;
/// So many times the rows of a page are read at once while there is a backlog, and so many times its bytes: the database plans each
/// page anew.
const MORE_ROWS: usize = 10;
const MORE_BYTES: usize = 2;

/// A page, and what its reading is called in traces.
type ReadPage = (store::Page, Option<PageSpan>);

/// Pages that are read before they are asked for. They may turn out to be none that are: then they are given up.
pub(super) struct Ahead {
    feed: Arc<Feed>,
    /// Behind this stands the first of `pages`.
    after: EventKey,
    filter: Arc<TypeFilter>,
    /// The last one is one that failed, or behind which there is no more.
    pages: mpsc::Receiver<Result<ReadPage, StoreError>>,
    /// The one task that reads them.
    reading: JoinSet<()>,
}

impl Ahead {
    /// Whether nothing more will come of it.
    fn has_ended(&self) -> bool {
        self.pages.is_closed() && self.pages.is_empty()
    }
}

impl Tail {
    /// Reads the next page of a feed, if there is one. `alone`: nothing else is to be read.
    pub(super) async fn read_page(&mut self, feed: &Arc<Feed>, share: usize, alone: bool) -> Result<bool, TailError> {
        let (after, filter) = (feed.end(), feed.filter(&self.router.load()));
        let begun = self.ahead.take_if(|ahead| Arc::ptr_eq(&ahead.feed, feed));
        let mut begun = begun.filter(|ahead| ahead.after == after && ahead.filter == filter);
        let mut read = None;
        if let Some(ahead) = &mut begun {
            read = ahead.pages.recv().await;
            if read.is_none() {
                ahead.reading.join_next().await.expect("there is a task").expect("pages are read without panics");
            }
        }
        let read = match read {
            Some(read) => read,
            None => self.page_reader(feed, Arc::clone(&filter), feed.was_cut(), share).page(&after).await,
        };
        let (read, span) = read?;
        self.same_server(read.identity.as_ref())?;
        let more = read.more;
        let Some(mut page) = Page::new(read, filter) else {
            feed.drained();
            return Ok(false);
        };
        page.span = span;
        if more {
            let end = page.end.clone();
            match begun.filter(|ahead| !ahead.has_ended()) {
                // Whatever else is read meanwhile: what was read ahead is not given up for it.
                Some(ahead) => self.ahead = Some(Ahead { after: end, ..ahead }),
                None if alone => self.ahead = Some(self.read_ahead(feed, end, share)),
                None => {}
            }
        }
        debug!(instance = %feed.instance, rows = page.rows.len(), end = %page.end, "read a page");
        feed.append(page, more, share);
        Ok(true)
    }

    fn read_ahead(&self, feed: &Arc<Feed>, after: EventKey, share: usize) -> Ahead {
        let filter = feed.filter(&self.router.load());
        let (sender, pages) = mpsc::channel(1);
        let mut reading = JoinSet::new();
        let reader = self.page_reader(feed, Arc::clone(&filter), true, share);
        let mut at = after.clone();
        reading.spawn(async move {
            loop {
                let read = reader.page(&at).await;
                let next = read.as_ref().ok().and_then(|(page, _)| page.end.clone().filter(|_| page.more));
                // Nobody waits for it where the tail has given it up.
                let (Ok(()), Some(end)) = (sender.send(read).await, next) else { return };
                at = end;
            }
        });
        Ahead { feed: Arc::clone(feed), after, filter, pages, reading }
    }

    /// Reads pages of what a feed is for, up to the horizon of now; `behind`: there is a backlog.
    fn page_reader(&self, feed: &Arc<Feed>, filter: Arc<TypeFilter>, behind: bool, share: usize) -> PageReader {
        PageReader {
            events: self.reader.clone(),
            feed: Arc::clone(feed),
            filter,
            up_to: self.horizon.safe(),
            rows: self.options.bulk_limit * if behind { MORE_ROWS } else { 1 },
            max_bytes: (PAGE_BYTES * if behind { MORE_BYTES } else { 1 }).min(share / 2).max(64 << 10),
            traces: self.traces.clone(),
        }
    }
}

/// Reads page after page of what a feed is for.
struct PageReader {
    events: EventStore,
    feed: Arc<Feed>,
    filter: Arc<TypeFilter>,
    up_to: Position,
    rows: usize,
    max_bytes: usize,
    traces: Option<Arc<Traces>>,
}

impl PageReader {
    async fn page(&self, after: &EventKey) -> Result<ReadPage, StoreError> {
        let Self { feed, up_to, max_bytes, .. } = self;
        let (instance, filter) = (&feed.instance, Some(&*self.filter));
        let limit = feed.rows(self.rows, *max_bytes);
        let request = PageRequest { instance, after, up_to: *up_to, filter, limit, max_bytes: *max_bytes };
        let began = self.traces.as_ref().map(|_| clock::wall());
        let page = self.events.page(&request).await?;
        feed.learn(&page);
        let traced = self.traces.as_ref().zip(began);
        let span = traced.and_then(|(traces, began)| traces.page(instance, &page, began, clock::wall()));
        Ok((page, span))
    }
}
