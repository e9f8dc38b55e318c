//! The line: what lies between the cursor and what was read last, and which of it may go next.
//!
//! Events stand in the order of their keys. A lane is a sequence of them that must stay in order: all of them in strict
//! order, those of one aggregate in order by aggregate, each for itself without order. Only the first unsettled event
//! of a lane, its head, can be sent, wait or stand in the way; those behind it in the lane only stand there.
//!
//! A slot is known by its number, counted from the first one ever; everything here costs no more than the logarithm of
//! the line's length.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::slot::{Phase, Slot};
use crate::{AggregateId, AggregateType, Ahead, EventKey, Ordering, Row};

/// What must stay in order.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Lane {
    All,
    Aggregate(AggregateType, AggregateId),
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Line {
    ordering: Ordering,
    first: u64,
    slots: VecDeque<Slot>,
    /// The unsettled slots of each lane, in order.
    lanes: HashMap<Lane, VecDeque<u64>>,
    ready: BTreeSet<u64>,
    waits: BTreeSet<(Duration, u64)>,
    gated: BTreeSet<u64>,
    flying: BTreeSet<u64>,
    /// The last slot that was settled, or has failed.
    furthest: Option<u64>,
    /// Slots that are events which concern the target.
    concerned: usize,
    bytes: usize,
}

impl Line {
    pub fn new(ordering: Ordering) -> Self {
        Self {
            ordering,
            first: 0,
            slots: VecDeque::new(),
            lanes: HashMap::new(),
            ready: BTreeSet::new(),
            waits: BTreeSet::new(),
            gated: BTreeSet::new(),
            flying: BTreeSet::new(),
            furthest: None,
            concerned: 0,
            bytes: 0,
        }
    }

    pub fn front(&self) -> Option<&Slot> {
        self.slots.front()
    }

    pub fn back(&self) -> Option<&Slot> {
        self.slots.back()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Events that concern the target, settled or not.
    pub fn len(&self) -> usize {
        self.concerned
    }

    /// Memory that rows take, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn flying(&self) -> usize {
        self.flying.len()
    }

    pub fn get(&self, number: u64) -> Option<&Slot> {
        self.slots.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    pub fn get_mut(&mut self, number: u64) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Puts a slot at the end. Stretches that concern nobody grow together.
    pub fn push(&mut self, slot: Slot) {
        if !slot.concerns
            && let Some(back) = self.slots.back_mut().filter(|back| !back.concerns)
        {
            back.created_at = slot.created_at.or(back.created_at);
            back.key = slot.key;
            return;
        }
        let number = self.first + self.slots.len() as u64;
        self.bytes += slot.weight();
        self.concerned += usize::from(slot.concerns);
        let (settled, failed, lane) = (slot.is_settled(), slot.failures > 0, self.lane(&slot.key));
        self.slots.push_back(slot);
        if (settled && self.slots.back().is_some_and(|slot| slot.concerns)) || failed {
            self.furthest = Some(number);
        }
        if settled {
            return;
        }
        match lane {
            None => self.enlist(number),
            Some(lane) => {
                let lane = self.lanes.entry(lane).or_default();
                lane.push_back(number);
                if lane.len() == 1 {
                    self.enlist(number);
                }
            }
        }
    }

    /// Takes the last slot away, if it was neither called nor settled, nothing is known of earlier failures, and nothing behind
    /// it is settled; a stretch that concerns nobody, too.
    pub fn pop_untouched(&mut self) -> bool {
        let Some(number) = (self.first + self.slots.len() as u64).checked_sub(1) else { return false };
        let Some(slot) = self.get(number) else { return false };
        let untouched = match slot.phase {
            Phase::Ready | Phase::Gated(_) => slot.calls == 0 && slot.first_failed.is_none(),
            Phase::Settled => !slot.concerns,
            _ => false,
        };
        if !untouched || self.furthest.is_some_and(|furthest| furthest >= number) {
            return false;
        }
        let slot = self.slots.pop_back().expect("it was just looked at");
        self.bytes -= slot.weight();
        self.concerned -= usize::from(slot.concerns);
        self.delist(number, &slot.phase);
        if let Some(lane) = self.lane(&slot.key).filter(|_| slot.concerns)
            && let Some(numbers) = self.lanes.get_mut(&lane)
        {
            numbers.pop_back();
            if numbers.is_empty() {
                self.lanes.remove(&lane);
            }
        }
        true
    }

    /// The first slot that may be sent at this time and that `may_go`, and the time of the next one that waits.
    pub fn next(&mut self, now: Duration, may_go: impl Fn(&Slot) -> bool) -> (Option<u64>, Option<Duration>) {
        while let Some((at, number)) = self.waits.first().copied().filter(|(at, _)| *at <= now) {
            self.waits.remove(&(at, number));
            if let Some(slot) = self.get_mut(number) {
                slot.phase = Phase::Ready;
                self.ready.insert(number);
            }
        }
        let next = self.ready.iter().copied().find(|number| self.get(*number).is_some_and(&may_go));
        (next, self.waits.first().map(|(at, _)| *at))
    }

    /// A call is under way for a slot that was ready.
    pub fn start(&mut self, number: u64) {
        self.ready.remove(&number);
        self.flying.insert(number);
        if let Some(slot) = self.get_mut(number) {
            slot.phase = Phase::InFlight;
        }
    }

    /// Whether a call for an event of this aggregate is under way.
    pub fn is_flying(&self, aggregate: &EventKey) -> bool {
        self.flying.iter().any(|number| self.get(*number).is_some_and(|slot| slot.is_of_the_aggregate_of(aggregate)))
    }

    /// A lane's head was read again.
    pub fn take_in(&mut self, number: u64, row: Arc<Row>, gated: bool) {
        let Some(slot) = self.get_mut(number) else { return };
        let before = slot.weight();
        slot.gated = gated;
        slot.take_in(row);
        let (after, phase) = (slot.weight(), slot.phase.clone());
        self.bytes = self.bytes - before + after;
        self.put(number, phase);
    }

    /// Puts a lane's head into another phase; a settled one makes way for the next.
    pub fn put(&mut self, number: u64, phase: Phase) {
        let Some(slot) = self.get_mut(number) else { return };
        let (was, settled) = (std::mem::replace(&mut slot.phase, phase), slot.is_settled());
        let key = slot.key.clone();
        let (failed, weight) = (slot.failures > 0, slot.weight());
        if settled {
            slot.event = None;
            self.bytes -= weight;
        }
        if settled || failed {
            self.furthest = self.furthest.max(Some(number));
        }
        self.flying.remove(&number);
        self.delist(number, &was);
        if !settled {
            self.enlist(number);
            return;
        }
        let Some(lane) = self.lane(&key) else { return };
        let Some(numbers) = self.lanes.get_mut(&lane) else { return };
        numbers.pop_front();
        match numbers.front().copied() {
            Some(next) => self.enlist(next),
            None => _ = self.lanes.remove(&lane),
        }
    }

    /// Whether some head may be sent, now or in time, or is being sent.
    pub fn is_moving(&self) -> bool {
        !(self.ready.is_empty() && self.waits.is_empty() && self.flying.is_empty())
    }

    /// The heads that wait for a verdict.
    pub fn gated(&self) -> impl Iterator<Item = (u64, &Slot)> {
        self.gated.iter().filter_map(|number| self.get(*number).map(|slot| (*number, slot)))
    }

    /// The heads whose rows cannot be decoded.
    pub fn broken(&self) -> impl Iterator<Item = (u64, &Slot)> {
        let is_head = |number: &u64, slot: &Slot| {
            self.lane(&slot.key).is_none_or(|lane| {
                self.lanes.get(&lane).and_then(|numbers| numbers.front()).is_some_and(|head| head == number)
            })
        };
        (self.first..)
            .zip(&self.slots)
            .filter(move |(number, slot)| matches!(slot.phase, Phase::Broken(_)) && is_head(number, slot))
    }

    /// Whatever waits for a time is ready.
    pub fn try_now(&mut self) {
        for (_, number) in std::mem::take(&mut self.waits) {
            if let Some(slot) = self.get_mut(number) {
                slot.phase = Phase::Ready;
                self.ready.insert(number);
            }
        }
    }

    /// Takes the first slot away if it is settled.
    pub fn pop_settled(&mut self) -> Option<Slot> {
        let slot = self.slots.pop_front_if(|slot| slot.is_settled())?;
        self.first += 1;
        self.concerned -= usize::from(slot.concerns);
        self.furthest = self.furthest.filter(|furthest| *furthest >= self.first);
        Some(slot)
    }

    /// What is settled, or has failed, beyond the first unsettled event.
    pub fn ahead(&self) -> Option<Ahead> {
        let mut furthest = self.furthest?;
        while self.get(furthest + 1).is_some_and(Slot::is_settled) {
            furthest += 1;
        }
        let to = self.get(furthest)?.key.clone();
        let up_to = usize::try_from(furthest - self.first).ok()? + 1;
        let open = self.slots.iter().take(up_to).filter(|slot| !slot.is_settled());
        Some(Ahead { to, open: open.map(|slot| slot.key.clone()).collect() })
    }

    /// Every event that is not settled.
    pub fn unsettled(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| !slot.is_settled())
    }

    fn lane(&self, key: &EventKey) -> Option<Lane> {
        match self.ordering {
            Ordering::Strict => Some(Lane::All),
            Ordering::Aggregate => Some(Lane::Aggregate(key.aggregate_type.clone(), key.aggregate_id.clone())),
            Ordering::None => None,
        }
    }

    fn enlist(&mut self, number: u64) {
        let Some(slot) = self.get(number) else { return };
        match slot.phase {
            Phase::Ready => _ = self.ready.insert(number),
            Phase::Until(at) => _ = self.waits.insert((at, number)),
            Phase::Gated(_) => _ = self.gated.insert(number),
            Phase::InFlight | Phase::Halted | Phase::Broken(_) | Phase::Settled => {}
        }
    }

    fn delist(&mut self, number: u64, was: &Phase) {
        match was {
            Phase::Ready => _ = self.ready.remove(&number),
            Phase::Until(at) => _ = self.waits.remove(&(*at, number)),
            Phase::Gated(_) => _ = self.gated.remove(&number),
            Phase::InFlight | Phase::Halted | Phase::Broken(_) | Phase::Settled => {}
        }
    }
}
