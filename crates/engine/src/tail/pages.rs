//! Reading pages into the feeds, for all targets of an instance at once.
//!
//! While there is a backlog the next page is read as soon as the end of this one is known: the database looks for it while
//! couriers take this one up.

use std::sync::Arc;

use domain::{EventKey, TypeFilter};
use store::{PageRequest, StoreError};
use tokio::task::JoinSet;
use tracing::debug;

use super::{Tail, server::TailError};
use crate::{
    clock,
    feed::{Feed, Page},
    traces::PageSpan,
};

/// A page takes no more, unless a single event does.
pub(crate) const PAGE_BYTES: usize = 1 << 20;
/// So many times the rows of a page are read at once while there is a backlog.
const LARGER: usize = 5;

/// A page, and what its reading is called in traces.
type ReadPage = (store::Page, Option<PageSpan>);

/// A page that is being read before it is asked for. It may turn out to be none that is: then it is given up.
pub(super) struct Ahead {
    feed: Arc<Feed>,
    after: EventKey,
    filter: Arc<TypeFilter>,
    /// The one task that reads it.
    reading: JoinSet<Result<ReadPage, StoreError>>,
}

impl Tail {
    /// Reads the next page of a feed, if there is one. `alone`: nothing else is to be read.
    pub(super) async fn read_page(&mut self, feed: &Arc<Feed>, share: usize, alone: bool) -> Result<bool, TailError> {
        let (after, filter) = (feed.end(), feed.filter(&self.router.load()));
        let begun = self.ahead.take_if(|ahead| Arc::ptr_eq(&ahead.feed, feed));
        let read = if let Some(mut ahead) = begun.filter(|ahead| ahead.after == after && ahead.filter == filter) {
            ahead.reading.join_next().await.expect("there is a task").expect("a page is read without panics")
        } else {
            self.page(feed, after, Arc::clone(&filter), feed.was_cut(), share).await
        };
        let (read, span) = read?;
        self.same_server(read.identity.as_ref())?;
        feed.learn(&read);
        let (bytes, more) = (read.bytes, read.more);
        let Some(mut page) = Page::new(read, filter) else {
            feed.drained();
            return Ok(false);
        };
        page.span = span;
        if alone && more && feed.has_room_for(2 * bytes) {
            self.ahead = Some(self.read_ahead(feed, page.end.clone(), share));
        }
        debug!(instance = %feed.instance, rows = page.rows.len(), end = %page.end, "read a page");
        feed.append(page, more, share);
        Ok(true)
    }

    fn read_ahead(&self, feed: &Arc<Feed>, after: EventKey, share: usize) -> Ahead {
        let filter = feed.filter(&self.router.load());
        let mut reading = JoinSet::new();
        reading.spawn(self.page(feed, after.clone(), Arc::clone(&filter), true, share));
        Ahead { feed: Arc::clone(feed), after, filter, reading }
    }

    /// A page of what a feed is for; `behind`: there is a backlog.
    fn page(
        &self,
        feed: &Arc<Feed>,
        after: EventKey,
        filter: Arc<TypeFilter>,
        behind: bool,
        share: usize,
    ) -> impl Future<Output = Result<ReadPage, StoreError>> + Send + use<> {
        let (reader, feed, up_to) = (self.reader.clone(), Arc::clone(feed), self.horizon.safe());
        let max_bytes = PAGE_BYTES.min(share / 2).max(64 << 10);
        let limit = feed.rows(self.options.bulk_limit * if behind { LARGER } else { 1 }, max_bytes);
        let traces = self.traces.clone();
        async move {
            let (instance, filter) = (&feed.instance, Some(&*filter));
            let request = PageRequest { instance, after: &after, up_to, filter, limit, max_bytes };
            let Some(traces) = traces else { return Ok((reader.page(&request).await?, None)) };
            let began = clock::wall();
            let page = reader.page(&request).await?;
            let span = traces.page(instance, &page, began, clock::wall());
            Ok((page, span))
        }
    }
}
