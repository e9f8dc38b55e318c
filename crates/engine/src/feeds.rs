//! The feeds of all instances that have couriers: the tail fills them, couriers read them and make the tail hungry.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use domain::{EventKey, InstanceId};
use tokio::sync::{Notify, futures::Notified};

use crate::feed::Feed;

/// The feeds of all instances that have couriers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feeds {
    feeds: Arc<Mutex<BTreeMap<InstanceId, Arc<Feed>>>>,
    hungry: Arc<Notify>,
}

impl Feeds {
    /// The feed of an instance, made when there is none: it begins after `start`.
    pub fn of(&self, instance: &InstanceId, start: &EventKey) -> Arc<Feed> {
        let mut feeds = self.feeds.lock().expect("no holder of this lock panics");
        let made = || Arc::new(Feed::new(instance.clone(), start.clone(), Arc::clone(&self.hungry)));
        let feed = Arc::clone(feeds.entry(instance.clone()).or_insert_with(made));
        self.hungry.notify_one();
        feed
    }

    /// Where the most advanced cursor of each instance stands now. A place between events was chosen by an operator, or
    /// nothing was sent there: a feed whose last event was lost goes on from it.
    pub fn cursors_stand_at(&self, furthest: &HashMap<InstanceId, EventKey>) {
        for feed in self.all() {
            if let Some(place) = furthest.get(&feed.instance).filter(|key| key.is_edge()) {
                feed.restart_if_lost(place);
            }
        }
    }

    /// Waits until somebody wants more than was read.
    pub fn hungry(&self) -> Notified<'_> {
        self.hungry.notified()
    }

    /// Every feed there is.
    pub fn all(&self) -> Vec<Arc<Feed>> {
        self.feeds.lock().expect("no holder of this lock panics").values().cloned().collect()
    }
}
