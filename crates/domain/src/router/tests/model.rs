//! The Router against a model that follows the sentences of its head one by one, slowly.

use proptest::prelude::*;

use super::{Router, Verdict, target};
use crate::{
    Condition, Definitions, EventType, Execution, ExecutionTarget, InstanceId, Source, TargetId, TypeFilter,
    TypePattern,
};

const SEGMENTS: [&str; 3] = ["a", "b", "ab"];
const TARGETS: [&str; 4] = ["t0", "t1", "t2", "t3"];
/// The last one has no executions of its own.
const INSTANCES: [&str; 3] = ["i1", "i2", "i3"];

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(SEGMENTS.to_vec()), 1..4).prop_map(|segments| segments.join("."))
}

fn pattern() -> impl Strategy<Value = TypePattern> {
    let text = prop_oneof![
        4 => name(),
        4 => name().prop_map(|name| format!("{name}.*")),
        1 => Just("*".to_owned()),
    ];
    text.prop_map(|text| text.parse().expect("a sound pattern"))
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        3 => name().prop_map(|name| Condition::Event(name.into())),
        3 => name().prop_map(|name| Condition::Group(name.into())),
        1 => Just(Condition::All),
    ]
}

fn excludes() -> impl Strategy<Value = Vec<TypePattern>> {
    prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(pattern(), 1..3)]
}

#[derive(Clone, Debug)]
enum Entry {
    Target(&'static str),
    Include(prop::sample::Index),
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        4 => prop::sample::select(TARGETS.to_vec()).prop_map(Entry::Target),
        1 => any::<prop::sample::Index>().prop_map(Entry::Include),
    ]
}

/// Executions with includes of each other's conditions, in any direction: some are refused.
fn definitions() -> impl Strategy<Value = Definitions> {
    let instance = prop_oneof![Just(None), prop::sample::select(vec!["i1", "i2"]).prop_map(Some)];
    let execution = (condition(), instance, prop::collection::vec(entry(), 0..5), excludes());
    let executions = prop::collection::vec(execution, 1..9);
    (executions, prop::collection::vec(excludes(), TARGETS.len())).prop_map(|(drawn, excludes)| {
        let conditions: Vec<Condition> = drawn.iter().map(|(condition, ..)| condition.clone()).collect();
        let mut executions: Vec<Execution> = Vec::new();
        for (condition, instance, entries, exclude) in drawn {
            let instance = instance.map(InstanceId::from);
            if executions.iter().any(|other| other.condition == condition && other.instance == instance) {
                continue;
            }
            let targets = entries.into_iter().map(|entry| match entry {
                Entry::Target(name) => ExecutionTarget::Target(name.into()),
                Entry::Include(which) => ExecutionTarget::Include(which.get(&conditions).clone()),
            });
            executions.push(Execution {
                condition,
                instance,
                targets: targets.collect(),
                exclude,
                source: Source::File,
            });
        }
        let targets = TARGETS.iter().zip(excludes).map(|(name, exclude)| {
            let mut target = target(name, &[]);
            target.exclude = exclude;
            target
        });
        Definitions { revision: 1, targets: targets.collect(), executions }
    })
}

struct Model<'a> {
    definitions: &'a Definitions,
    in_force: Vec<&'a Execution>,
}

impl<'a> Model<'a> {
    fn on(definitions: &'a Definitions, instance: &str) -> Self {
        let of = |execution: &Execution| execution.instance.as_ref().map(|instance| instance.as_str().to_owned());
        let replaced = |execution: &Execution| {
            let own =
                |other: &Execution| other.condition == execution.condition && of(other).as_deref() == Some(instance);
            execution.instance.is_none() && definitions.executions.iter().any(own)
        };
        let here = |execution: &&Execution| of(execution).is_none_or(|of| of == instance) && !replaced(execution);
        Self { definitions, in_force: definitions.executions.iter().filter(here).collect() }
    }

    fn get(&self, condition: &Condition) -> Option<&'a Execution> {
        self.in_force.iter().copied().find(|execution| execution.condition == *condition)
    }

    /// Whether includes are known and end within three levels, for every execution in force.
    fn is_sound(&self) -> bool {
        self.in_force.iter().all(|execution| self.ends_within(execution, 3))
    }

    fn ends_within(&self, execution: &Execution, levels: usize) -> bool {
        execution.targets.iter().all(|entry| match entry {
            ExecutionTarget::Target(_) => true,
            ExecutionTarget::Include(condition) => {
                levels > 0 && self.get(condition).is_some_and(|included| self.ends_within(included, levels - 1))
            }
        })
    }

    fn called(&self, event_type: &EventType) -> Vec<TargetId> {
        let rank = |execution: &&&Execution| match &execution.condition {
            Condition::Event(_) => usize::MAX,
            Condition::Group(group) => group.split('.').count(),
            Condition::All | Condition::Api(_) => 0,
        };
        let matching = self.in_force.iter().filter(|execution| execution.condition.matches(event_type));
        let mut called = Vec::new();
        if let Some(execution) = matching.max_by_key(rank) {
            self.call(execution, event_type, &mut called);
        }
        called
    }

    /// An included execution is treated as the matched one: what it excludes is as if it were not there.
    fn call(&self, execution: &Execution, event_type: &EventType, called: &mut Vec<TargetId>) {
        if execution.exclude.iter().any(|pattern| pattern.matches(event_type)) {
            return;
        }
        for entry in &execution.targets {
            match entry {
                ExecutionTarget::Include(condition) => {
                    self.call(self.get(condition).expect("sound"), event_type, called);
                }
                ExecutionTarget::Target(name) => {
                    let target = self.definitions.targets.iter().find(|target| target.name == *name).expect("known");
                    let excluded = target.exclude.iter().any(|pattern| pattern.matches(event_type));
                    if !excluded && !called.contains(&target.id) {
                        called.push(target.id.clone());
                    }
                }
            }
        }
    }
}

fn every_type() -> Vec<EventType> {
    let mut names: Vec<String> = SEGMENTS.map(str::to_owned).to_vec();
    let mut longest = names.clone();
    for _ in 0..2 {
        longest = longest.iter().flat_map(|name| SEGMENTS.map(|segment| format!("{name}.{segment}"))).collect();
        names.extend_from_slice(&longest);
    }
    names.into_iter().chain(["a.b.ab.a".to_owned(), "other".to_owned()]).map(EventType::from).collect()
}

fn lets_through(filter: &TypeFilter, event_type: &EventType) -> bool {
    let below = |group: &String| event_type.as_str().starts_with(&format!("{group}."));
    filter.all || filter.types.iter().any(|name| name == event_type.as_str()) || filter.groups.iter().any(below)
}

fn agrees(router: &Router, definitions: &Definitions, instance: &InstanceId) -> Result<(), TestCaseError> {
    let model = Model::on(definitions, instance.as_str());
    let reached = router.targets_on(instance);
    let for_all = router.filter_for_all(instance);
    for event_type in every_type() {
        let expected = model.called(&event_type);
        let called: Vec<TargetId> = router.targets(instance, &event_type).cloned().collect();
        prop_assert_eq!(&called, &expected, "{} on {}", event_type, instance);
        prop_assert!(called.is_empty() || lets_through(&for_all, &event_type), "{} on {}", event_type, instance);

        let explanation = router.explain(instance, &event_type);
        let fired = explanation.targets.into_iter().filter(|target| target.verdict == Verdict::Fires);
        prop_assert_eq!(fired.map(|target| target.id).collect::<Vec<_>>(), expected, "explained");

        for target in &definitions.targets {
            let concerns = router.concerns(&target.id, instance, &event_type);
            prop_assert_eq!(concerns, called.contains(&target.id));
            let filter = router.filter(&target.id, instance);
            prop_assert_eq!(filter.is_some(), reached.contains(&target.id));
            prop_assert!(!concerns || filter.is_some_and(|filter| lets_through(&filter, &event_type)));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_router_calls_whom_the_model_calls(definitions in definitions()) {
        let sound = INSTANCES.iter().all(|instance| Model::on(&definitions, instance).is_sound());
        let built = Router::build(&definitions);
        prop_assert_eq!(built.is_ok(), sound, "{:?}", built.err());
        if let Ok(router) = built {
            for instance in INSTANCES {
                agrees(&router, &definitions, &instance.into())?;
            }
            prop_assert_eq!(router.any_instance_targets(), router.targets_on(&"i3".into()));
        }
    }
}
