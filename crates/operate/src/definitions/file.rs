//! From a file to a plan. Only here is anything removed because it is not mentioned.

use std::collections::HashMap;

use domain::{Definitions, Execution, Source, Target};
use store::{EventStore, State};

use super::{
    Files, diff,
    plan::{Change, Mode, Plan, belonging, named},
};
use crate::{Caller, OperateError};

impl Plan {
    /// Compares what a file defines with the state. `drafts` are its targets, without the ids and starts that the state gives
    /// them.
    pub async fn of_file(
        file: &Files,
        drafts: Vec<Target>,
        mode: Mode,
        (events, state): (&EventStore, &State),
    ) -> Result<Self, OperateError> {
        let mut plan = Self::empty();
        let current = if mode.replace_keys {
            let (current, closed) = state.definitions_that_open().await?;
            plan.warnings.extend(closed.iter().map(ToString::to_string));
            current
        } else {
            state.definitions().await?
        };
        let mut starts = HashMap::new();
        let house = Caller::at_the_command_line(file.origin.as_str());
        for draft in drafts {
            match current.targets.iter().find(|target| target.name == draft.name) {
                Some(existing) => plan.update(existing, draft, &file.origin)?,
                None => plan.create(draft, mode, (events, state), &mut starts, &house).await?,
            }
        }
        for wanted in &file.executions {
            plan.set_execution(wanted, &current, &file.origin)?;
        }
        if mode.prune {
            plan.prune(file, &current);
        }
        plan.check(&current, &file.origin)?;
        Ok(plan)
    }

    /// What came from a file and is not in this one.
    #[must_use]
    pub fn what_is_gone(file: &Files, current: &Definitions) -> Vec<Change> {
        let mut plan = Self::empty();
        plan.prune(file, current);
        plan.changes
    }

    fn update(&mut self, existing: &Target, draft: Target, origin: &str) -> Result<(), OperateError> {
        let name = existing.name.as_str();
        if existing.source == Source::Api {
            return Err(OperateError::Precondition(format!(
                "{origin}: the target {name:?} was not created by a file; rename one of the two"
            )));
        }
        if draft.start != existing.start {
            self.warnings.push(format!(
                "the target {name:?} began at {} when it was created, and its `start` has no effect any more; \
                 `postrider cursor seek` moves it",
                existing.start
            ));
        }
        if draft.instance != existing.instance {
            return Err(OperateError::Precondition(format!(
                "{origin}: the target {name:?} belongs to {} since it was created, and that stays; give another target to {}",
                belonging(existing.instance.as_ref()),
                belonging(draft.instance.as_ref()),
            )));
        }
        let wanted = Target {
            id: existing.id.clone(),
            start: existing.start,
            start_position: existing.start_position,
            paused: existing.paused,
            ..draft
        };
        let details = diff::fields(existing, &wanted);
        if !details.is_empty() {
            self.changes.push(Change { what: "target", name: wanted.name.to_string(), change: "update", details });
            self.change.targets.push(wanted);
        }
        Ok(())
    }

    fn prune(&mut self, file: &Files, current: &Definitions) {
        for gone in current.executions.iter().filter(|execution| execution.source == Source::File) {
            let kept = |wanted: &Execution| wanted.condition == gone.condition && wanted.instance == gone.instance;
            if !file.executions.iter().any(kept) {
                let name = named(&gone.condition, gone.instance.as_ref());
                self.changes.push(Change { what: "execution", name, change: "remove", details: Vec::new() });
                self.change.remove_executions.push((gone.condition.clone(), gone.instance.clone()));
            }
        }
        for gone in current.targets.iter().filter(|target| target.source == Source::File) {
            if !file.targets.contains(&gone.name) {
                let name = gone.name.to_string();
                self.changes.push(Change { what: "target", name, change: "remove", details: Vec::new() });
                self.change.remove_targets.push(gone.id.clone());
            }
        }
    }
}
