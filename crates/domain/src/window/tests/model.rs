//! Any interleaving of events, calls, answers, gates, crashes and operators' acts, against a model that keeps nothing
//! but lists: what the state's tables hold, and what a receiver saw.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{Gate, GateTarget, GateVerdict, window::slot::Slot};

/// What happens next, chosen by proptest. A number picks one of what is there.
#[derive(Clone, Debug)]
enum Act {
    /// A new event: of one of three aggregates, which concerns the target or not.
    Write {
        aggregate: usize,
        concerns: bool,
    },
    Send,
    Answer(usize, Outcome),
    Tick(u64),
    Commit,
    /// Gives memory back.
    Shed,
    /// The target before this one settles its next event, delivered or not, and that is committed.
    GatePasses(bool),
    /// Killed: what was not committed is gone, and calls under way are not heard of again.
    Crash,
    Retry(usize),
    Discard(usize),
    Skip,
    Seek(usize),
    Halt,
    Unhalt,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Delivered),
        3 => Just(refused()),
        2 => (0_u64..5).prop_map(|after| away(Some(after))),
    ];
    let one = 0_usize..8;
    let act = prop_oneof![
        8 => (0_usize..3, prop::bool::weighted(0.8)).prop_map(|(aggregate, concerns)| Act::Write { aggregate, concerns }),
        10 => Just(Act::Send),
        10 => (one.clone(), outcome).prop_map(|(one, outcome)| Act::Answer(one, outcome)),
        4 => (0_u64..4).prop_map(Act::Tick),
        5 => Just(Act::Commit),
        1 => Just(Act::Shed),
        6 => prop::bool::weighted(0.8).prop_map(Act::GatePasses),
        1 => Just(Act::Crash),
        1 => one.clone().prop_map(Act::Retry),
        1 => one.clone().prop_map(Act::Discard),
        1 => Just(Act::Skip),
        1 => one.prop_map(Act::Seek),
        1 => Just(Act::Halt),
        2 => Just(Act::Unhalt),
    ];
    prop::collection::vec(act, 1..90)
}

/// Which target is driven, and how strict it is.
#[derive(Clone, Debug)]
struct Kind {
    policy: Policy,
    shape: Shape,
    gated: bool,
}

fn kinds() -> impl Strategy<Value = Kind> {
    let ordering = prop_oneof![Just(Ordering::Strict), Just(Ordering::Aggregate), Just(Ordering::None)];
    let halts = prop_oneof![3 => Just(OnExhausted::Park), 1 => Just(OnExhausted::Halt)];
    (ordering, 1_usize..4, 1_usize..9, 1_u32..4, 0_u32..4, halts, any::<bool>()).prop_map(
        |(ordering, max_in_flight, lookahead, max_failure_count, hold_after_parked, on_exhausted, gated)| {
            let max_in_flight = if ordering == Ordering::Strict { 1 } else { max_in_flight };
            Kind {
                policy: Policy { max_failure_count, on_exhausted, hold_after_parked, ..Policy::default() },
                shape: Shape { ordering, max_in_flight, lookahead, max_bytes: 4_000 },
                gated,
            }
        },
    )
}

/// See the module's head.
struct World {
    kind: Kind,
    /// The store, in order.
    store: Vec<(Arc<Row>, bool)>,
    read: usize,
    row: Cursor,
    failed: BTreeMap<EventKey, FailedEvent>,
    denied: BTreeSet<EventKey>,
    gate: Gate,
    gate_at: usize,
    window: Window,
    under_way: Vec<Send>,
    now: u64,
    delivered: BTreeSet<EventKey>,
    /// Given up by the window, by a gate, or by an operator.
    given_up: BTreeSet<EventKey>,
    refusals: BTreeMap<EventKey, u32>,
    /// Whether the last that was heard of an event is that it was delivered.
    last: BTreeMap<EventKey, bool>,
    asked_again: BTreeSet<EventKey>,
}

fn gate_target() -> GateTarget {
    GateTarget { id: "gate".into(), name: "gate".into(), paused: false }
}

impl World {
    fn new(kind: Kind) -> Self {
        let gate = Gate { cursor: Some(cursor().key), ..Gate::default() };
        Self {
            window: Window::resume(kind.policy.clone(), kind.shape.clone(), &cursor(), Vec::new()),
            kind,
            store: Vec::new(),
            read: 0,
            row: cursor(),
            failed: BTreeMap::new(),
            denied: BTreeSet::new(),
            gate,
            gate_at: 0,
            under_way: Vec::new(),
            now: 0,
            delivered: BTreeSet::new(),
            given_up: BTreeSet::new(),
            refusals: BTreeMap::new(),
            last: BTreeMap::new(),
            asked_again: BTreeSet::new(),
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Write { aggregate, concerns } => {
                let position = i64::try_from(self.store.len()).expect("few") + 1;
                self.store.push((row_of(["a", "b", "c"][aggregate], position), concerns));
            }
            Act::Send => self.send(),
            Act::Answer(one, outcome) => self.answer(one, &outcome),
            Act::Tick(seconds) => self.now += seconds,
            Act::Commit => self.commit(),
            Act::Shed => {
                self.window.shed();
                self.read_again();
            }
            Act::GatePasses(delivers) => self.gate_passes(delivers),
            Act::Crash => self.begin_again(),
            Act::Retry(one) => self.retry(one),
            Act::Discard(one) => self.discard(one),
            Act::Skip => self.skip(),
            Act::Seek(one) => self.seek(one),
            Act::Halt => {
                self.row.halt = Some("by hand".into());
                self.begin_again();
            }
            Act::Unhalt => {
                self.row.halt = None;
                for failed in self.failed.values_mut().filter(|failed| failed.status == FailedStatus::Halted) {
                    failed.status = FailedStatus::Retrying;
                }
                self.begin_again();
            }
        }
        self.fill();
        self.holds_together();
    }

    /// As a courier does: reads, and asks the gate for verdicts.
    fn fill(&mut self) {
        while self.window.wants_more() && self.read < self.store.len() {
            let (row, concerns) = self.store[self.read].clone();
            self.read += 1;
            if concerns {
                self.window.offer(row, self.kind.gated, at(self.now));
            } else {
                self.window.pass(row.key(), None);
            }
        }
        let (gate, of, given_up) = (&self.gate, gate_target(), &mut self.given_up);
        self.window.judge(at(self.now), |key, _| {
            let verdict = gate.verdict(&of, key);
            if matches!(verdict, GateVerdict::Denied(_)) {
                given_up.insert(key.clone());
            }
            verdict
        });
    }

    fn send(&mut self) {
        let can = self.window.can_send(at(self.now));
        let Step::Send(send) = self.window.next(at(self.now)) else {
            assert!(!can, "it said that it could send");
            return;
        };
        assert!(can, "it said that it could not send");
        let key = send.event.key().clone();
        assert!(self.row.halt.is_none(), "{key} is sent while halted by hand");
        assert!(self.under_way.len() < self.kind.shape.max_in_flight, "more calls than allowed");
        let same_aggregate = |other: &EventKey| other.aggregate_id == key.aggregate_id;
        if send.ticket.again {
            assert!(self.asked_again.contains(&key), "{key} is sent again, and nobody asked");
            assert!(!self.under_way.iter().any(|other| same_aggregate(other.event.key())), "beside its aggregate");
        } else {
            assert!(!self.is_committed(&key), "{key} is sent, and is settled according to the state");
            let beside = |other: &Send| other.ticket.again && same_aggregate(other.event.key());
            assert!(!self.under_way.iter().any(beside), "{key} is sent beside a retry of its aggregate");
            if self.kind.gated {
                assert_eq!(
                    self.gate.verdict(&gate_target(), &key),
                    GateVerdict::Passed,
                    "{key} is sent before its gate has passed it"
                );
            }
            let in_lane = |other: &&EventKey| match self.kind.shape.ordering {
                Ordering::Strict => true,
                Ordering::Aggregate => same_aggregate(other),
                Ordering::None => false,
            };
            for earlier in self.concerning().filter(|other| **other < key).filter(in_lane) {
                let done = self.delivered.contains(earlier) || self.given_up.contains(earlier);
                assert!(done, "{key} is sent before {earlier} is settled");
            }
        }
        self.under_way.push(send);
    }

    fn answer(&mut self, one: usize, outcome: &Outcome) {
        if self.under_way.is_empty() {
            return;
        }
        let send = self.under_way.remove(one % self.under_way.len());
        let key = send.event.key().clone();
        match outcome {
            Outcome::Delivered => {
                self.last.insert(key.clone(), true);
                self.delivered.insert(key);
            }
            Outcome::Failed { .. } => *self.refusals.entry(key).or_default() += 1,
            Outcome::Unavailable { .. } => {}
        }
        self.window.record(send.ticket, outcome, at(self.now), &mut |nth| SECOND * nth);
        self.given_up.extend(self.window.newly_parked().map(|failed| failed.key.clone()));
    }

    fn commit(&mut self) {
        let Some((settlement, _)) = self.window.settlement(true) else { return };
        assert!(settlement.key >= self.row.key, "a cursor never goes back by itself");
        for change in settlement.failed {
            match change {
                FailedChange::Put(row) => {
                    if matches!(row.status, FailedStatus::Parked | FailedStatus::Interrupted) {
                        self.last.insert(row.key.clone(), false);
                    }
                    if row.status == FailedStatus::Interrupted {
                        assert!(
                            matches!(self.gate.verdict(&gate_target(), &row.key), GateVerdict::Denied(_)),
                            "nobody interrupted it"
                        );
                        self.given_up.insert(row.key.clone());
                    }
                    self.failed.insert(row.key.clone(), row)
                }
                FailedChange::Remove(key) => self.failed.remove(&key),
            };
        }
        self.denied.extend(settlement.denied);
        (self.row.key, self.row.ahead) = (settlement.key, settlement.ahead);
        (self.row.delivered, self.row.parked_in_a_row) = (settlement.delivered, settlement.parked_in_a_row);
        self.row.state = settlement.state;
    }

    fn gate_passes(&mut self, delivers: bool) {
        let Some((row, _)) = self.store.get(self.gate_at) else { return };
        self.gate_at += 1;
        self.gate.cursor = Some(row.key().clone());
        if !delivers {
            self.gate.denied.add(row.key().clone(), row.key().clone());
        }
    }

    /// Whoever takes over does not hear of what was delivered and not committed.
    fn forget_uncommitted(&mut self) {
        let row = &self.row;
        self.last.retain(|key, delivered| !*delivered || settles(row, key));
    }

    fn begin_again(&mut self) {
        self.forget_uncommitted();
        let failed = self.failed.values().cloned().collect();
        self.window = Window::resume(self.kind.policy.clone(), self.kind.shape.clone(), &self.row, failed);
        // What the window before had given up and not committed is open again.
        let (delivered, row) = (&self.delivered, &self.row);
        self.given_up.retain(|key| delivered.contains(key) || settles(row, key));
        self.under_way.clear();
        self.read_again();
        self.nudge();
    }

    fn read_again(&mut self) {
        self.read = self.store.iter().take_while(|(row, _)| row.key() <= self.window.read_to()).count();
    }

    /// What was asked for again, as the state has it.
    fn nudge(&mut self) {
        self.commit();
        let asked = self.failed.values().filter(|failed| failed.status == FailedStatus::Retrying);
        let asked: Vec<_> = asked.filter(|failed| self.is_committed(&failed.key)).cloned().collect();
        let row_of =
            |key: &EventKey| self.store.iter().find(|(row, _)| row.key() == key).map(|(row, _)| Arc::clone(row));
        let asked: Vec<_> = asked.into_iter().filter_map(|failed| Some((row_of(&failed.key)?, failed))).collect();
        self.asked_again.extend(asked.iter().map(|(_, failed)| failed.key.clone()));
        self.window.set_again(asked);
    }

    fn retry(&mut self, one: usize) {
        let wanted = |failed: &&mut FailedEvent| matches!(failed.status, FailedStatus::Parked | FailedStatus::Halted);
        let mut waiting: Vec<_> = self.failed.values_mut().filter(wanted).collect();
        if waiting.is_empty() {
            return;
        }
        let one = one % waiting.len();
        let halted = waiting[one].status == FailedStatus::Halted;
        waiting[one].status = FailedStatus::Retrying;
        if halted { self.begin_again() } else { self.nudge() }
    }

    fn discard(&mut self, one: usize) {
        if self.failed.is_empty() {
            return;
        }
        let key = self.failed.keys().nth(one % self.failed.len()).cloned().expect("it is one of them");
        self.failed.remove(&key);
        self.settle_by_hand(&key);
    }

    fn skip(&mut self) {
        self.forget_uncommitted();
        let open = self.row.ahead.as_ref().and_then(|ahead| ahead.open.first().cloned());
        let next = self.concerning().find(|key| **key > self.row.key).cloned();
        let Some(key) = open.or(next) else { return };
        let (row, _) = self.store.iter().find(|(row, _)| *row.key() == key).expect("it is in the store");
        let skipped =
            Slot::offered(Arc::clone(row), false, None).failed(FailedStatus::Parked, "skipped", at(self.now).wall);
        self.last.insert(key.clone(), false);
        self.failed.insert(key.clone(), skipped);
        if self.row.ahead.is_none() {
            self.row.key = key.clone();
        }
        self.settle_by_hand(&key);
    }

    /// As the state does: out of what is open, and no courier that knew it otherwise can commit.
    fn settle_by_hand(&mut self, key: &EventKey) {
        self.forget_uncommitted();
        if let Some(ahead) = &mut self.row.ahead {
            ahead.open.retain(|open| open != key);
            if ahead.open.is_empty() {
                self.row.key = ahead.to.clone();
                self.row.ahead = None;
            }
        }
        if settles(&self.row, key) {
            self.given_up.insert(key.clone());
            self.denied.insert(key.clone());
        }
        self.begin_again();
    }

    fn seek(&mut self, one: usize) {
        if self.store.is_empty() {
            return;
        }
        self.forget_uncommitted();
        let to = self.store[one % self.store.len()].0.key().clone();
        let old = self.row.key.clone();
        // What failed ahead is reached again; what lies behind the new place is given up, or behind the old one settled.
        self.failed.retain(|key, failed| {
            *key <= old || !matches!(failed.status, FailedStatus::Retrying | FailedStatus::Halted)
        });
        let passed: Vec<EventKey> = self.concerning().filter(|key| **key <= to).cloned().collect();
        self.given_up.extend(passed);
        let (given_up, delivered) = (&mut self.given_up, &mut self.delivered);
        given_up.retain(|key| *key <= to);
        delivered.retain(|key| *key <= to);
        self.denied.retain(|key| *key <= to);
        (self.row.key, self.row.ahead, self.row.parked_in_a_row) = (to, None, 0);
        self.begin_again();
    }

    fn concerning(&self) -> impl Iterator<Item = &EventKey> {
        self.store.iter().filter(|(_, concerns)| *concerns).map(|(row, _)| row.key())
    }

    fn is_committed(&self, key: &EventKey) -> bool {
        settles(&self.row, key)
    }

    /// What the state says is true: what it has as settled was delivered or given up, and nothing that waits is called parked.
    fn holds_together(&self) {
        for key in self.concerning() {
            let failed = self.failed.get(key);
            if self.is_committed(key) {
                let told = self.delivered.contains(key) || self.given_up.contains(key);
                assert!(told, "{key} is settled, but was neither delivered nor given up");
            } else {
                assert!(!self.denied.contains(key), "{key} was denied and is not settled");
            }
            if let Some(failed) = failed {
                assert!(
                    failed.failure_count <= self.kind.policy.max_failure_count.max(1) + 100,
                    "failures without end"
                );
                let refusals = self.refusals.get(key).copied().unwrap_or_default();
                assert!(failed.failure_count <= refusals, "{key} has a failure that no call had");
            }
        }
    }

    /// Whatever happened: once everybody answers and nobody halts, everything is settled.
    fn comes_to_an_end(mut self) {
        self.act(Act::Unhalt);
        for _ in 0..self.store.len() * 6 + 20 {
            self.act(Act::GatePasses(true));
            self.act(Act::Send);
            if !self.under_way.is_empty() {
                self.act(Act::Answer(0, Outcome::Delivered));
            }
            self.act(Act::Tick(10));
        }
        self.commit();
        self.holds_together();
        if let Some((last, _)) = self.store.last() {
            assert_eq!(&self.row.key, last.key(), "the cursor is at the end");
        }
        assert_eq!(self.row.ahead, None);
        let waits = |failed: &FailedEvent| matches!(failed.status, FailedStatus::Retrying | FailedStatus::Halted);
        assert!(!self.failed.values().any(waits), "nothing is being retried any more: {:?}", self.failed);
        let delivered = |key: &EventKey| self.last.get(key).copied().unwrap_or_default();
        let wrong = self.failed.keys().find(|key| delivered(key));
        assert_eq!(wrong, None, "it was delivered, and is on record as given up");
    }
}

fn settles(row: &Cursor, key: &EventKey) -> bool {
    *key <= row.key || row.ahead.as_ref().is_some_and(|ahead| ahead.settles(key))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_is_lost_nor_out_of_order_nor_called_twice_in_vain(kind in kinds(), acts in acts()) {
        let mut world = World::new(kind);
        for act in acts {
            world.act(act);
        }
        world.comes_to_an_end();
    }
}
