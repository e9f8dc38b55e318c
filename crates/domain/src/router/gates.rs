//! Which targets come before another one and interrupt it: those with `interrupt_on_error` at an earlier place of the
//! execution that fires.

use std::collections::BTreeSet;

use super::{Routed, Router};
use crate::{EventType, InstanceId, TargetId, TargetName};

/// A target that others wait for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct GateTarget {
    /// The target.
    pub id: TargetId,
    /// Its name.
    pub name: TargetName,
    /// Whether an operator has paused it: those behind it wait.
    pub paused: bool,
}

impl Router {
    /// Whose verdict on an event this target needs before it may send it, in order. Without any gate it costs a look at
    /// the execution's list.
    pub fn gates<'a>(
        &'a self,
        target: &'a TargetId,
        instance: &InstanceId,
        event_type: &'a EventType,
    ) -> impl Iterator<Item = &'a TargetId> {
        let called = self.concerns(target, instance, event_type);
        self.firing(instance, event_type).filter(|_| called).into_iter().flat_map(move |plan| {
            plan.called(event_type)
                .map(|number| &self.targets[number])
                .filter(|other| !other.excludes(event_type))
                .take_while(move |other| other.id != *target)
                .filter(|other| other.interrupts)
                .map(|other| &other.id)
        })
    }

    /// Every target whose verdict this one may ever need on an instance.
    #[must_use]
    pub fn all_gates(&self, target: &TargetId, instance: &InstanceId) -> BTreeSet<GateTarget> {
        let mut gates = BTreeSet::new();
        for plan in self.in_force(instance) {
            let mut before = Vec::new();
            for other in plan.entries.iter().map(|entry| &self.targets[entry.target]) {
                if other.id == *target {
                    gates.extend(before.iter().map(|gate: &&Routed| gate.as_gate()));
                } else if other.interrupts {
                    before.push(other);
                }
            }
        }
        gates
    }

    /// Every target that may ever need the verdict of this one on an instance.
    #[must_use]
    pub fn behind(&self, gate: &TargetId, instance: &InstanceId) -> BTreeSet<TargetId> {
        if !self.numbers.get(gate).is_some_and(|&number| self.targets[number].interrupts) {
            return BTreeSet::new();
        }
        let of_plan = |plan: &'_ super::Plan| {
            let targets = plan.entries.iter().map(|entry| self.targets[entry.target].id.clone());
            targets.skip_while(|id| id != gate).filter(|id| id != gate).collect::<Vec<_>>()
        };
        self.in_force(instance).flat_map(of_plan).collect()
    }
}

impl Routed {
    fn as_gate(&self) -> GateTarget {
        GateTarget { id: self.id.clone(), name: self.name.clone(), paused: self.paused }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Condition, Definitions, Execution, ExecutionTarget, Router, Source, Target, TargetId,
        router::tests::{patterns, target},
    };

    /// Targets by letter, those in capitals interrupt: `aBc` is an execution with a, B and c, in this order.
    fn router(executions: &[(&str, &str)]) -> Router {
        let letters: std::collections::BTreeSet<char> = executions.iter().flat_map(|(_, list)| list.chars()).collect();
        let targets = letters.iter().map(|letter| Target {
            interrupt_on_error: letter.is_uppercase(),
            ..target(&letter.to_string(), if *letter == 'X' { &["user.human.added"] } else { &[] })
        });
        let executions = executions.iter().map(|(condition, list)| Execution {
            condition: condition.parse::<Condition>().expect("a condition"),
            instance: None,
            targets: list.chars().map(|letter| ExecutionTarget::Target(letter.to_string().as_str().into())).collect(),
            exclude: patterns(&[]),
            source: Source::File,
        });
        let definitions = Definitions { revision: 1, targets: targets.collect(), executions: executions.collect() };
        Router::build(&definitions).expect("they hold together")
    }

    fn id(letter: char) -> TargetId {
        format!("id-{letter}").into()
    }

    #[track_caller]
    fn check(list: &str, of: char, gates: &str) {
        let router = router(&[("event", list)]);
        let of = id(of);
        let found: Vec<_> = router.gates(&of, &"i".into(), &"user.human.added".into()).cloned().collect();
        assert_eq!(found, gates.chars().map(id).collect::<Vec<_>>());
    }

    #[test]
    fn those_before_that_interrupt_are_waited_for() {
        check("aBc", 'c', "B");
        check("aBc", 'B', "");
        check("ABc", 'c', "AB");
        check("ABc", 'B', "A");
        check("cB", 'c', "");
    }

    #[test]
    fn a_target_that_is_not_called_for_the_event_is_nobodys_gate() {
        check("Xc", 'c', "");
    }

    #[test]
    fn a_target_that_is_not_called_itself_waits_for_nobody() {
        check("Ab", 'X', "");
    }

    #[test]
    fn a_target_that_is_listed_twice_counts_at_its_first_place() {
        check("cBc", 'c', "");
    }

    #[test]
    fn only_the_execution_that_fires_counts() {
        let router = router(&[("event", "Ac"), ("event/user.human.added", "c")]);
        assert_eq!(router.gates(&id('c'), &"i".into(), &"user.human.added".into()).count(), 0);
        assert_eq!(router.gates(&id('c'), &"i".into(), &"user.human.removed".into()).count(), 1);
        let all: Vec<_> = router.all_gates(&id('c'), &"i".into()).into_iter().map(|gate| gate.id).collect();
        assert_eq!(all, [id('A')]);
        assert_eq!(router.behind(&id('A'), &"i".into()).into_iter().collect::<Vec<_>>(), [id('c')]);
        assert!(router.behind(&id('c'), &"i".into()).is_empty());
    }
}
