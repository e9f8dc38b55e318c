//! The verdicts that a courier waits for: what the targets before its own made of an event.

use std::{collections::HashMap, time::Duration};

use domain::{
    CursorId, EventKey, EventType, Gate, GateTarget, GateVerdict, InstanceId, Router, TargetId, window::Window,
};
use store::StoreError;
use tokio::sync::watch;

use super::Shared;
use crate::{clock, turns::Turn, verdicts::ASK};

/// After so long those are asked for that are not known because definitions have just changed.
const ASK_SOON: Duration = Duration::from_millis(50);

/// See the module's head.
pub(super) struct Gates {
    target: TargetId,
    instance: InstanceId,
    /// Every target that this one may wait for, at one revision of the definitions.
    all: Vec<GateTarget>,
    /// The same on this instance.
    places: Vec<(TargetId, InstanceId)>,
    /// Who may wait for this one.
    behind: Vec<TargetId>,
    revision: Option<i64>,
    ask_again_at: Duration,
    pub committed: watch::Receiver<u64>,
}

impl Gates {
    pub fn new(shared: &Shared, target: TargetId, instance: InstanceId) -> Self {
        Self {
            target,
            instance,
            all: Vec::new(),
            places: Vec::new(),
            behind: Vec::new(),
            revision: None,
            ask_again_at: Duration::ZERO,
            committed: shared.ledger.committed(),
        }
    }

    /// Whether an event of this type waits for somebody.
    pub fn are_before(&mut self, router: &Router, event_type: Option<&EventType>) -> bool {
        self.look_at(router);
        let of_type = |event_type| router.gates(&self.target, &self.instance, event_type).next().is_some();
        !self.all.is_empty() && event_type.is_some_and(of_type)
    }

    /// Tells the window what is known of the events that wait; whether some wait on. `turn` is given back where the state must be
    /// asked.
    pub async fn judge(&mut self, shared: &Shared, window: &mut Window, turn: &mut Turn) -> Result<bool, StoreError> {
        if window.gated().next().is_none() {
            return Ok(false);
        }
        let router = shared.router.load_full();
        self.look_at(&router);
        // A group that is committed from here on wakes the courier, whether what is asked now tells of it or not.
        self.committed.mark_unchanged();
        if shared.verdicts.are_due(router.revision(), &self.places) {
            turn.step_aside();
            Box::pin(shared.verdicts.refresh(&shared.state, router.revision(), &self.places)).await?;
        }
        let all_known = shared.verdicts.of(&self.places, |known| {
            let all_known = known.iter().all(Option::is_some);
            let known: HashMap<_, _> = self.all.iter().zip(known).map(|(of, gate)| (&of.id, (of, gate))).collect();
            window.judge(clock::now(), |key, event_type| {
                if !router.concerns(&self.target, &self.instance, event_type) {
                    return GateVerdict::Unasked;
                }
                let gates = router.gates(&self.target, &self.instance, event_type);
                let gates: Option<Vec<(&GateTarget, &Gate)>> =
                    gates.map(|gate| known.get(gate).and_then(|(of, gate)| Some((*of, (*gate)?)))).collect();
                gates.map_or_else(
                    || GateVerdict::Unknown("for the targets before it".to_owned()),
                    |gates| Gate::verdict_of_all(gates, key),
                )
            });
            all_known
        });
        self.ask_again_at = clock::boottime() + if all_known { ASK } else { ASK_SOON };
        Ok(window.gated().next().is_some())
    }

    /// When the state is to be asked again while something waits.
    pub fn ask_again_at(&self) -> Duration {
        self.ask_again_at
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
        shared.state.forget_denials(cursor, &passed).await?;
        shared.verdicts.forget(cursor, &passed);
        Ok(())
    }

    fn look_at(&mut self, router: &Router) {
        if self.revision != Some(router.revision()) {
            self.revision = Some(router.revision());
            self.all = router.all_gates(&self.target, &self.instance).into_iter().collect();
            self.places = self.all.iter().map(|gate| (gate.id.clone(), self.instance.clone())).collect();
            self.behind = router.behind(&self.target, &self.instance).into_iter().collect();
        }
    }
}
