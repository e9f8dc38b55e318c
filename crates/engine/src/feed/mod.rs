//! The feed of one instance: the tail's bounded run of recent events in memory, read by all couriers of the instance.
//!
//! The tail appends pages at the end; when the run is longer than its share of memory the oldest pages go. The tail does not
//! wait for a target that is slow: a courier that has fallen behind the run reads pages of its own. It waits a little for those
//! that are behind only because there are so many of them ([`stay`]). And it does not read ahead for nobody: a full feed is only
//! added to once some courier has come to its last page.
//!
//! A page holds what the targets of its time asked for, and says so: a courier that finds it was read for others reads for itself.

mod page;
mod run;
mod stay;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard};

use domain::{EventKey, InstanceId, Router, TypeFilter};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

pub(crate) use self::{
    page::Page,
    stay::{SettingOut, Stay},
};
use self::{
    run::{More, Run},
    stay::Stays,
};
use crate::turns::Turns;

/// More types and groups than that are not asked for one by one: everything is.
const WIDEST_FILTER: usize = 100;

/// What a feed has for a courier.
#[derive(Debug)]
pub(crate) enum Read {
    /// The page with the first rows after where the courier stands.
    Page(Arc<Page>),
    /// Nothing yet: wait for the feed to grow.
    CaughtUp,
    /// The run has only begun, and comes to where the courier stands in a moment: wait for that, but no longer than so.
    Soon(Instant),
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
}

impl Feed {
    /// A feed that begins after `start`, of couriers that stand at `furthest` at most and send in `turns`; `hungry` wakes the tail.
    pub fn new(instance: InstanceId, start: EventKey, furthest: EventKey, hungry: Arc<Notify>, turns: Turns) -> Self {
        let run = Mutex::new(Run::new(start, furthest, hungry, Stays::new(turns)));
        Self { instance, run, filter: Mutex::default(), grown: watch::Sender::new(0) }
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
        self.lock().read(after, &filter)
    }

    /// Tells when something was appended.
    pub fn grown(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    /// Where the tail reads on.
    pub fn end(&self) -> EventKey {
        self.lock().end.clone()
    }

    /// Up to where the instance was read, now or before this feed began.
    pub fn was_read_to(&self) -> EventKey {
        let run = self.lock();
        run.end.clone().max(run.furthest.clone())
    }

    /// Whether the tail should read on: there is room, or somebody has come to the end and nobody is waited for.
    pub fn wants_more(&self) -> bool {
        self.lock().wants_more()
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
            run.restart(start);
        }
    }

    /// Gives back what is more than its share, now that there may be more feeds.
    pub fn trim(&self, share: usize) {
        self.lock().trim(share);
    }

    /// Makes the tail look again, whether or not anything seems new.
    pub fn read_again(&self) {
        let mut run = self.lock();
        if run.more == More::Nothing {
            run.more = More::Perhaps;
        }
    }

    /// How many rows to ask for, at most `limit` and not many more than fit `max_bytes`.
    pub fn rows(&self, limit: usize, max_bytes: usize) -> usize {
        self.lock().size.rows(limit, max_bytes)
    }

    /// What a page was like, whether it is appended or not.
    pub fn learn(&self, read: &store::Page) {
        self.lock().size.learn(read);
    }

    /// Appends what the tail has read; the oldest pages make room.
    pub fn append(&self, page: Page, more: bool, share: usize) {
        self.lock().append(page, more, share);
        self.grown.send_modify(|times| *times += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Run> {
        self.run.lock().expect("no holder of this lock panics")
    }
}
