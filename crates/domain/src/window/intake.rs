//! How events come into a window, and what is settled without a call: what is settled already, too old, or interrupted.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    Dirty, Now, Window,
    slot::{Phase, Slot},
};
use crate::{EventKey, EventType, FailedChange, FailedStatus, GateVerdict, Row};

impl Window {
    /// Takes in the next row that concerns the target; `gated` if targets before it must have passed it first. Rows at or
    /// before [`Self::read_to`] are not taken again.
    pub fn offer(&mut self, row: Arc<Row>, gated: bool, now: Now) {
        if row.key() <= self.read_to() {
            return;
        }
        let known = self.known.remove(row.key());
        self.forget_failures_up_to(row.key());
        let settled_before = self.was_settled(row.key());
        let mut slot = Slot::offered(row, gated, known);
        match slot.phase {
            // Its failures, if there were any, were put away by whoever settled it.
            _ if settled_before => {
                (slot.phase, slot.event) = (Phase::Settled, None);
                self.dirty = self.dirty.max(Dirty::Passed);
            }
            Phase::Broken(_) | Phase::Halted => self.dirty = Dirty::Settled,
            _ if self.is_expired(&slot, now.wall) => {
                (slot.phase, slot.event) = (Phase::Settled, None);
                self.expire((slot.failures > 0).then(|| slot.key.clone()));
            }
            _ => {}
        }
        self.line.push(slot);
        self.advance();
    }

    /// Everything up to `key` that was not offered concerns nobody.
    pub fn pass(&mut self, key: &EventKey, created_at: Option<Timestamp>) {
        if key <= self.read_to() {
            return;
        }
        self.forget_failures_up_to(key);
        self.was_settled(key);
        self.line.push(Slot::passed(key.clone(), created_at));
        self.dirty = self.dirty.max(Dirty::Passed);
        self.advance();
    }

    /// The events that could not be decoded and stand in the way.
    #[must_use]
    pub fn broken(&self) -> Vec<EventKey> {
        self.line.broken().map(|(_, slot)| slot.key.clone()).collect()
    }

    /// A row that could not be decoded was read again; see [`Self::offer`]. `None`: it is gone, or does not concern the
    /// target any more.
    pub fn mend(&mut self, key: &EventKey, row: Option<Arc<Row>>, gated: bool) {
        let Some(number) = self.line.broken().find(|(_, slot)| slot.key == *key).map(|(number, _)| number) else {
            return;
        };
        match row {
            None => self.line.put(number, Phase::Settled),
            Some(row) => self.line.take_in(number, row, gated),
        }
        self.dirty = Dirty::Settled;
        self.advance();
    }

    /// The events that wait for a verdict and have nothing else before them.
    pub fn gated(&self) -> impl Iterator<Item = &EventKey> {
        self.line.gated().map(|(_, slot)| &slot.key)
    }

    /// Asks what the targets before this one made of each event that waits for them.
    pub fn judge(&mut self, now: Now, mut verdict: impl FnMut(&EventKey, &EventType) -> GateVerdict) {
        let waiting: Vec<u64> = self.line.gated().map(|(number, _)| number).collect();
        for number in waiting {
            let Some(slot) = self.line.get(number) else { continue };
            let phase = match verdict(&slot.key, &slot.event_type()) {
                GateVerdict::Unknown(reason) => {
                    let told = Phase::Gated(Some(reason));
                    if slot.phase != told {
                        self.dirty = Dirty::Settled;
                    }
                    if let Some(slot) = self.line.get_mut(number) {
                        slot.phase = told;
                    }
                    continue;
                }
                GateVerdict::Passed => Phase::Ready,
                GateVerdict::Denied(reason) => {
                    let key = slot.key.clone();
                    self.changes.push(FailedChange::Put(slot.failed(FailedStatus::Interrupted, &reason, now.wall)));
                    self.denied.push(key);
                    self.settled += 1;
                    Phase::Settled
                }
                GateVerdict::Unasked => {
                    // As any other event that concerns the target no more: what was given up before stays on record.
                    self.changes.extend((slot.failures > 0).then(|| FailedChange::Remove(slot.key.clone())));
                    Phase::Settled
                }
            };
            self.line.put(number, phase);
            self.dirty = Dirty::Settled;
        }
        self.advance();
    }

    /// Gives back the memory of events that were neither called nor are next; they are to be offered again.
    pub fn shed(&mut self) {
        while self.line.len() > 1 && self.line.pop_untouched() {}
    }

    /// Whether an event is too old to be sent.
    pub(super) fn is_expired(&self, slot: &Slot, now: Timestamp) -> bool {
        let (Some(max), Some(created_at)) = (self.policy.max_event_age, slot.created_at) else { return false };
        now.duration_since(created_at).try_into().is_ok_and(|age: Duration| age > max)
    }

    /// An event is settled as too old; its failures, if it has `failed` before, are forgotten.
    pub(super) fn expire(&mut self, failed: Option<EventKey>) {
        self.changes.extend(failed.map(FailedChange::Remove));
        self.settled += 1;
        self.dirty = Dirty::Settled;
    }

    /// Whether the window before this one settled the event; what it said is forgotten once this one has read past it.
    fn was_settled(&mut self, key: &EventKey) -> bool {
        let settled = self.resumed.as_ref().is_some_and(|resumed| resumed.settles(key));
        if self.resumed.as_ref().is_some_and(|resumed| *key >= resumed.to) {
            self.resumed = None;
        }
        settled
    }

    /// A failure of an event that concerns the target no more, because definitions changed, is not tried again. What was
    /// given up stays on record.
    fn forget_failures_up_to(&mut self, key: &EventKey) {
        while let Some(entry) = self.known.first_entry().filter(|entry| entry.key() <= key) {
            let (key, failed) = entry.remove_entry();
            if matches!(failed.status, FailedStatus::Retrying | FailedStatus::Halted) {
                self.changes.push(FailedChange::Remove(key));
                self.dirty = Dirty::Settled;
            }
        }
    }
}
