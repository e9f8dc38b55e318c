//! The feeds of all instances that have couriers: the tail fills them, couriers read them and make the tail hungry.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use domain::{EventKey, InstanceId};
use tokio::sync::{Notify, futures::Notified};

use crate::{feed::Feed, turns::Turns};

/// The feeds of all instances that have couriers.
#[derive(Clone, Debug)]
pub(crate) struct Feeds {
    of_instances: Arc<Mutex<BTreeMap<InstanceId, Arc<Feed>>>>,
    hungry: Arc<Notify>,
    turns: Turns,
}

impl Feeds {
    /// None yet; of couriers that send in these turns.
    pub fn new(turns: Turns) -> Self {
        Self { of_instances: Arc::default(), hungry: Arc::default(), turns }
    }

    /// Whether there is a feed of an instance.
    pub fn has(&self, instance: &InstanceId) -> bool {
        self.of_instances.lock().expect("no holder of this lock panics").contains_key(instance)
    }

    /// The feed of an instance, made when there is none: it begins after `start`, and the furthest cursor stands at `furthest`.
    pub fn of(&self, instance: &InstanceId, start: &EventKey, furthest: &EventKey) -> Arc<Feed> {
        let mut feeds = self.of_instances.lock().expect("no holder of this lock panics");
        let made = || {
            let (hungry, turns) = (Arc::clone(&self.hungry), self.turns.clone());
            Arc::new(Feed::new(instance.clone(), start.clone(), furthest.clone(), hungry, turns))
        };
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
        self.of_instances.lock().expect("no holder of this lock panics").values().cloned().collect()
    }
}
