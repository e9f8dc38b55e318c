//! How often each target was called in the last ten minutes, by this daemon.
//!
//! The figures of `engine::Status` only grow; here they are looked at every few seconds, and what came between two looks is kept.
//! Nothing of it is stored: it is for a glance, and what is exact is in `/metrics` and in the log of attempts.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    sync::Mutex,
    time::Duration,
};

use domain::TargetId;
use engine::Calls;
use tokio::time::{MissedTickBehavior, interval};

use crate::house::House;

const EVERY: Duration = Duration::from_secs(5);
/// Ten minutes of looks.
const KEPT: usize = 120;
/// Looks of one minute.
const MINUTE: usize = 12;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<TargetId, Series>>);

#[derive(Debug, Default)]
struct Series {
    last: Calls,
    /// The latest at the end.
    between: VecDeque<Calls>,
}

/// Calls of one target, by look, the latest last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Recent(Vec<Calls>);

impl Rates {
    /// Takes a look.
    fn look(&self, calls: HashMap<TargetId, Calls>) {
        let mut known = self.0.lock().expect("nobody panics with it");
        known.retain(|target, _| calls.contains_key(target));
        for (target, now) in calls {
            // Figures begin at nothing when the daemon starts, and looks with it: what is seen at first came lately.
            let series = known.entry(target).or_default();
            series.between.push_back(series.last.until(now));
            series.last = now;
            if series.between.len() > KEPT {
                series.between.pop_front();
            }
        }
    }

    /// What is known of a target.
    pub(crate) fn of(&self, target: &TargetId) -> Recent {
        let known = self.0.lock().expect("nobody panics with it");
        Recent(known.get(target).map(|series| series.between.iter().copied().collect()).unwrap_or_default())
    }
}

impl Recent {
    /// In this many spans of equal length that make up ten minutes, the latest last.
    pub(crate) fn spans(&self, count: usize) -> Vec<Calls> {
        let each = KEPT / count.clamp(1, KEPT);
        let mut spans = vec![Calls::default(); count];
        for (age, calls) in self.0.iter().rev().enumerate() {
            if let Some(span) = count.checked_sub(1 + age / each).and_then(|at| spans.get_mut(at)) {
                *span = span.and(*calls);
            }
        }
        spans
    }

    /// Of the last minute.
    pub(crate) fn minute(&self) -> Calls {
        self.0.iter().rev().take(MINUTE).fold(Calls::default(), |sum, calls| sum.and(*calls))
    }

    /// Of all ten.
    pub(crate) fn sum(&self) -> Calls {
        self.0.iter().fold(Calls::default(), |sum, calls| sum.and(*calls))
    }
}

/// Looks again and again, for as long as it is asked to.
pub(crate) async fn sample(house: &House) -> Infallible {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        house.rates().look(house.status().calls());
    }
}

/// What is done with figures that only grow.
trait Sums {
    /// What came between this look and a later one; a figure that began anew counts from nothing.
    fn until(self, later: Self) -> Self;
    fn and(self, other: Self) -> Self;
}

impl Sums for Calls {
    fn until(self, later: Self) -> Self {
        let between = |was: u64, is: u64| is.checked_sub(was).unwrap_or(is);
        Self { delivered: between(self.delivered, later.delivered), failed: between(self.failed, later.failed) }
    }

    fn and(self, other: Self) -> Self {
        Self { delivered: self.delivered + other.delivered, failed: self.failed + other.failed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(delivered: u64, failed: u64) -> Calls {
        Calls { delivered, failed }
    }

    #[test]
    fn what_came_between_two_looks_is_kept_for_ten_minutes() {
        let rates = Rates::default();
        let look = |delivered, failed| rates.look(HashMap::from([("1".into(), calls(delivered, failed))]));
        look(3, 0);
        look(3, 2);
        let recent = rates.of(&"1".into());
        assert_eq!((recent.minute(), recent.sum()), (calls(3, 2), calls(3, 2)));
        assert_eq!(recent.spans(40)[39], calls(3, 2));
        assert_eq!(recent.spans(120)[118..], [calls(3, 0), calls(0, 2)]);
        // Renamed: its figures begin anew.
        look(1, 0);
        assert_eq!(rates.of(&"1".into()).sum(), calls(4, 2));
        for _ in 0..KEPT {
            look(1, 0);
        }
        assert_eq!(rates.of(&"1".into()).sum(), calls(0, 0));
        rates.look(HashMap::new());
        assert_eq!(rates.of(&"1".into()), Recent::default());
    }
}
