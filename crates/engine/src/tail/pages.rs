//! Reading pages into the feeds, for all targets of an instance at once.
//!
//! While there is a backlog the next pages are read before they are asked for ([`Ahead`]): the database looks for them while
//! couriers take this one up. Those are memory beside the feed's, and they are read for one feed at a time.

use std::sync::Arc;

use domain::{EventKey, Position, TypeFilter};
use store::{EventStore, PageRequest, SCAN_BOUND, StoreError};
use tracing::debug;

use super::{Tail, ahead::Ahead, server::TailError};
use crate::{
    clock,
    feed::{Feed, Page},
    traces::{PageSpan, Traces},
};

/// A page takes no more, unless a single event does, or it is a feed's while there is a backlog.
pub(crate) const PAGE_BYTES: usize = 1 << 20;
/// So many times the rows of a page are read at once while there is a backlog, and so many times its bytes: the database plans each
/// page anew.
const MORE_ROWS: usize = 10;
const MORE_BYTES: usize = 2;
/// A stretch that is read ahead is about so many pages of everything long: where it ends is one more question. Of pages that rows are left
/// out of it is one, which looks at many more.
const PAGES: usize = 2;

/// A page, and what its reading is called in traces.
pub(super) type ReadPage = (store::Page, Option<PageSpan>);

impl Tail {
    /// Reads the next page of a feed, if there is one. `alone`: nothing else is to be read.
    pub(super) async fn read_page(&mut self, feed: &Arc<Feed>, share: usize, alone: bool) -> Result<bool, TailError> {
        let (after, filter) = (feed.end(), feed.filter(&self.router.load()));
        let begun = self.ahead.take_if(|ahead| Arc::ptr_eq(&ahead.feed, feed));
        let mut begun = begun.filter(|ahead| ahead.after == after && ahead.filter == filter);
        let (read, span) = loop {
            let (read, span) = match &mut begun {
                Some(ahead) => ahead.next().await?,
                None => self.page_reader(feed, Arc::clone(&filter), feed.was_cut(), share).page(&after, None).await?,
            };
            self.same_server(read.identity.as_ref())?;
            if read.end.is_some() || !read.more {
                break (read, span);
            }
        };
        let more = read.more;
        let Some(mut page) = Page::new(read, Arc::clone(&filter)) else {
            feed.drained();
            return Ok(false);
        };
        page.span = span;
        if more {
            let end = page.end.clone();
            match begun {
                // Whatever else is read meanwhile: what was read ahead is not given up for it.
                Some(ahead) => self.ahead = Some(ahead.taken_up_to(end)),
                None if alone => self.ahead = Some(Ahead::begin(self.page_reader(feed, filter, true, share), end)),
                None => {}
            }
        }
        debug!(instance = %feed.instance, rows = page.rows.len(), end = %page.end, "read a page");
        feed.append(page, more, share);
        Ok(true)
    }

    /// Reads pages of what a feed is for, up to the horizon of now; `behind`: there is a backlog.
    fn page_reader(&self, feed: &Arc<Feed>, filter: Arc<TypeFilter>, behind: bool, share: usize) -> PageReader {
        PageReader {
            events: self.reader.clone(),
            index: self.events.clone(),
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
pub(super) struct PageReader {
    events: EventStore,
    /// For what is no page.
    index: EventStore,
    pub feed: Arc<Feed>,
    pub filter: Arc<TypeFilter>,
    up_to: Position,
    rows: usize,
    max_bytes: usize,
    traces: Option<Arc<Traces>>,
}

impl PageReader {
    /// The page behind a key, up to a position if that comes before the horizon.
    pub async fn page(&self, after: &EventKey, up_to: Option<Position>) -> Result<ReadPage, StoreError> {
        let Self { feed, max_bytes, .. } = self;
        let (instance, filter) = (&feed.instance, Some(&*self.filter));
        let limit = feed.rows(self.rows, *max_bytes);
        let up_to = up_to.map_or(self.up_to, |position| position.min(self.up_to));
        let request = PageRequest { instance, after, up_to, filter, limit, max_bytes: *max_bytes };
        let began = self.traces.as_ref().map(|_| clock::wall());
        let page = self.events.page(&request).await?;
        feed.learn(&page);
        let traced = self.traces.as_ref().zip(began);
        let span = traced.and_then(|(traces, began)| traces.page(instance, &page, began, clock::wall()));
        Ok((page, span))
    }

    /// Where a stretch ends that begins behind a key. `None`: it goes to the horizon, which is not so far, or it cannot be told.
    pub async fn end_of_stretch(&self, after: &EventKey) -> Option<Position> {
        let (page, pages) =
            if self.filter.all { (self.feed.rows(self.rows, self.max_bytes), PAGES) } else { (SCAN_BOUND, 1) };
        // A little less: with a full page at its end it would have to be asked whether that was all.
        let rows = u32::try_from(page * pages - page / 8).ok()?;
        let found = self.index.position_ahead(&self.feed.instance, after.position, self.up_to, rows).await;
        if let Err(error) = &found {
            debug!(
                error = error as &dyn std::error::Error,
                "where a stretch could end is not known: it goes to the horizon"
            );
        }
        found.ok().flatten()
    }
}
