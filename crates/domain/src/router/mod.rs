//! Which targets must hear of an event: an immutable snapshot of the definitions, made for looking up.
//!
//! The rules, in the words of the definitions:
//! - On an instance the executions in force are those for every instance, each replaced by the instance's own of the
//!   same condition. Includes look at those in force, too.
//! - Only the most specific execution fires: the exact type, then the groups from the longest to the shortest, then
//!   all. If its `exclude` keeps the type out, nothing fires: no less specific one is tried instead, so that excluding
//!   a type can never widen who hears of it.
//! - What an included execution keeps out does not come through the include either. A target's own `exclude` counts
//!   wherever it is listed.
//! - A target that is listed more than once counts once, at its first place that is not kept out.
//!
//! A lookup ([`Router::targets`], [`Router::concerns`]) does not allocate. The Router knows nothing of cursors and
//! does not decide about paused targets: they keep their place, since their events wait for them.

mod concern;
mod explain;
mod gates;
mod plan;

use std::{
    collections::{BTreeSet, HashMap},
    iter,
    sync::Arc,
};

use plan::Plan;

pub use concern::Concern;
pub use explain::{ExplainedExecution, ExplainedTarget, Explanation, Verdict};
pub use gates::GateTarget;

use crate::{
    Condition, DefinitionError, Definitions, EventType, InstanceId, Target, TargetId, TargetName, TypePattern,
    definitions::Scope,
};

/// Which targets must hear of which events, at one revision of the definitions.
#[derive(Clone, Debug)]
pub struct Router {
    revision: i64,
    targets: Vec<Routed>,
    numbers: HashMap<TargetId, usize>,
    general: Layer,
    own: HashMap<InstanceId, Layer>,
}

/// A superset of the event types that concern a target on an instance, for a query.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TypeFilter {
    /// Every type; the lists are empty then.
    pub all: bool,
    /// These types, sorted, without those below one of `groups`.
    pub types: Vec<String>,
    /// Everything below these, without the `.*`; sorted, none below another.
    pub groups: Vec<String>,
}

/// What the Router keeps of a target.
#[derive(Clone, Debug)]
struct Routed {
    id: TargetId,
    name: TargetName,
    paused: bool,
    interrupts: bool,
    exclude: Vec<TypePattern>,
}

/// Plans by condition: those for every instance, or those in which one instance differs.
#[derive(Clone, Debug, Default)]
struct Layer {
    events: HashMap<EventType, Plan>,
    groups: HashMap<Arc<str>, Plan>,
    all: Option<Plan>,
}

impl Router {
    /// Makes the definitions ready for looking up, after validating them.
    pub fn build(definitions: &Definitions) -> Result<Self, DefinitionError> {
        let scopes = definitions.scopes()?;
        let numbers: HashMap<&TargetName, usize> =
            definitions.targets.iter().enumerate().map(|(number, target)| (&target.name, number)).collect();
        let layer = |scope: &Scope<'_, '_>| {
            let mut layer = Layer::default();
            for execution in scope.differing().filter(|execution| execution.condition.is_for_events()) {
                layer.insert(Plan::expand(execution, scope, &numbers));
            }
            layer
        };
        Ok(Self {
            revision: definitions.revision,
            general: layer(&scopes.general()),
            own: scopes.instances().map(|(instance, scope)| (instance.clone(), layer(&scope))).collect(),
            numbers: definitions.targets.iter().enumerate().map(|(n, target)| (target.id.clone(), n)).collect(),
            targets: definitions.targets.iter().map(Routed::of).collect(),
        })
    }

    /// Of which definitions this is a snapshot.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Whom to call for an event, in order, each once. Does not allocate.
    pub fn targets<'a>(
        &'a self,
        instance: &InstanceId,
        event_type: &'a EventType,
    ) -> impl Iterator<Item = &'a TargetId> + use<'a> {
        self.firing(instance, event_type).into_iter().flat_map(move |plan| {
            plan.called(event_type)
                .map(|number| &self.targets[number])
                .filter(|target| !target.excludes(event_type))
                .map(|target| &target.id)
        })
    }

    /// Whether a target is to be called for an event. Does not allocate.
    #[must_use]
    pub fn concerns(&self, target: &TargetId, instance: &InstanceId, event_type: &EventType) -> bool {
        self.numbers.get(target).is_some_and(|&number| {
            !self.targets[number].excludes(event_type)
                && self.firing(instance, event_type).is_some_and(|plan| plan.calls(number, event_type))
        })
    }

    /// What to ask the events table for on behalf of a target. `None`: it is never called on this instance.
    #[must_use]
    pub fn filter(&self, target: &TargetId, instance: &InstanceId) -> Option<TypeFilter> {
        let number = *self.numbers.get(target)?;
        self.filter_where(instance, |called| called == number)
    }

    /// What to ask the events table for on behalf of all targets of an instance: nothing that concerns one of them is left out.
    #[must_use]
    pub fn filter_for_all(&self, instance: &InstanceId) -> TypeFilter {
        self.filter_where(instance, |_| true).unwrap_or_default()
    }

    fn filter_where(&self, instance: &InstanceId, asks: impl Fn(usize) -> bool) -> Option<TypeFilter> {
        let concerning = self
            .in_force(instance)
            .filter(|plan| plan.may_call().any(|called| asks(called) && self.targets[called].may_be_called_by(plan)));
        TypeFilter::of(&concerning.map(|plan| &plan.condition).collect())
    }

    /// The targets that are called on any instance, also on one that has not been seen yet, paused ones included.
    #[must_use]
    pub fn any_instance_targets(&self) -> Vec<TargetId> {
        self.reached(self.general.plans())
    }

    /// The targets that can ever be called on this instance, paused ones included, in the order of their definition.
    #[must_use]
    pub fn targets_on(&self, instance: &InstanceId) -> Vec<TargetId> {
        self.reached(self.in_force(instance))
    }

    /// The instances that have executions of their own, in no order.
    pub fn instances(&self) -> impl Iterator<Item = &InstanceId> {
        self.own.keys()
    }

    /// The executions that match, the most specific first. The same execution can come twice in a row: as it is on
    /// this instance, then as it is elsewhere.
    fn candidates<'a>(&'a self, instance: &InstanceId, event_type: &'a EventType) -> impl Iterator<Item = &'a Plan> {
        let layers = [self.own.get(instance), Some(&self.general)];
        let name = event_type.as_str();
        let exact = layers.into_iter().flatten().filter_map(move |layer| layer.events.get(name));
        let groups = name.rmatch_indices('.').flat_map(move |(end, _)| {
            layers.into_iter().flatten().filter_map(move |layer| layer.groups.get(&name[..end]))
        });
        let all = layers.into_iter().flatten().filter_map(|layer| layer.all.as_ref());
        exact.chain(groups).chain(all)
    }

    fn firing<'a>(&'a self, instance: &InstanceId, event_type: &'a EventType) -> Option<&'a Plan> {
        self.candidates(instance, event_type).next().filter(|plan| plan.excluded_by(event_type).is_none())
    }

    /// Every plan that can fire on an instance.
    fn in_force(&self, instance: &InstanceId) -> impl Iterator<Item = &Plan> {
        let own = self.own.get(instance);
        let replaced = move |plan: &&Plan| own.is_some_and(|own| own.get(&plan.condition).is_some());
        own.into_iter().flat_map(Layer::plans).chain(self.general.plans().filter(move |plan| !replaced(plan)))
    }

    fn reached<'a>(&self, plans: impl Iterator<Item = &'a Plan>) -> Vec<TargetId> {
        let mut reached = vec![false; self.targets.len()];
        for plan in plans {
            for number in plan.may_call() {
                reached[number] = reached[number] || self.targets[number].may_be_called_by(plan);
            }
        }
        let targets = self.targets.iter().zip(reached);
        targets.filter(|(_, reached)| *reached).map(|(target, _)| target.id.clone()).collect()
    }
}

impl Layer {
    fn insert(&mut self, plan: Plan) {
        match plan.condition.clone() {
            Condition::Event(event_type) => _ = self.events.insert(event_type, plan),
            Condition::Group(group) => _ = self.groups.insert(group, plan),
            Condition::All => self.all = Some(plan),
            // Not asked for when the Router is built: no event fires it.
            Condition::Api(_) => {}
        }
    }

    fn get(&self, condition: &Condition) -> Option<&Plan> {
        match condition {
            Condition::Event(event_type) => self.events.get(event_type),
            Condition::Group(group) => self.groups.get(group),
            Condition::All => self.all.as_ref(),
            Condition::Api(_) => None,
        }
    }

    fn plans(&self) -> impl Iterator<Item = &Plan> {
        iter::empty().chain(self.events.values()).chain(self.groups.values()).chain(&self.all)
    }
}

impl TypeFilter {
    fn of(conditions: &BTreeSet<&Condition>) -> Option<Self> {
        if conditions.is_empty() {
            return None;
        }
        let wide: Vec<_> = conditions.iter().filter(|condition| !matches!(condition, Condition::Event(_))).collect();
        let mut filter = Self::default();
        for condition in conditions {
            if wide.iter().any(|wider| *wider != condition && wider.covers(condition)) {
                continue;
            }
            match condition {
                Condition::Event(event_type) => filter.types.push(event_type.to_string()),
                Condition::Group(group) => filter.groups.push(group.to_string()),
                Condition::All => filter.all = true,
                Condition::Api(_) => {}
            }
        }
        Some(filter)
    }
}

impl Routed {
    fn of(target: &Target) -> Self {
        Self {
            id: target.id.clone(),
            name: target.name.clone(),
            paused: target.paused,
            interrupts: target.interrupt_on_error,
            exclude: target.exclude.clone(),
        }
    }

    fn excludes(&self, event_type: &EventType) -> bool {
        self.exclude.iter().any(|pattern| pattern.matches(event_type))
    }

    /// Whether its own exclude leaves anything of what the plan is for.
    fn may_be_called_by(&self, plan: &Plan) -> bool {
        !self.exclude.iter().any(|pattern| pattern.covers(&plan.condition))
    }
}

#[cfg(test)]
pub(crate) mod tests;
