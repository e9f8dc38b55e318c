//! The run of a feed: the pages in memory, from where to where they go, and what is known of what comes next.
//!
//! When the pages take more than their share of memory the oldest go; what is wanted is told to the tail.

use std::{collections::VecDeque, sync::Arc};

use domain::{EventKey, TypeFilter};
use tokio::sync::Notify;

use super::{Page, Read};
use crate::page_size::PageSize;

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
    pub pages: VecDeque<Arc<Page>>,
    pub bytes: usize,
    pub share: usize,
    /// Some courier has come to the last page.
    pub wanted: bool,
    pub more: More,
    pub size: PageSize,
    /// The event at `end` was lost by the store: nothing is read until an operator has moved the cursors.
    pub lost: bool,
    /// Wakes the tail.
    hungry: Arc<Notify>,
}

impl Run {
    /// A run that begins after `start`.
    pub fn new(start: EventKey, hungry: Arc<Notify>) -> Self {
        Self {
            end: start.clone(),
            start,
            pages: VecDeque::new(),
            bytes: 0,
            share: usize::MAX,
            wanted: true,
            more: More::Perhaps,
            size: PageSize::default(),
            lost: false,
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
            return Read::Elsewhere;
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

    /// Appends what the tail has read; the oldest pages make room.
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
        self.bytes += page.bytes;
        self.wanted = false;
        self.pages.push_back(Arc::new(page));
        // The page that was just read is kept: somebody came here for it.
        self.evict(1);
    }

    /// Begins anew after `start`.
    pub fn restart(&mut self, start: &EventKey) {
        self.start = start.clone();
        self.end = start.clone();
        self.pages.clear();
        self.bytes = 0;
        (self.wanted, self.more, self.lost) = (true, More::Perhaps, false);
        self.hungry.notify_one();
    }

    /// Gives back what is more than its share, if that is smaller now.
    pub fn trim(&mut self, share: usize) {
        if share < self.share {
            self.share = share;
            self.evict(0);
        }
    }

    /// Lets the oldest pages go until the rest fits, but not the last `keep`.
    fn evict(&mut self, keep: usize) {
        while self.bytes > self.share && self.pages.len() > keep {
            let Some(oldest) = self.pages.pop_front() else { return };
            self.bytes -= oldest.bytes;
            self.start = oldest.end.clone();
        }
    }

    /// Some courier has come to the last page, or stands beyond it: the tail reads on.
    fn want(&mut self) {
        if !std::mem::replace(&mut self.wanted, true) {
            self.hungry.notify_one();
        }
    }
}
