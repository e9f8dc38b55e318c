//! The account: what was written, what arrived, when, and in which order.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use domain::{FailedStatus, Position};
use store::{FailedFilter, State};

use super::writer::number;
use crate::output::{Table, Tone};

/// Written down while it happens.
#[derive(Debug)]
pub struct Journal {
    names: Vec<&'static str>,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    /// By position.
    written: HashMap<u64, Instant>,
    receivers: Vec<Arrivals>,
}

#[derive(Debug, Default)]
struct Arrivals {
    first: HashMap<u64, Instant>,
    last: u64,
    refused: u64,
    repeated: u64,
    out_of_order: u64,
}

/// What came of it for one receiver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    name: &'static str,
    delivered: usize,
    retried: u64,
    parked: usize,
    lost: usize,
    out_of_order: u64,
    repeated: u64,
    p50: Duration,
    p99: Duration,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tally {
    written: usize,
    lines: Vec<Line>,
}

impl Journal {
    pub fn new(names: Vec<&'static str>) -> Self {
        let receivers = names.iter().map(|_| Arrivals::default()).collect();
        Self { names, pages: Mutex::new(Pages { receivers, ..Pages::default() }) }
    }

    /// These positions were written; the writing began at `before`.
    pub fn written(&self, positions: impl Iterator<Item = Position>, before: Instant) {
        let mut pages = self.lock();
        for position in positions {
            pages.written.insert(number(position), before);
        }
    }

    /// A call with a good signature arrived, and was accepted or not.
    pub fn arrived(&self, receiver: usize, position: &str, accepted: bool) {
        let now = Instant::now();
        let position = position.split('/').next().and_then(|position| position.parse().ok()).unwrap_or_default();
        let mut pages = self.lock();
        let arrivals = &mut pages.receivers[receiver];
        if !accepted {
            arrivals.refused += 1;
            return;
        }
        match arrivals.first.entry(position) {
            Entry::Occupied(_) => arrivals.repeated += 1,
            Entry::Vacant(first) => {
                first.insert(now);
                arrivals.out_of_order += u64::from(position < arrivals.last);
                arrivals.last = arrivals.last.max(position);
            }
        }
    }

    /// Whether every receiver has accepted that many events.
    pub fn everybody_has(&self, events: u64) -> bool {
        self.lock().receivers.iter().all(|arrivals| arrivals.first.len() as u64 >= events)
    }

    /// How many events were written, and how many each receiver has.
    pub fn so_far(&self) -> (usize, Vec<usize>) {
        let pages = self.lock();
        (pages.written.len(), pages.receivers.iter().map(|arrivals| arrivals.first.len()).collect())
    }

    /// The account, with what the state says was parked.
    pub async fn tally(&self, state: &State) -> anyhow::Result<Tally> {
        let targets = state.definitions().await?.targets;
        let parked = state
            .failed_events(&FailedFilter { status: Some(FailedStatus::Parked), ..FailedFilter::default() })
            .await?;
        let pages = self.lock();
        let line = |(name, arrivals): (&&'static str, &Arrivals)| {
            let parked: Vec<_> = (parked.iter())
                .filter(|(target, ..)| targets.iter().any(|known| known.id == *target && known.name.as_str() == *name))
                .map(|(_, _, failed)| number(failed.key.position))
                .collect();
            let missing = |position: &&u64| !arrivals.first.contains_key(*position) && !parked.contains(*position);
            let mut delays: Vec<_> = (arrivals.first.iter())
                .filter_map(|(position, at)| Some(at.duration_since(*pages.written.get(position)?)))
                .collect();
            delays.sort_unstable();
            Line {
                name,
                delivered: arrivals.first.len(),
                retried: arrivals.refused,
                parked: parked.len(),
                lost: pages.written.keys().filter(missing).count(),
                out_of_order: arrivals.out_of_order,
                repeated: arrivals.repeated,
                p50: percentile(&delays, 50),
                p99: percentile(&delays, 99),
            }
        };
        Ok(Tally { written: pages.written.len(), lines: self.names.iter().zip(&pages.receivers).map(line).collect() })
    }

    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().expect("nobody panics while holding the journal")
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}

impl Tally {
    /// Nothing lost, nothing out of order.
    pub fn is_clean(&self) -> bool {
        self.lines.iter().all(|line| line.lost == 0 && line.out_of_order == 0)
    }

    /// For people.
    pub fn table(&self) -> Table {
        let header = ["target", "delivered", "retried", "parked", "lost", "out of order", "repeated", "p50", "p99"];
        let mut table = Table::new(header, "no receiver took part");
        for line in &self.lines {
            let tone = if line.lost > 0 || line.out_of_order > 0 { Tone::Bad } else { Tone::Plain };
            let cells = [
                line.name.to_owned(),
                line.delivered.to_string(),
                line.retried.to_string(),
                line.parked.to_string(),
                line.lost.to_string(),
                line.out_of_order.to_string(),
                line.repeated.to_string(),
                millis(line.p50),
                millis(line.p99),
            ];
            table.row(tone, cells);
        }
        table.note(format!("{} events were written; p50 and p99 are from append to first arrival", self.written));
        table
    }
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> Journal {
        let journal = Journal::new(vec!["one"]);
        journal.written([1, 2, 3].map(Position::from_integer).into_iter(), Instant::now());
        journal
    }

    fn line(journal: &Journal) -> (usize, u64, u64) {
        let pages = journal.lock();
        let arrivals = &pages.receivers[0];
        (arrivals.first.len(), arrivals.out_of_order, arrivals.repeated)
    }

    #[test]
    fn what_overtakes_another_is_out_of_order_once() {
        let journal = journal();
        for position in ["1/0", "3/0", "2/0"] {
            journal.arrived(0, position, true);
        }
        assert_eq!(line(&journal), (3, 1, 0));
    }

    #[test]
    fn what_comes_again_is_a_repeat_and_what_is_refused_has_not_come() {
        let journal = journal();
        for (position, accepted) in [("1/0", true), ("1/0", true), ("2/0", false)] {
            journal.arrived(0, position, accepted);
        }
        assert_eq!(line(&journal), (1, 0, 1));
        assert!(!journal.everybody_has(2));
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let delays: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&delays, 50), Duration::from_millis(50));
        assert_eq!(percentile(&delays, 99), Duration::from_millis(99));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }
}
