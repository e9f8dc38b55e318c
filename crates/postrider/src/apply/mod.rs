//! From the definitions of a file to a change of the state. `apply` and `run` share it; only `apply` removes anything. What
//! the command line says of one target or execution goes the same way ([`edit`]).
//!
//! A target is known by its name: one that is there keeps its id, its cursor and where it began, whatever the file says
//! about `start` now. One that is new gets an id and has its start resolved, once and for good.

mod diff;
mod edit;
mod warnings;

pub use edit::{Edit, Keys};
pub use warnings::secrets_sent;

use std::collections::HashMap;

use anyhow::Context as _;
use domain::{Condition, Definitions, Execution, InstanceId, Position, Source, Start, Target, TargetId};
use engine::resolve_start;
use serde::Serialize;
use store::{DefinitionsChange, EventStore, State};
use uuid::Uuid;

use crate::{
    config::{DefinitionsSpec, TargetSpec},
    failure::usage,
};

/// How far to go.
#[derive(Clone, Copy)]
pub struct Mode {
    /// Remove what came from a file and is not in this one.
    pub prune: bool,
    /// Find out only: starts are not resolved.
    pub dry_run: bool,
    /// Put the file's signing keys in the place of stored ones that do not open.
    pub replace_keys: bool,
}

/// What a file would change.
pub struct Plan {
    /// In words.
    pub changes: Vec<Change>,
    /// What an operator should think about, whether or not it is new.
    pub warnings: Vec<String>,
    change: DefinitionsChange,
}

/// One line of a plan.
#[expect(clippy::struct_field_names, reason = "the names are those of the JSON")]
#[derive(Serialize, PartialEq, Eq, Debug)]
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
    /// Compares the file with the state. `origin` is how the file is called in messages.
    pub async fn make(
        spec: &DefinitionsSpec,
        origin: &str,
        mode: Mode,
        events: &EventStore,
        state: &State,
    ) -> anyhow::Result<Self> {
        let mut plan = Self::empty();
        let current = if mode.replace_keys {
            let (current, closed) = state.definitions_that_open().await?;
            plan.warnings.extend(closed.iter().map(ToString::to_string));
            current
        } else {
            state.definitions().await?
        };
        let mut starts = HashMap::new();
        for spec in &spec.targets {
            match current.targets.iter().find(|target| target.name == spec.name) {
                Some(existing) => plan.update(existing, spec, origin)?,
                None => plan.create(spec, origin, Source::File, mode, (events, state), &mut starts).await?,
            }
        }
        for wanted in &spec.executions {
            plan.set_execution(wanted, &current, origin)?;
        }
        if mode.prune {
            plan.prune(spec, &current);
        }
        plan.check(&current, origin)?;
        Ok(plan)
    }

    fn empty() -> Self {
        Self { changes: Vec::new(), warnings: Vec::new(), change: DefinitionsChange::default() }
    }

    /// Whether what would be in force afterwards holds together, and what an operator should know about it.
    fn check(&mut self, current: &Definitions, origin: &str) -> anyhow::Result<()> {
        let after = self.change.outcome(current);
        after.validate().map_err(|error| usage(format!("{origin}: {error}")))?;
        self.warnings.extend(secrets_sent(&after));
        Ok(())
    }

    /// What came from a file and is not in this one.
    pub fn what_is_gone(spec: &DefinitionsSpec, current: &Definitions) -> Vec<Change> {
        let mut plan = Self::empty();
        plan.prune(spec, current);
        plan.changes
    }

    /// The target that is created or updated, where it is only one.
    pub fn new_target(&self) -> Option<&Target> {
        self.change.targets.first()
    }

    /// Changes the state, if there is anything to change.
    pub async fn carry_out(&self, state: &State, actor: &str) -> anyhow::Result<()> {
        if !self.changes.is_empty() {
            state.apply(&self.change, actor).await.context("nothing was changed")?;
        }
        Ok(())
    }

    fn update(&mut self, existing: &Target, spec: &TargetSpec, origin: &str) -> anyhow::Result<()> {
        if existing.source == Source::Api {
            return Err(usage(format!(
                "{origin}: the target {:?} was not created by a file; rename one of the two",
                spec.name.as_str()
            )));
        }
        let mut wanted = spec.target(existing.id.clone(), existing.start_position, origin)?;
        if wanted.start != existing.start {
            self.warnings.push(format!(
                "the target {:?} began at {} when it was created, and its `start` has no effect any more; \
                 `postrider cursor seek` moves it",
                spec.name.as_str(),
                existing.start
            ));
        }
        if wanted.instance != existing.instance {
            return Err(usage(format!(
                "{origin}: the target {:?} belongs to {} since it was created, and that stays; give another target to {}",
                spec.name.as_str(),
                belonging(existing.instance.as_ref()),
                belonging(wanted.instance.as_ref()),
            )));
        }
        wanted.start = existing.start;
        wanted.paused = existing.paused;
        let details = diff::fields(existing, &wanted);
        if !details.is_empty() {
            self.changes.push(Change { what: "target", name: wanted.name.to_string(), change: "update", details });
            self.change.targets.push(wanted);
        }
        Ok(())
    }

    async fn create(
        &mut self,
        spec: &TargetSpec,
        origin: &str,
        source: Source,
        mode: Mode,
        (events, state): (&EventStore, &State),
        starts: &mut HashMap<String, Position>,
    ) -> anyhow::Result<()> {
        let start_position = match starts.get(&spec.start.to_string()) {
            Some(position) => *position,
            None if mode.dry_run => Position::ZERO,
            None => {
                let position = self.resolve(spec, events, state).await?;
                starts.insert(spec.start.to_string(), position);
                position
            }
        };
        let id = TargetId::from(Uuid::new_v4().to_string());
        self.change.targets.push(Target { source, ..spec.target(id, start_position, origin)? });
        let begins = match spec.start {
            Start::Now | Start::Time(_) if !mode.dry_run => format!("start {} ({start_position})", spec.start),
            start => format!("start {start}"),
        };
        self.changes.push(Change {
            what: "target",
            name: spec.name.to_string(),
            change: "create",
            details: vec![begins],
        });
        Ok(())
    }

    async fn resolve(&mut self, spec: &TargetSpec, events: &EventStore, state: &State) -> anyhow::Result<Position> {
        let name = spec.name.as_str();
        let resolved = resolve_start(events, state, spec.start)
            .await
            .with_context(|| format!("the start of the target {name:?} cannot be found"))?;
        if matches!(spec.start, Start::At(_) | Start::Time(_)) {
            let now = resolve_start(events, state, Start::Now).await.context("the horizon cannot be found")?;
            if resolved.position > now.position {
                return Err(usage(format!(
                    "the target {name:?} would start at {}, beyond the horizon {}; `now` is as far as it goes",
                    spec.start, now.position
                )));
            }
        }
        if let Some(writer) = &resolved.held_by {
            self.warnings.push(format!(
                "a transaction that may write events did not end in time ({}); the target {name:?} begins at {}",
                crate::output::writer(writer),
                resolved.position
            ));
        }
        Ok(resolved.position)
    }

    /// Creates or overwrites an execution; one that another hand set is left to it.
    fn set_execution(&mut self, wanted: &Execution, current: &Definitions, origin: &str) -> anyhow::Result<()> {
        let name = named(&wanted.condition, wanted.instance.as_ref());
        let existing = (current.executions.iter())
            .find(|existing| existing.condition == wanted.condition && existing.instance == wanted.instance);
        let (change, details) = match existing {
            Some(existing) if existing == wanted => return Ok(()),
            Some(existing) if existing.source != wanted.source => {
                return Err(usage(format!(
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

    fn prune(&mut self, spec: &DefinitionsSpec, current: &Definitions) {
        for gone in current.executions.iter().filter(|execution| execution.source == Source::File) {
            let kept = |wanted: &Execution| wanted.condition == gone.condition && wanted.instance == gone.instance;
            if !spec.executions.iter().any(kept) {
                let name = named(&gone.condition, gone.instance.as_ref());
                self.changes.push(Change { what: "execution", name, change: "remove", details: Vec::new() });
                self.change.remove_executions.push((gone.condition.clone(), gone.instance.clone()));
            }
        }
        for gone in current.targets.iter().filter(|target| target.source == Source::File) {
            if !spec.targets.iter().any(|wanted| wanted.name == gone.name) {
                let name = gone.name.to_string();
                self.changes.push(Change { what: "target", name, change: "remove", details: Vec::new() });
                self.change.remove_targets.push(gone.id.clone());
            }
        }
    }
}

fn belonging(instance: Option<&InstanceId>) -> String {
    instance.map_or_else(|| "no instance in particular".to_owned(), |instance| format!("the instance {instance}"))
}

fn named(condition: &Condition, instance: Option<&InstanceId>) -> String {
    instance.map_or_else(|| condition.to_string(), |instance| format!("{condition} on {instance}"))
}
