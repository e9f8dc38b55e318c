//! Whether what arrived is what had to: nothing lost, nothing invented, nothing reordered, what came twice.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use domain::{AggregateId, AggregateType, EventKey, InstanceId};

use crate::Arrival;

/// How many of each kind a failing test shows.
const SHOWN: usize = 5;

/// The account of what arrived against what was written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Written, and never arrived; in order.
    pub missing: Vec<EventKey>,
    /// Arrived, and never written; in order of arrival.
    pub unexpected: Vec<EventKey>,
    /// Arrived again, once for every time; in order of arrival.
    pub duplicates: Vec<EventKey>,
    /// Arrived for the first time although a later one of the same instance had: that later one, and the event.
    pub out_of_order: Vec<(EventKey, EventKey)>,
    /// Of these, the ones of the same aggregate.
    pub out_of_order_in_aggregate: Vec<(EventKey, EventKey)>,
}

impl Account {
    /// Of arrivals, all of which count: pass [`crate::Receiver::accepted`] where refusals are not deliveries.
    #[must_use]
    pub fn of<'a>(arrivals: &[Arc<Arrival>], expected: impl IntoIterator<Item = &'a EventKey>) -> Self {
        Self::of_keys(arrivals.iter().map(|arrival| arrival.key()), expected)
    }

    /// Of keys in the order in which they arrived.
    #[must_use]
    pub fn of_keys<'a>(
        arrived: impl IntoIterator<Item = EventKey>,
        expected: impl IntoIterator<Item = &'a EventKey>,
    ) -> Self {
        let expected: BTreeSet<&EventKey> = expected.into_iter().collect();
        let mut account = Self::default();
        let mut seen = HashSet::new();
        let mut by_instance: Highest<InstanceId> = HashMap::new();
        let mut by_aggregate: Highest<(InstanceId, AggregateType, AggregateId)> = HashMap::new();
        for key in arrived {
            if !expected.contains(&key) {
                account.unexpected.push(key.clone());
            }
            if !seen.insert(key.clone()) {
                account.duplicates.push(key);
                continue;
            }
            let aggregate = (key.instance_id.clone(), key.aggregate_type.clone(), key.aggregate_id.clone());
            account.out_of_order.extend(overtaken(&mut by_instance, key.instance_id.clone(), &key));
            account.out_of_order_in_aggregate.extend(overtaken(&mut by_aggregate, aggregate, &key));
        }
        account.missing = expected.into_iter().filter(|key| !seen.contains(*key)).cloned().collect();
        account
    }

    /// Everything that was written arrived, and nothing else.
    pub fn assert_complete(&self) {
        show("are missing", &self.missing);
        show("were never written", &self.unexpected);
    }

    /// First arrivals are in the order of the key, on each instance.
    pub fn assert_in_order(&self) {
        show("arrived after a later one of their instance", &self.out_of_order);
    }

    /// First arrivals are in the order of the key, within each aggregate.
    pub fn assert_in_order_by_aggregate(&self) {
        show("arrived after a later one of their aggregate", &self.out_of_order_in_aggregate);
    }

    /// Complete, in order, and nothing twice.
    pub fn assert_exact(&self) {
        self.assert_complete();
        self.assert_in_order();
        show("arrived again", &self.duplicates);
    }
}

/// The highest key of each group so far.
type Highest<G> = HashMap<G, EventKey>;

/// The key that `key` comes too late after, if it does.
fn overtaken<G: std::hash::Hash + Eq>(
    highest: &mut Highest<G>,
    group: G,
    key: &EventKey,
) -> Option<(EventKey, EventKey)> {
    let highest = highest.entry(group).or_insert_with(|| key.clone());
    if *highest > *key {
        return Some((highest.clone(), key.clone()));
    }
    highest.clone_from(key);
    None
}

fn show<T: std::fmt::Debug>(what: &str, found: &[T]) {
    assert!(found.is_empty(), "{} events {what}: {:#?} …", found.len(), &found[..found.len().min(SHOWN)]);
}
