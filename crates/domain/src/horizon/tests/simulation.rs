//! Writers and polls interleaved at random, as a database would interleave them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Horizon, Writer, at, writer};
use crate::Position;

/// What a position is taken from.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// A counter, drawn while the lock is held.
    Sequence,
    /// The clock, read while the lock is held.
    Clock,
    /// The clock as it was when the transaction began, which is before it can be listed.
    TxStart,
}

/// How long a transaction may have its start before it is listed, in ticks; as long as the head lags behind the clock.
const UNLISTED: i64 = 5;

#[derive(Clone, Debug)]
enum Step {
    /// A transaction begins. Under `TxStart` its start lies up to `UNLISTED` back; the start may be visible or not.
    Begin {
        start_ago: i64,
        start_visible: bool,
    },
    Write(prop::sample::Index),
    Commit(prop::sample::Index),
    Abort(prop::sample::Index),
    ReadHead,
    ListWriters {
        fails: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..=UNLISTED, any::<bool>()).prop_map(|(start_ago, start_visible)| Step::Begin { start_ago, start_visible }),
        4 => any::<prop::sample::Index>().prop_map(Step::Write),
        2 => any::<prop::sample::Index>().prop_map(Step::Commit),
        1 => any::<prop::sample::Index>().prop_map(Step::Abort),
        3 => Just(Step::ReadHead),
        3 => prop::bool::weighted(0.1).prop_map(|fails| Step::ListWriters { fails }),
    ]
}

struct Transaction {
    started: i64,
    start_visible: bool,
    written: Vec<i64>,
}

/// A database, and a reader that polls it.
struct Simulation {
    source: Source,
    clock: i64,
    drawn: i64,
    visible: i64,
    begun: usize,
    open: BTreeMap<usize, Transaction>,
    horizon: Horizon,
    head: Option<Position>,
}

impl Simulation {
    fn new(source: Source) -> Self {
        let horizon = Horizon::resume(Position::ZERO);
        Self { source, clock: UNLISTED + 1, drawn: 0, visible: 0, begun: 0, open: BTreeMap::new(), horizon, head: None }
    }

    fn chosen(&self, which: prop::sample::Index) -> Option<usize> {
        let open: Vec<usize> = self.open.keys().copied().collect();
        (!open.is_empty()).then(|| *which.get(&open))
    }

    fn step(&mut self, step: &Step) {
        self.clock += 1;
        match *step {
            Step::Begin { start_ago, start_visible } => {
                let transaction = Transaction { started: self.clock - start_ago, start_visible, written: Vec::new() };
                self.open.insert(self.begun, transaction);
                self.begun += 1;
            }
            Step::Write(which) => {
                if let Some(chosen) = self.chosen(which) {
                    self.drawn += 1;
                    let transaction = self.open.get_mut(&chosen).expect("it was chosen among the open ones");
                    transaction.written.push(match self.source {
                        Source::Sequence => self.drawn,
                        Source::Clock => self.clock,
                        Source::TxStart => transaction.started,
                    });
                }
            }
            Step::Commit(which) => {
                let ended = self.chosen(which).and_then(|chosen| self.open.remove(&chosen));
                for position in ended.map(|transaction| transaction.written).unwrap_or_default() {
                    self.assert_unpassed(position);
                    self.visible = self.visible.max(position);
                }
            }
            Step::Abort(which) => _ = self.chosen(which).and_then(|chosen| self.open.remove(&chosen)),
            Step::ReadHead => {
                self.head = Some(at(match self.source {
                    Source::Sequence => self.visible,
                    Source::Clock => self.clock,
                    Source::TxStart => self.clock - UNLISTED,
                }));
            }
            Step::ListWriters { fails } => {
                if let Some(head) = self.head.take().filter(|_| !fails) {
                    self.poll(head);
                }
            }
        }
        for position in self.open.values().flat_map(|transaction| &transaction.written) {
            self.assert_unpassed(*position);
        }
    }

    fn poll(&mut self, head: Position) {
        let before = self.horizon.safe();
        let writers: Vec<Writer> =
            self.open.iter().map(|(number, transaction)| self.listed(*number, transaction)).collect();
        let reading = self.horizon.advance(head, &writers);
        assert!(reading.safe >= before, "safe fell from {before} to {}", reading.safe);
        assert_eq!(reading.holder.is_some(), reading.safe < head, "somebody holds whenever safe is behind");
    }

    fn listed(&self, number: usize, transaction: &Transaction) -> Writer {
        let visible = matches!(self.source, Source::TxStart) && transaction.start_visible;
        writer(&number.to_string(), visible.then_some(transaction.started - 1))
    }

    /// An event that is not visible yet would be lost if the horizon had passed it.
    fn assert_unpassed(&self, position: i64) {
        let safe = self.horizon.safe();
        assert!(at(position) > safe, "an uncommitted event at {position} was passed by {safe}");
    }

    /// With nobody writing, two polls reach the head.
    fn assert_live(&mut self) {
        self.open.clear();
        self.step(&Step::ReadHead);
        let head = self.head.expect("it was just read");
        self.step(&Step::ListWriters { fails: false });
        assert!(self.horizon.safe() >= head, "{} is behind {head} with nobody writing", self.horizon.safe());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_uncommitted_event_is_ever_passed(
        source in prop::sample::select(vec![Source::Sequence, Source::Clock, Source::TxStart]),
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut simulation = Simulation::new(source);
        for step in &steps {
            simulation.step(step);
        }
        simulation.assert_live();
    }
}
