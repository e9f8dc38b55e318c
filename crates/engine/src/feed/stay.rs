//! Who still needs the oldest pages of a run, and is waited for.
//!
//! Whoever falls behind the run reads for itself. That is right for a target that is slower than others, since nobody is to wait
//! for it. But a thousand couriers that have one machine between them are behind one another only because each sends in its
//! turn: if the first of them took the feed with them, all others would read everything again, each for itself, and the database
//! would do nothing else. So the run keeps what they still need, and those in front wait a little.
//!
//! Two are waited for, and neither for long: couriers that have set out and have not read yet, and couriers that wait for their turns
//! longer than those take, while all turns are taken. Whose endpoint is slower than that, and who waits for memory or for an
//! operator, is not waited for. So nobody gets through a backlog at less than half of the pace that the machine has for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{Feed, Page};
use crate::turns::Turns;

/// So long those that have set out are waited for, from the last of them on.
const SETTING_OUT: Duration = Duration::from_secs(2);
/// A page is kept no longer than that, from when its room is wanted.
const LONGEST: Duration = Duration::from_secs(5);

/// How many need what comes after a page.
#[derive(Debug, Default)]
pub(super) struct Needed(AtomicUsize);

/// Where a courier is in the run: while it counts, what comes after the page that it had last is kept.
pub(crate) struct Stay {
    feed: Arc<Feed>,
    page: Option<Arc<Needed>>,
    counts: bool,
}

/// A courier that has set out and has not read yet.
pub(crate) struct SettingOut(Arc<Feed>);

/// Whom a run waits for.
#[derive(Debug)]
pub(super) struct Stays {
    turns: Turns,
    setting_out: usize,
    /// When the last of them set out.
    set_out: Instant,
    /// Since when the room of the oldest page is wanted.
    wanted: Option<Instant>,
}

impl Stays {
    pub fn new(turns: Turns) -> Self {
        Self { turns, setting_out: 0, set_out: Instant::now(), wanted: None }
    }

    /// Whether the tail waits for somebody.
    pub const fn are_waited_for(&self) -> bool {
        self.wanted.is_some()
    }

    /// Whether the oldest page may go, now that its room is wanted.
    pub fn let_go(&mut self, oldest: &Page) -> bool {
        let now = Instant::now();
        let setting_out = self.setting_out > 0 && now - self.set_out < SETTING_OUT;
        let needed = oldest.needed.0.load(Ordering::SeqCst) > 0 && self.turns.are_taken();
        let wanted = *self.wanted.get_or_insert(now);
        !(setting_out || needed) || now - wanted >= LONGEST
    }

    /// The oldest page is another one.
    pub const fn begin_anew(&mut self) {
        self.wanted = None;
    }
}

impl Stay {
    /// Of a courier that is nowhere in the run yet.
    pub fn new(feed: &Arc<Feed>) -> Self {
        Self { feed: Arc::clone(feed), page: None, counts: false }
    }

    /// The courier has come to a page of the run, or reads elsewhere.
    pub fn comes_to(&mut self, page: Option<&Page>) {
        let counts = self.counts;
        self.counts(false);
        self.page = page.map(|page| Arc::clone(&page.needed));
        self.counts(counts);
    }

    /// Whether the courier is one that is waited for.
    pub fn counts(&mut self, counts: bool) {
        if std::mem::replace(&mut self.counts, counts) == counts {
            return;
        }
        let Some(page) = &self.page else { return };
        if counts {
            page.0.fetch_add(1, Ordering::SeqCst);
        } else if page.0.fetch_sub(1, Ordering::SeqCst) == 1 {
            let run = self.feed.lock();
            if run.pages.front().is_some_and(|oldest| Arc::ptr_eq(&oldest.needed, page)) {
                run.may_go_on();
            }
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.counts(false);
    }
}

impl SettingOut {
    pub fn new(feed: &Arc<Feed>) -> Self {
        let stays = &mut feed.lock().stays;
        stays.setting_out += 1;
        stays.set_out = Instant::now();
        Self(Arc::clone(feed))
    }
}

impl Drop for SettingOut {
    fn drop(&mut self) {
        let mut run = self.0.lock();
        run.stays.setting_out -= 1;
        if run.stays.setting_out == 0 {
            run.may_go_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{BrokenRow, Definitions, EventKey, Position, Router, Row, TypeFilter};
    use tokio::{
        sync::Notify,
        time::{advance, timeout},
    };

    use super::*;
    use crate::feed::{Read, page::BARE_PAGE};

    const PAGE: usize = 1 << 10;
    /// Two pages fit.
    const SHARE: usize = 2 * (PAGE + BARE_PAGE);

    struct Full {
        feed: Arc<Feed>,
        hungry: Arc<Notify>,
        turns: Turns,
        router: Router,
    }

    fn at(position: i64) -> EventKey {
        EventKey { aggregate_type: "t".into(), ..EventKey::after(Position::from_integer(position)) }
    }

    impl Full {
        /// A feed with as many pages as it may have, somebody who has come to its last page, and one turn for all.
        fn new() -> Self {
            let (hungry, turns) = (Arc::new(Notify::new()), Turns::new(1));
            let feed = Arc::new(Feed::new("i1".into(), at(0), at(0), Arc::clone(&hungry), turns.clone()));
            let router = Router::build(&Definitions::default()).expect("there is nothing in it");
            let full = Self { feed, hungry, turns, router };
            full.append(1);
            full.append(2);
            full
        }

        fn append(&self, end: i64) {
            self.append_like(end, PAGE, true);
        }

        fn append_like(&self, end: i64, bytes: usize, more: bool) {
            let row = Row::Broken(BrokenRow { key: at(end), event_type: None, reason: String::new() });
            let rows = vec![Arc::new(row)];
            let read = store::Page { rows, end: Some(at(end)), end_date: None, more, bytes, identity: None };
            let page = Page::new(read, Arc::new(TypeFilter { all: true, ..TypeFilter::default() }));
            self.feed.append(page.expect("it has an end"), more, SHARE);
            // Somebody comes to it.
            self.read(end - 1);
        }

        fn read(&self, after: i64) -> Option<Arc<Page>> {
            match self.feed.read(&at(after), &self.router) {
                Read::Page(page) => Some(page),
                Read::CaughtUp | Read::Soon(_) | Read::Elsewhere => None,
            }
        }

        fn has_the_first_page(&self) -> bool {
            self.read(0).is_some()
        }

        async fn is_hungry(&self) -> bool {
            timeout(Duration::from_millis(1), self.hungry.notified()).await.is_ok()
        }

        /// Forgets who made the tail hungry by now.
        async fn eats(&self) {
            self.is_hungry().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_set_out_is_waited_for_until_it_reads() {
        let full = Full::new();
        let (first, second) = (SettingOut::new(&full.feed), SettingOut::new(&full.feed));
        full.eats().await;
        assert!(!full.feed.wants_more());
        full.append(3);
        assert!(full.has_the_first_page(), "one page more than fits rather than one too few");
        full.eats().await;
        drop(first);
        assert!(!full.feed.wants_more() && !full.is_hungry().await);
        drop(second);
        assert!(full.is_hungry().await && full.feed.wants_more());
        full.append(4);
        assert!(!full.has_the_first_page());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_set_out_and_never_reads_is_not_waited_for_long() {
        let full = Full::new();
        let _never = SettingOut::new(&full.feed);
        assert!(!full.feed.wants_more());
        advance(SETTING_OUT).await;
        assert!(full.feed.wants_more());
        full.append(3);
        assert!(!full.has_the_first_page());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_its_turn_is_waited_for_while_all_turns_are_taken() {
        let full = Full::new();
        let mut other = full.turns.join();
        let mut stay = Stay::new(&full.feed);
        stay.comes_to(full.read(0).as_deref());
        stay.counts(true);
        full.eats().await;
        assert!(full.feed.wants_more(), "others have turns as they like: this one is slow by itself");
        assert!(other.take(Duration::ZERO));
        assert!(!full.feed.wants_more());
        full.append(3);
        assert!(full.has_the_first_page());

        stay.comes_to(full.read(1).as_deref());
        assert!(full.is_hungry().await && full.feed.wants_more());
        full.append(4);
        assert!(!full.has_the_first_page() && full.read(1).is_some() && !full.feed.wants_more());

        full.eats().await;
        stay.counts(false);
        assert!(full.is_hungry().await && full.feed.wants_more(), "it waits for an endpoint now");
        stay.counts(true);
        assert!(!full.feed.wants_more());
        drop(stay);
        assert!(full.is_hungry().await && full.feed.wants_more());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_takes_too_long_is_not_waited_for() {
        let full = Full::new();
        let mut other = full.turns.join();
        assert!(other.take(Duration::ZERO));
        let mut stay = Stay::new(&full.feed);
        stay.counts(true);
        stay.comes_to(full.read(0).as_deref());
        assert!(!full.feed.wants_more());
        advance(LONGEST).await;
        assert!(full.feed.wants_more());
        full.append(3);
        assert!(!full.has_the_first_page());
    }

    #[tokio::test(start_paused = true)]
    async fn where_there_is_no_backlog_nobody_is_waited_for() {
        let full = Full::new();
        let _setting_out = SettingOut::new(&full.feed);
        full.append_like(3, PAGE, false);
        assert!(!full.has_the_first_page() && full.feed.wants_more());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_one_page_is_kept_that_does_not_fit() {
        let full = Full::new();
        let _setting_out = SettingOut::new(&full.feed);
        full.append(3);
        assert!(full.has_the_first_page());
        full.append(4);
        assert!(!full.has_the_first_page() && full.read(1).is_some(), "two fit, and the newest");
        full.append_like(5, 100 * PAGE, true);
        assert!(full.read(1).is_none() && full.read(2).is_some(), "whatever the size of the newest");
        full.append(6);
        assert!(full.read(4).is_none() && full.read(5).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn memory_that_others_are_to_have_is_given_back_whoever_needs_it() {
        let full = Full::new();
        let _setting_out = SettingOut::new(&full.feed);
        full.feed.trim(SHARE / 2);
        assert!(!full.has_the_first_page() && full.read(1).is_some());
    }
}
