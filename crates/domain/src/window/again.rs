//! Events behind the cursor that operators asked for again. They go through the same window, first come by key, and never
//! beside a call for the same aggregate; the cursor does not move for them.

use std::{collections::VecDeque, sync::Arc};

use super::{
    Dirty, Window,
    slot::{Phase, Slot},
};
use crate::{EventKey, FailedChange, FailedEvent, FailedStatus, Row};

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Again {
    slots: VecDeque<(u64, Slot)>,
    last: u64,
}

impl Again {
    /// The one whose turn it is.
    pub fn front(&self) -> Option<&(u64, Slot)> {
        self.slots.front()
    }

    pub fn front_mut(&mut self) -> Option<&mut Slot> {
        self.slots.front_mut().map(|(_, slot)| slot)
    }

    /// The one that a call is under way for.
    pub fn flying(&self) -> Option<&Slot> {
        self.front().map(|(_, slot)| slot).filter(|slot| slot.phase == Phase::InFlight)
    }

    pub fn take(&mut self, number: u64) -> Option<Slot> {
        let (_, slot) = self.slots.pop_front_if(|(known, _)| *known == number)?;
        Some(slot)
    }

    pub fn put_back(&mut self, number: u64, slot: Slot) {
        self.slots.push_front((number, slot));
    }

    pub fn try_now(&mut self) {
        for (_, slot) in self.slots.iter_mut().filter(|(_, slot)| matches!(slot.phase, Phase::Until(_))) {
            slot.phase = Phase::Ready;
        }
    }

    fn has(&self, key: &EventKey) -> bool {
        self.slots.iter().any(|(_, slot)| slot.key == *key)
    }

    fn push(&mut self, slot: Slot) {
        self.last += 1;
        self.slots.push_back((self.last, slot));
    }
}

impl Window {
    /// The events that operators want sent again, the first of them in order. One that is not asked for any more is dropped,
    /// unless its call is under way; one that is not settled yet is left to its turn. One that still cannot be decoded goes
    /// back to the parked ones.
    pub fn set_again(&mut self, asked: Vec<(Arc<Row>, FailedEvent)>) {
        self.again.slots.retain(|(_, slot)| slot.phase == Phase::InFlight);
        for (row, failed) in asked {
            if !self.is_settled(&failed.key) || self.again.has(&failed.key) {
                continue;
            }
            if let Row::Broken(broken) = &*row {
                // It would be in the way of those behind it.
                self.gone(failed, &broken.to_string());
                continue;
            }
            self.again.push(Slot::offered(row, false, Some(failed)));
        }
    }

    /// An event that was asked for again cannot be read: it goes back to the parked ones, saying why.
    pub fn gone(&mut self, failed: FailedEvent, why: &str) {
        let error = why.to_owned();
        self.changes.push(FailedChange::Put(FailedEvent { status: FailedStatus::Parked, error, ..failed }));
        self.dirty = Dirty::Settled;
    }

    /// Whether everything that operators asked for again has been sent.
    #[must_use]
    pub fn has_sent_all_again(&self) -> bool {
        self.again.front().is_none()
    }

    /// Whether an event is settled, behind the cursor or beyond it.
    fn is_settled(&self, key: &EventKey) -> bool {
        *key <= self.cursor || self.ahead().is_some_and(|ahead| ahead.settles(key))
    }
}
