//! Which targets must be served by one daemon, because one of them waits for another's verdict.
//!
//! A target with `interrupt_on_error` is waited for by every target behind it in the same execution, includes written
//! out, on any instance. Targets so linked, also through others, are one group; all other targets are groups of one. What
//! excludes keep apart is linked all the same: that costs nothing but company.

use std::collections::{BTreeMap, HashMap};

use super::{DefinitionError, Definitions, Execution, ExecutionTarget, Scope};
use crate::{TargetId, TargetName};

/// Targets that must be served by one daemon.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Group(Vec<TargetId>);

impl Group {
    /// Its targets, sorted; at least one.
    #[must_use]
    pub fn targets(&self) -> &[TargetId] {
        &self.0
    }
}

impl<T: Into<TargetId>> FromIterator<T> for Group {
    fn from_iter<I: IntoIterator<Item = T>>(targets: I) -> Self {
        let mut targets: Vec<TargetId> = targets.into_iter().map(Into::into).collect();
        targets.sort();
        targets.dedup();
        Self(targets)
    }
}

/// Which target stands for each target's group so far (union-find).
struct Links(Vec<usize>);

impl Links {
    fn root(&self, mut target: usize) -> usize {
        while self.0[target] != target {
            target = self.0[target];
        }
        target
    }

    fn link(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one.max(other)] = one.min(other);
    }
}

impl Definitions {
    /// Every target in its group, sorted. Every daemon with the same definitions finds the same.
    pub fn groups(&self) -> Result<Vec<Group>, DefinitionError> {
        let scopes = self.scopes()?;
        let numbers: HashMap<&TargetName, usize> =
            self.targets.iter().enumerate().map(|(number, target)| (&target.name, number)).collect();
        let mut links = Links((0..self.targets.len()).collect());
        let mut link = |scope: &Scope<'_, '_>| {
            for execution in scope.differing().filter(|execution| execution.condition.is_for_events()) {
                let mut list = Vec::new();
                write_out(execution, scope, &numbers, &mut list);
                let first = list.iter().position(|&number| self.targets[number].interrupt_on_error);
                for pair in first.map(|first| &list[first..]).unwrap_or_default().windows(2) {
                    links.link(pair[0], pair[1]);
                }
            }
        };
        link(&scopes.general());
        for (_, scope) in scopes.instances() {
            link(&scope);
        }
        let mut groups: BTreeMap<usize, Vec<&TargetId>> = BTreeMap::new();
        for (number, target) in self.targets.iter().enumerate() {
            groups.entry(links.root(number)).or_default().push(&target.id);
        }
        let mut groups: Vec<Group> = groups.into_values().map(|ids| ids.into_iter().cloned().collect()).collect();
        groups.sort();
        Ok(groups)
    }
}

/// The scope has been validated: every name and include is there, and includes end.
fn write_out(
    execution: &Execution,
    scope: &Scope<'_, '_>,
    numbers: &HashMap<&TargetName, usize>,
    list: &mut Vec<usize>,
) {
    for entry in &execution.targets {
        match entry {
            ExecutionTarget::Target(name) => list.push(numbers[name]),
            ExecutionTarget::Include(condition) => {
                let included = scope.get(condition).expect("validated: an include has its execution");
                write_out(included, scope, numbers, list);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Condition, InstanceId, Target};

    use super::*;

    /// Targets by letter, a capital one with `interrupt_on_error`; executions as `INSTANCE CONDITION: a B +INCLUDE`.
    #[track_caller]
    fn check(targets: &str, executions: &[&str], expected: &[&str]) {
        let target = |letter: char| Target {
            interrupt_on_error: letter.is_uppercase(),
            ..Target::new(
                letter.to_lowercase().to_string().into(),
                letter.to_string().into(),
                "https://example.com/".parse().expect("a URL"),
            )
        };
        let execution = |text: &&str| {
            let (head, list) = text.split_once(": ").expect("a head and a list");
            let (instance, condition) = head.split_once(' ').expect("an instance and a condition");
            let entry = |word: &str| match word.strip_prefix('+') {
                Some(condition) => ExecutionTarget::Include(condition.parse().expect("a condition")),
                None => ExecutionTarget::Target(word.into()),
            };
            Execution {
                condition: condition.parse::<Condition>().expect("a condition"),
                instance: (instance != "*").then(|| InstanceId::from(instance)),
                targets: list.split(' ').map(entry).collect(),
                exclude: Vec::new(),
                source: crate::Source::File,
            }
        };
        let definitions = Definitions {
            revision: 1,
            targets: targets.chars().map(target).collect(),
            executions: executions.iter().map(execution).collect(),
        };
        let groups = definitions.groups().expect("they hold together");
        let found: Vec<String> =
            groups.iter().map(|group| group.targets().iter().map(TargetId::as_str).collect()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn targets_without_an_interrupt_are_groups_of_one() {
        check("abc", &["* event: a b c", "* event/user.*: c a"], &["a", "b", "c"]);
    }

    #[test]
    fn those_behind_an_interrupt_are_linked_to_it_and_those_before_it_are_not() {
        check("aBcde", &["* event: a B c d"], &["a", "bcd", "e"]);
        check("aB", &["* event: a B"], &["a", "b"]);
    }

    #[test]
    fn links_go_through_others_and_through_other_executions() {
        check("AbCdef", &["* event/user.*: A b", "* event/org.*: C b d", "* event: e f"], &["abcd", "e", "f"]);
    }

    #[test]
    fn includes_are_written_out() {
        check("Abcd", &["* event: b c", "* event/user.*: A +event d"], &["abcd"]);
        check("aBcd", &["* event: a B", "* event/user.*: +event c", "* event/org.*: d +event"], &["a", "bc", "d"]);
    }

    #[test]
    fn what_one_instance_does_links_everywhere() {
        check("Abc", &["* event: b c", "one event: A c"], &["ac", "b"]);
        // The include is another list on that instance.
        check("Abc", &["* event: b", "* event/user.*: A +event", "one event: c"], &["abc"]);
    }

    #[test]
    fn a_target_that_is_listed_before_and_behind_belongs_to_it() {
        check("aBc", &["* event: a B a"], &["ab", "c"]);
    }

    #[test]
    fn definitions_that_do_not_hold_together_have_no_groups() {
        let execution = Execution {
            condition: Condition::All,
            instance: None,
            targets: vec![ExecutionTarget::Target("nobody".into())],
            exclude: Vec::new(),
            source: crate::Source::File,
        };
        let definitions = Definitions { revision: 1, targets: Vec::new(), executions: vec![execution] };
        assert!(matches!(definitions.groups(), Err(DefinitionError::UnknownTarget { .. })));
    }
}
