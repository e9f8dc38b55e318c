//! The verdicts that a courier waits for: what the targets before its own made of an event.
//!
//! A verdict is what the state has: a gate's cursor, what it settled beyond it, and what it denied. So it holds across a
//! crash and another owner, whoever serves the gate. The ledger tells when a gate's cursor was committed; besides, the
//! state is asked every second, for an operator who moved it.

use std::{collections::HashMap, time::Duration};

use domain::{
    CursorId, EventKey, EventType, Gate, GateTarget, GateVerdict, InstanceId, Router, TargetId, window::Window,
};
use store::StoreError;
use tokio::sync::watch;

use super::Shared;
use crate::clock;

/// How often the state is asked for verdicts that nobody told of.
const ASK: Duration = Duration::from_secs(1);

/// See the module's head.
pub(super) struct Gates {
    target: TargetId,
    instance: InstanceId,
    /// Every target that this one may wait for, at one revision of the definitions.
    all: Vec<GateTarget>,
    /// Who may wait for this one.
    behind: Vec<TargetId>,
    revision: Option<i64>,
    known: HashMap<TargetId, (Option<CursorId>, Gate)>,
    /// The group of the ledger up to which `known` is true, and when it was asked for.
    asked: Option<(u64, Duration)>,
    pub committed: watch::Receiver<u64>,
}

impl Gates {
    pub fn new(shared: &Shared, target: TargetId, instance: InstanceId) -> Self {
        Self {
            target,
            instance,
            all: Vec::new(),
            behind: Vec::new(),
            revision: None,
            known: HashMap::new(),
            asked: None,
            committed: shared.ledger.committed(),
        }
    }

    /// Whether an event of this type waits for somebody.
    pub fn are_before(&mut self, router: &Router, event_type: Option<&EventType>) -> bool {
        self.look_at(router);
        let of_type = |event_type| router.gates(&self.target, &self.instance, event_type).next().is_some();
        !self.all.is_empty() && event_type.is_some_and(of_type)
    }

    /// Tells the window what is known of the events that wait; whether some wait on.
    pub async fn judge(&mut self, shared: &Shared, window: &mut Window) -> Result<bool, StoreError> {
        if window.gated().next().is_none() {
            return Ok(false);
        }
        let router = shared.router.load_full();
        self.look_at(&router);
        if self.is_stale(shared) {
            // What is committed while the state is asked may or may not be in the answer.
            let group = *self.committed.borrow_and_update();
            let read = shared.state.gates(self.all.iter(), &self.instance).await?;
            self.known = self.all.iter().map(|gate| gate.id.clone()).zip(read).collect();
            self.asked = Some((group, clock::boottime()));
        }
        window.judge(clock::now(), |key, event_type| {
            if !router.concerns(&self.target, &self.instance, event_type) {
                return GateVerdict::Unasked;
            }
            let gates = router.gates(&self.target, &self.instance, event_type);
            let known: Option<Vec<&Gate>> = gates.map(|gate| self.known.get(gate).map(|(_, gate)| gate)).collect();
            // Who is before it has just changed: it is asked for with the next look.
            known.map_or_else(
                || GateVerdict::Unknown("for the targets before it".to_owned()),
                |gates| Gate::verdict_of_all(gates, key),
            )
        });
        Ok(window.gated().next().is_some())
    }

    /// When the state is to be asked again while something waits.
    pub fn ask_again_at(&self) -> Duration {
        self.asked.map_or_else(clock::boottime, |(_, at)| at + ASK)
    }

    /// Forgets what this target denied and everybody behind it has passed; with nobody behind it, all that it has passed.
    pub async fn forget_what_all_have_passed(
        &mut self,
        shared: &Shared,
        cursor: CursorId,
        at: &EventKey,
    ) -> Result<(), StoreError> {
        let router = shared.router.load_full();
        self.look_at(&router);
        let called = router.targets_on(&self.instance);
        let mut passed = at.clone();
        for target in self.behind.iter().filter(|target| called.contains(target)) {
            let Some(other) = shared.state.cursor(target, &self.instance).await? else { return Ok(()) };
            passed = passed.min(other.key);
        }
        shared.state.forget_denials(cursor, &passed).await
    }

    fn look_at(&mut self, router: &Router) {
        if self.revision != Some(router.revision()) {
            self.revision = Some(router.revision());
            self.all = router.all_gates(&self.target, &self.instance).into_iter().collect();
            self.behind = router.behind(&self.target, &self.instance).into_iter().collect();
            self.asked = None;
        }
    }

    fn is_stale(&self, shared: &Shared) -> bool {
        self.asked.is_none_or(|(group, at)| {
            let cursors = self.known.values().filter_map(|(id, _)| *id);
            clock::boottime() >= at + ASK || shared.ledger.moved_since(cursors, group)
        })
    }
}
