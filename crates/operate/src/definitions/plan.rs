//! From what is wanted to a change of the state, in words and in fact.

use std::collections::HashMap;

use domain::{Condition, Definitions, Execution, InstanceId, Position, Start, Target};
use engine::resolve_start;
use schemars::JsonSchema;
use serde::Serialize;
use store::{DefinitionsChange, EventStore, State};

use super::{diff, secrets_sent};
use crate::{Caller, Kind, OperateError, new_id, words};

/// How far to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mode {
    /// Remove what came from a file and is not in this one.
    pub prune: bool,
    /// Find out only: starts are not resolved.
    pub dry_run: bool,
    /// Put the file's signing keys in the place of stored ones that do not open.
    pub replace_keys: bool,
}

/// What would change.
#[derive(Debug)]
pub struct Plan {
    /// In words.
    pub changes: Vec<Change>,
    /// What an operator should think about, whether or not it is new.
    pub warnings: Vec<String>,
    pub(super) change: DefinitionsChange,
}

/// One line of a plan.
#[derive(Clone, Serialize, PartialEq, Eq, Debug, JsonSchema)]
pub struct Change {
    /// `target` or `execution`.
    pub what: &'static str,
    /// The target's name, or the condition with its instance.
    pub name: String,
    /// `create`, `update` or `remove`.
    pub change: &'static str,
    /// Which fields, or where a new target begins. Never a secret.
    pub details: Vec<String>,
}

impl Plan {
    pub(super) fn empty() -> Self {
        Self { changes: Vec::new(), warnings: Vec::new(), change: DefinitionsChange::default() }
    }

    /// Whether what would be in force afterwards holds together, and what an operator should know about it.
    pub(super) fn check(&mut self, current: &Definitions, origin: &str) -> Result<(), OperateError> {
        let after = self.change.outcome(current);
        after.validate().map_err(|error| {
            let sentence = format!("{origin}: {error}");
            match OperateError::from(error).kind() {
                Kind::AlreadyExists => OperateError::AlreadyExists(sentence),
                _ => OperateError::Precondition(sentence),
            }
        })?;
        self.warnings.extend(secrets_sent(&after));
        Ok(())
    }

    /// The target that is created or updated, where it is only one.
    #[must_use]
    pub fn new_target(&self) -> Option<&Target> {
        self.change.targets.first()
    }

    /// Changes the state, if there is anything to change.
    pub async fn carry_out(&self, state: &State, actor: &str) -> Result<(), OperateError> {
        if !self.changes.is_empty() {
            state.apply(&self.change, actor).await.map_err(OperateError::Unchanged)?;
        }
        Ok(())
    }

    /// A target that is not there yet: `draft` without its id and with its start still to be resolved.
    pub(super) async fn create(
        &mut self,
        draft: Target,
        mode: Mode,
        (events, state): (&EventStore, &State),
        starts: &mut HashMap<String, Position>,
        caller: &Caller,
    ) -> Result<(), OperateError> {
        let start_position = match starts.get(&draft.start.to_string()) {
            Some(position) => *position,
            None if mode.dry_run => Position::ZERO,
            None => {
                let position = self.resolve(&draft, (events, state), caller).await?;
                starts.insert(draft.start.to_string(), position);
                position
            }
        };
        let begins = match draft.start {
            Start::Now | Start::Time(_) if !mode.dry_run => format!("start {} ({start_position})", draft.start),
            start => format!("start {start}"),
        };
        self.changes.push(Change {
            what: "target",
            name: draft.name.to_string(),
            change: "create",
            details: vec![begins],
        });
        self.change.targets.push(Target { id: new_id(), start_position, ..draft });
        Ok(())
    }

    async fn resolve(
        &mut self,
        draft: &Target,
        (events, state): (&EventStore, &State),
        caller: &Caller,
    ) -> Result<Position, OperateError> {
        let name = draft.name.as_str();
        let failed = |what: String| move |source| OperateError::Resolve { what, source };
        let resolved = resolve_start(events, state, draft.start)
            .await
            .map_err(failed(format!("the start of the target {name:?}")))?;
        if matches!(draft.start, Start::At(_) | Start::Time(_)) {
            let now = resolve_start(events, state, Start::Now).await.map_err(failed("the horizon".to_owned()))?;
            if resolved.position > now.position {
                return Err(OperateError::Invalid(format!(
                    "the target {name:?} would start at {}, beyond the horizon {}; `now` is as far as it goes",
                    draft.start, now.position
                )));
            }
        }
        if let Some(writer) = &resolved.held_by {
            self.warnings.push(format!(
                "a transaction that may write events did not end in time ({}); the target {name:?} begins at {}",
                words::writer_for(writer, caller),
                resolved.position
            ));
        }
        Ok(resolved.position)
    }

    /// Creates or overwrites an execution; one that another hand set is left to it.
    pub(super) fn set_execution(
        &mut self,
        wanted: &Execution,
        current: &Definitions,
        origin: &str,
    ) -> Result<(), OperateError> {
        let name = named(&wanted.condition, wanted.instance.as_ref());
        let existing = (current.executions.iter())
            .find(|existing| existing.condition == wanted.condition && existing.instance == wanted.instance);
        let (change, details) = match existing {
            Some(existing) if existing == wanted => return Ok(()),
            Some(existing) if existing.source != wanted.source => {
                return Err(OperateError::Precondition(format!(
                    "{origin}: the execution {name} was not set by a file; leave it out, or remove it with \
                     `postrider execution delete`"
                )));
            }
            Some(existing) => ("update", diff::execution(existing, wanted)),
            None => ("create", Vec::new()),
        };
        self.changes.push(Change { what: "execution", name, change, details });
        self.change.executions.push(wanted.clone());
        Ok(())
    }
}

pub(super) fn belonging(instance: Option<&InstanceId>) -> String {
    instance.map_or_else(|| "no instance in particular".to_owned(), |instance| format!("the instance {instance}"))
}

/// An execution in a sentence.
pub(super) fn named(condition: &Condition, instance: Option<&InstanceId>) -> String {
    instance.map_or_else(|| condition.to_string(), |instance| format!("{condition} on {instance}"))
}
