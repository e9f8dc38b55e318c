//! What somebody says of one target or execution, on the way that files go: the same checks, ids, starts, warnings.
//!
//! What belongs to a file is refused with the way that would do it. A change is made from one look at the definitions, and is
//! refused by the state if somebody else came between: a target is written back whole, its keys included.

use std::collections::{BTreeSet, HashMap};

use domain::{Condition, Definitions, Execution, ExecutionTarget, InstanceId, Source, Start, Target, TargetName};
use store::{DefinitionsChange, EventStore, State, StoreError};

use super::{
    diff,
    plan::{Change, Mode, Plan, named},
    secrets_sent,
};
use crate::{Caller, OperateError, known::named as target_of};

/// What files define: it is theirs to change.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Files {
    /// How the file is called in messages.
    pub origin: String,
    /// The names of its targets.
    pub targets: BTreeSet<TargetName>,
    /// Its executions.
    pub executions: Vec<Execution>,
}

/// Which signing keys an edit needs to see.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// All: they are written back.
    All,
    /// Those that open: it removes the others.
    ThatOpen,
}

/// One look at the definitions, to make a change from.
#[derive(Debug)]
pub struct Edit<'a> {
    files: &'a Files,
    caller: &'a Caller,
    /// How what is asked for is called in messages.
    origin: &'static str,
    current: Definitions,
    dry_run: bool,
}

impl<'a> Edit<'a> {
    /// Looks. `origin` is how what is asked for is called in messages: `the command line`, `the request`.
    pub async fn begin(
        state: &State,
        files: &'a Files,
        caller: &'a Caller,
        origin: &'static str,
        keys: Keys,
        dry_run: bool,
    ) -> Result<Self, OperateError> {
        let current = match keys {
            Keys::All => state.definitions().await?,
            Keys::ThatOpen => state.definitions_that_open().await?.0,
        };
        Ok(Self { files, caller, origin, current, dry_run })
    }

    /// The targets that the caller sees.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.current.targets.iter().filter(|target| self.caller.sees(target))
    }

    /// The executions that the caller sees.
    pub fn executions(&self) -> impl Iterator<Item = &Execution> {
        self.current.executions.iter().filter(|execution| self.caller.owns(execution.instance.as_ref()))
    }

    /// A target that belongs to no file, by its name or id.
    pub fn target(&self, name: &str) -> Result<&Target, OperateError> {
        let target = target_of(self.targets(), name)?;
        match target.source {
            Source::Api => Ok(target),
            Source::File => Err(OperateError::Precondition(format!(
                "the target {:?} came from a file and belongs to it; edit the file and run `postrider apply`",
                target.name.as_str()
            ))),
        }
    }

    /// A target that is not there yet.
    pub async fn create(&self, draft: Target, (events, state): (&EventStore, &State)) -> Result<Plan, OperateError> {
        let (name, start, paused) = (draft.name.clone(), draft.start, draft.paused);
        if self.current.targets.iter().any(|target| target.name == name) {
            return Err(OperateError::AlreadyExists(format!(
                "there is a target {:?} already; `postrider target update` changes it",
                name.as_str()
            )));
        }
        self.owned(draft.instance.as_ref())?;
        self.not_in_the_file(name.as_str())?;
        let mut plan = self.plan();
        let mode = Mode { dry_run: self.dry_run, ..Mode::default() };
        plan.create(Target { source: Source::Api, ..draft }, mode, (events, state), &mut HashMap::new(), self.caller)
            .await?;
        if start != Start::Now && !paused {
            plan.warnings.push(format!(
                "no execution names {:?} yet, and a running daemon walks past events that concern nobody; create it with \
                 --paused, set its execution, and resume it",
                name.as_str()
            ));
        }
        self.checked(plan)
    }

    /// The target as it shall be, known by its id.
    pub fn update(&self, wanted: Target) -> Result<Plan, OperateError> {
        let existing = (self.current.targets.iter()).find(|target| target.id == wanted.id);
        let existing = existing.ok_or_else(|| StoreError::NoTarget { target: wanted.id.clone() })?;
        let mut plan = self.plan();
        if existing.name != wanted.name {
            self.not_in_the_file(wanted.name.as_str())?;
            for execution in self.naming(existing).filter(|execution| execution.source == Source::File) {
                plan.warnings.push(format!(
                    "the execution {} came from a file, which still says {:?}: edit it before it is applied again",
                    named(&execution.condition, execution.instance.as_ref()),
                    existing.name.as_str()
                ));
            }
        }
        let details = diff::fields(existing, &wanted);
        if !details.is_empty() {
            let name = existing.name.to_string();
            plan.changes.push(Change { what: "target", name, change: "update", details });
            plan.change.targets.push(wanted);
        }
        self.checked(plan)
    }

    /// Without this target. With `force` it is taken out of the executions that name it; otherwise there must be none.
    pub fn delete(&self, target: &Target, force: bool) -> Result<Plan, OperateError> {
        let mut plan = self.plan();
        let naming: Vec<&Execution> = self.naming(target).collect();
        let names: Vec<_> =
            naming.iter().map(|execution| named(&execution.condition, execution.instance.as_ref())).collect();
        let name = target.name.as_str();
        if !force && !naming.is_empty() {
            return Err(OperateError::Precondition(format!(
                "executions name the target {name:?} ({}); set them without it, or take it out of them with --force",
                names.join(", ")
            )));
        }
        for (execution, title) in naming.into_iter().zip(names) {
            not_a_files(execution)?;
            let mut without = execution.clone();
            without.targets.retain(|entry| *entry != ExecutionTarget::Target(target.name.clone()));
            if without.targets.is_empty() {
                plan.warnings.push(format!("{title} has no targets any more: its events call nobody"));
            }
            let details = vec![format!("without {name}")];
            plan.changes.push(Change { what: "execution", name: title, change: "update", details });
            plan.change.executions.push(without);
        }
        plan.changes.push(Change {
            what: "target",
            name: target.name.to_string(),
            change: "remove",
            details: vec!["its cursors and failed events stay".to_owned()],
        });
        plan.change.remove_targets.push(target.id.clone());
        self.checked(plan)
    }

    /// An execution as it shall be.
    pub fn set_execution(&self, wanted: &Execution) -> Result<Plan, OperateError> {
        self.owned(wanted.instance.as_ref())?;
        let known = self.execution(&wanted.condition, wanted.instance.as_ref());
        for name in wanted.names() {
            if !self.targets().any(|target| target.name == *name) && self.caller.instance.is_some() {
                return Err(OperateError::Precondition(format!("there is no target {:?}", name.as_str())));
            }
        }
        if let Some(own) = &self.caller.instance {
            self.includes_are_own(wanted, own)?;
        }
        known.map_or(Ok(()), not_a_files)?;
        let in_the_file = |other: &&Execution| same(other, &wanted.condition, wanted.instance.as_ref());
        self.files.executions.iter().find(in_the_file).map_or(Ok(()), not_a_files)?;
        let mut plan = self.plan();
        plan.set_execution(wanted, &self.current, self.origin)?;
        if wanted.targets.is_empty() {
            let name = named(&wanted.condition, wanted.instance.as_ref());
            plan.warnings.push(format!("{name} has no targets: its events call nobody"));
        }
        self.checked(plan)
    }

    /// What is for every instance is not an instance's to call: through an include it would stand among others' targets, and in
    /// the way of others' changes.
    fn includes_are_own(&self, wanted: &Execution, own: &InstanceId) -> Result<(), OperateError> {
        for entry in &wanted.targets {
            if let ExecutionTarget::Include(include) = entry
                && self.execution(include, Some(own)).is_none()
            {
                return Err(OperateError::Precondition(format!("there is no execution {}", named(include, Some(own)))));
            }
        }
        Ok(())
    }

    /// Without this execution.
    pub fn delete_execution(&self, condition: &Condition, instance: Option<&InstanceId>) -> Result<Plan, OperateError> {
        self.owned(instance)?;
        let name = named(condition, instance);
        let Some(existing) = self.execution(condition, instance) else {
            let elsewhere = self.executions().filter(|other| other.condition == *condition);
            let places: Vec<_> = elsewhere.map(|other| named(condition, other.instance.as_ref())).collect();
            let hint = match places.as_slice() {
                [] => "`postrider execution list` shows those that are".to_owned(),
                places => format!("there is {}", places.join(", ")),
            };
            return Err(OperateError::NotFound(format!("there is no execution {name}; {hint}")));
        };
        not_a_files(existing)?;
        let mut plan = self.plan();
        plan.changes.push(Change { what: "execution", name, change: "remove", details: Vec::new() });
        plan.change.remove_executions.push((condition.clone(), instance.cloned()));
        self.checked(plan)
    }

    /// The execution for a condition, on this instance or on all of them.
    #[must_use]
    pub fn execution(&self, condition: &Condition, instance: Option<&InstanceId>) -> Option<&Execution> {
        self.current.executions.iter().find(|execution| same(execution, condition, instance))
    }

    fn naming(&self, target: &Target) -> impl Iterator<Item = &Execution> {
        let entry = ExecutionTarget::Target(target.name.clone());
        self.current.executions.iter().filter(move |execution| execution.targets.contains(&entry))
    }

    /// Whether what belongs to this instance, or to all of them, is the caller's to change.
    fn owned(&self, instance: Option<&InstanceId>) -> Result<(), OperateError> {
        if self.caller.owns(instance) {
            return Ok(());
        }
        Err(OperateError::Denied(
            "what belongs to other instances, or to all of them, is not yours to change".to_owned(),
        ))
    }

    fn plan(&self) -> Plan {
        let change = DefinitionsChange { made_from: Some(self.current.revision), ..DefinitionsChange::default() };
        Plan { change, ..Plan::empty() }
    }

    /// Valid as a whole. What was to be warned about before is not said again.
    fn checked(&self, mut plan: Plan) -> Result<Plan, OperateError> {
        plan.check(&self.current, self.origin)?;
        let known = secrets_sent(&self.current);
        plan.warnings.retain(|warning| !known.contains(warning));
        Ok(plan)
    }

    fn not_in_the_file(&self, name: &str) -> Result<(), OperateError> {
        if self.files.targets.contains(name) {
            return Err(OperateError::AlreadyExists(format!(
                "{} defines a target {name:?}; take another name, or `postrider apply` the file",
                self.files.origin
            )));
        }
        Ok(())
    }
}

fn not_a_files(execution: &Execution) -> Result<(), OperateError> {
    match execution.source {
        Source::Api => Ok(()),
        Source::File => Err(OperateError::Precondition(format!(
            "the execution {} came from a file and belongs to it; edit the file and run `postrider apply`",
            named(&execution.condition, execution.instance.as_ref())
        ))),
    }
}

fn same(execution: &Execution, condition: &Condition, instance: Option<&InstanceId>) -> bool {
    execution.condition == *condition && execution.instance.as_ref() == instance
}
