//! The run of a feed: the pages in memory, from where to where they go, and what is known of what comes next.
//!
//! When the pages take more than their share of memory the oldest go, but for those that are waited for; what is wanted is told to
//! the tail.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use domain::{EventKey, TypeFilter};
use tokio::{sync::Notify, time::Instant};

use super::{Page, Read, stay::Stays};
use crate::page_size::PageSize;

/// So long after its beginning it is waited for that the run comes to where the furthest cursor stands.
const SOON: Duration = Duration::from_secs(1);

/// Whether there is more behind the last page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum More {
    /// Not when it was read: the store is asked first.
    Nothing,
    /// It is read without asking.
    Perhaps,
    /// The page was cut, and the horizon of then is further.
    Cut,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Run {
    /// Everything after `start` and up to `end` is in `pages`.
    start: EventKey,
    pub end: EventKey,
    /// Where the most advanced cursor stood when the run began.
    pub furthest: EventKey,
    began: Instant,
    pub pages: VecDeque<Arc<Page>>,
    pub bytes: usize,
    pub share: usize,
    /// Some courier has come to the last page.
    pub wanted: bool,
    pub more: More,
    pub size: PageSize,
    /// The event at `end` was lost by the store: nothing is read until an operator has moved the cursors.
    pub lost: bool,
    pub stays: Stays,
    /// Wakes the tail.
    hungry: Arc<Notify>,
}

impl Run {
    /// A run that begins after `start`, where cursors stand at `furthest` at most.
    pub fn new(start: EventKey, furthest: EventKey, hungry: Arc<Notify>, stays: Stays) -> Self {
        Self {
            end: start.clone(),
            start,
            furthest,
            began: Instant::now(),
            pages: VecDeque::new(),
            bytes: 0,
            share: usize::MAX,
            wanted: true,
            more: More::Perhaps,
            size: PageSize::default(),
            lost: false,
            stays,
            hungry,
        }
    }

    /// The page with what comes after `after`, for a courier that asks for `filter`.
    pub fn read(&mut self, after: &EventKey, filter: &Arc<TypeFilter>) -> Read {
        if *after < self.start {
            return Read::Elsewhere;
        }
        if *after > self.end && self.more != More::Nothing {
            // The tail must come here, however long the way is.
            self.want();
            let soon = self.began + SOON;
            let waits = *after <= self.furthest && Instant::now() < soon;
            return if waits { Read::Soon(soon) } else { Read::Elsewhere };
        }
        let found = self.pages.partition_point(|page| page.end <= *after);
        if found + 1 >= self.pages.len() {
            self.want();
        }
        match self.pages.get(found) {
            None => Read::CaughtUp,
            Some(page) if page.filter.all || page.filter == *filter => Read::Page(Arc::clone(page)),
            Some(_) => Read::Elsewhere,
        }
    }

    /// See [`super::Feed::wants_more`].
    pub fn wants_more(&mut self) -> bool {
        let full = self.bytes >= self.share;
        !full || self.wanted && self.may_drop_the_oldest()
    }

    /// Nobody is waited for by those who are not behind: only where there is a backlog do those in front have something before them in
    /// any case.
    fn may_drop_the_oldest(&mut self) -> bool {
        let behind = self.more == More::Cut;
        self.pages.front().is_none_or(|oldest| !behind || self.stays.let_go(oldest))
    }

    /// Somebody who was waited for needs the oldest page no more.
    pub fn may_go_on(&self) {
        if self.stays.are_waited_for() {
            self.hungry.notify_one();
        }
    }

    /// Appends what the tail has read; the oldest pages make room. With a page that is waited for it may be one more than fits.
    pub fn append(&mut self, page: Page, more: bool, share: usize) {
        // Where nothing concerns anybody it is enough to know how far that goes.
        let empty =
            |other: &mut Arc<Page>| page.rows.is_empty() && other.rows.is_empty() && other.filter == page.filter;
        if let Some(last) = self.pages.pop_back_if(empty) {
            self.bytes -= last.bytes;
        }
        self.end = page.end.clone();
        self.more = if more { More::Cut } else { More::Nothing };
        self.share = share;
        let before = self.bytes;
        self.bytes += page.bytes;
        self.wanted = false;
        self.pages.push_back(Arc::new(page));
        let newest = self.bytes - before;
        // The page that was just read is kept: somebody came here for it.
        while self.pages.len() > 1 && self.bytes > self.share {
            if self.bytes - newest <= self.share && !self.may_drop_the_oldest() {
                break;
            }
            self.drop_the_oldest();
        }
    }

    /// Begins anew after `start`.
    pub fn restart(&mut self, start: &EventKey) {
        self.start = start.clone();
        self.end = start.clone();
        self.furthest = start.clone();
        self.pages.clear();
        self.bytes = 0;
        (self.wanted, self.more, self.lost) = (true, More::Perhaps, false);
        self.stays.begin_anew();
        self.hungry.notify_one();
    }

    /// Gives back what is more than its share, if that is smaller now.
    pub fn trim(&mut self, share: usize) {
        if share < self.share {
            self.share = share;
            while self.bytes > self.share && !self.pages.is_empty() {
                self.drop_the_oldest();
            }
        }
    }

    fn drop_the_oldest(&mut self) {
        if let Some(oldest) = self.pages.pop_front() {
            self.bytes -= oldest.bytes;
            self.start = oldest.end.clone();
            self.stays.begin_anew();
        }
    }

    /// Some courier has come to the last page, or stands beyond it: the tail reads on.
    fn want(&mut self) {
        if !std::mem::replace(&mut self.wanted, true) {
            self.hungry.notify_one();
        }
    }
}
