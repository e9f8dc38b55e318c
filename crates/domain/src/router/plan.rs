//! One execution with its includes written out: whom it calls, and what is kept out on the way to each of them.

use std::{collections::HashMap, sync::Arc};

use crate::{
    Condition, EventType, Execution, ExecutionTarget, InstanceId, TargetName, TypePattern, definitions::Scope,
};

/// An execution, written out.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) condition: Condition,
    pub(super) instance: Option<InstanceId>,
    pub(super) exclude: Vec<TypePattern>,
    pub(super) entries: Vec<Entry>,
}

/// One place in an execution's list.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The target's number in the Router.
    pub(super) target: usize,
    /// The includes that lead here, from the outside in.
    pub(super) via: Arc<[Via]>,
    /// The places before this one that name the same target.
    earlier: Vec<usize>,
}

/// An execution that was included.
#[derive(Clone, Debug)]
pub(super) struct Via {
    pub(super) condition: Condition,
    pub(super) exclude: Arc<[TypePattern]>,
}

impl Plan {
    /// Writes an execution out, as it is in this scope. The scope has been validated: every name and include is there,
    /// and includes end.
    pub(super) fn expand(execution: &Execution, scope: &Scope<'_, '_>, numbers: &HashMap<&TargetName, usize>) -> Self {
        let mut plan = Self {
            condition: execution.condition.clone(),
            instance: execution.instance.clone(),
            exclude: execution.exclude.clone(),
            entries: Vec::new(),
        };
        plan.write_out(execution, &Arc::default(), scope, numbers);
        let mut places: HashMap<usize, Vec<usize>> = HashMap::new();
        for (place, entry) in plan.entries.iter_mut().enumerate() {
            let earlier = places.entry(entry.target).or_default();
            entry.earlier.clone_from(earlier);
            earlier.push(place);
        }
        plan
    }

    fn write_out(
        &mut self,
        execution: &Execution,
        via: &Arc<[Via]>,
        scope: &Scope<'_, '_>,
        numbers: &HashMap<&TargetName, usize>,
    ) {
        for entry in &execution.targets {
            match entry {
                ExecutionTarget::Target(name) => {
                    let target = numbers[name];
                    self.entries.push(Entry { target, via: Arc::clone(via), earlier: Vec::new() });
                }
                ExecutionTarget::Include(condition) => {
                    let included = scope.get(condition).expect("validated: an include has its execution");
                    let step = Via { condition: condition.clone(), exclude: included.exclude.as_slice().into() };
                    let via = via.iter().cloned().chain([step]).collect();
                    self.write_out(included, &via, scope, numbers);
                }
            }
        }
    }

    /// What keeps this type from firing the execution.
    pub(super) fn excluded_by(&self, event_type: &EventType) -> Option<&TypePattern> {
        self.exclude.iter().find(|pattern| pattern.matches(event_type))
    }

    /// The targets to call once the execution fires, each once, before their own excludes.
    pub(super) fn called(&self, event_type: &EventType) -> impl Iterator<Item = usize> {
        let counts = move |entry: &&Entry| entry.kept_out_by(event_type).is_none() && !self.repeats(entry, event_type);
        self.entries.iter().filter(counts).map(|entry| entry.target)
    }

    /// Whether the target was at a place before that counts.
    pub(super) fn repeats(&self, entry: &Entry, event_type: &EventType) -> bool {
        entry.earlier.iter().any(|&place| self.entries[place].kept_out_by(event_type).is_none())
    }

    /// Whether a target is among those called once the execution fires, before its own excludes.
    pub(super) fn calls(&self, target: usize, event_type: &EventType) -> bool {
        self.entries.iter().any(|entry| entry.target == target && entry.kept_out_by(event_type).is_none())
    }

    /// The targets for which there may be an event type that the execution calls them for, before their own excludes.
    /// A superset; a target can come more than once.
    pub(super) fn may_call(&self) -> impl Iterator<Item = usize> {
        let nothing_left = |exclude: &[TypePattern]| exclude.iter().any(|pattern| pattern.covers(&self.condition));
        let open = move |entry: &&Entry| !entry.via.iter().any(|via| nothing_left(&via.exclude));
        let fires = !nothing_left(&self.exclude);
        self.entries.iter().filter(move |_| fires).filter(open).map(|entry| entry.target)
    }
}

impl Entry {
    /// What keeps this type from coming through the includes that lead here.
    pub(super) fn kept_out_by(&self, event_type: &EventType) -> Option<(&Condition, &TypePattern)> {
        let matching = |via: &'_ Via| via.exclude.iter().position(|pattern| pattern.matches(event_type));
        self.via.iter().find_map(|via| matching(via).map(|found| (&via.condition, &via.exclude[found])))
    }
}
