//! Who must be where, and where a cursor begins that is not there yet. Pure.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use domain::{Definitions, EventKey, InstanceId, Position, Router, Target, TargetId, TargetName};

/// Where a courier stands: one target on one instance.
pub(super) type Place = (TargetId, InstanceId);

/// Where each target must have a cursor: on every instance where it can be called, and where it has one already, so that it
/// walks along while no execution names it there. A target that no execution for events names walks along everywhere, or on
/// its instance if it belongs to one. So an execution that is set later is in force for the next event, and does not bring back
/// old ones.
pub(super) fn wanted(
    definitions: &Definitions,
    router: &Router,
    instances: &[InstanceId],
    cursors: &HashSet<Place>,
) -> HashMap<Place, Arc<Target>> {
    let for_events = definitions.executions.iter().filter(|execution| execution.condition.is_for_events());
    let named: HashSet<&TargetName> = for_events.flat_map(domain::Execution::names).collect();
    let mut wanted = HashMap::new();
    let called: HashMap<&InstanceId, Vec<TargetId>> =
        instances.iter().map(|instance| (instance, router.targets_on(instance))).collect();
    for target in &definitions.targets {
        let shared = Arc::new(target.clone());
        let theirs = |instance: &InstanceId| target.instance.as_ref().is_none_or(|own| own == instance);
        for (instance, called) in called.iter().filter(|(instance, _)| theirs(instance)) {
            let place = (target.id.clone(), (*instance).clone());
            if called.contains(&target.id) || !named.contains(&target.name) || cursors.contains(&place) {
                wanted.insert(place, Arc::clone(&shared));
            }
        }
    }
    wanted
}

/// Where this daemon creates cursors: for the targets that it serves, and where an instance has none yet, for all of them at
/// once. Otherwise the first daemon that sees a new instance would make it a known one for those that come next, and they
/// would begin at the horizon there.
pub(super) fn missing<'a>(
    wanted: &'a HashMap<Place, Arc<Target>>,
    cursors: &HashSet<Place>,
    served: &BTreeSet<TargetId>,
) -> impl Iterator<Item = (&'a Place, &'a Arc<Target>)> {
    let known: HashSet<&InstanceId> = cursors.iter().map(|(_, instance)| instance).collect();
    let ours = move |place: &Place| served.contains(&place.0) || !known.contains(&place.1);
    wanted.iter().filter(move |(place, _)| !cursors.contains(*place) && ours(place))
}

/// Where a cursor begins. On a new instance, and for a new target, that is the target's start. For a target that is only now
/// called on an instance that others are served on already, it is the horizon.
pub(super) fn first_cursor(place: &Place, target: &Target, cursors: &HashSet<Place>, safe: Position) -> EventKey {
    let known_target = cursors.iter().any(|(id, _)| *id == place.0);
    let known_instance = cursors.iter().any(|(_, instance)| *instance == place.1);
    if known_target && known_instance && safe > Position::ZERO {
        return EventKey::after(safe).max(target.first_cursor());
    }
    target.first_cursor()
}

#[cfg(test)]
mod tests {

    use domain::{Condition, Execution, ExecutionTarget, Source};

    use super::*;

    fn target(name: &str) -> Target {
        Target::new(name.into(), name.into(), "https://example.com/".parse().expect("a URL"))
    }

    fn places(cursors: &[(&str, &str)]) -> HashSet<Place> {
        cursors.iter().map(|(target, instance)| ((*target).into(), (*instance).into())).collect()
    }

    #[test]
    fn a_target_is_wanted_where_it_is_called_where_it_has_a_cursor_and_everywhere_if_nobody_names_it() {
        let on_one = Execution {
            condition: Condition::All,
            instance: Some("one".into()),
            targets: vec![ExecutionTarget::Target("called".into()), ExecutionTarget::Target("moved".into())],
            exclude: Vec::new(),
            source: Source::File,
        };
        let asked = Execution {
            condition: "request".parse().expect("a condition"),
            instance: None,
            targets: vec![ExecutionTarget::Target("asked".into())],
            ..on_one.clone()
        };
        let own = Target { instance: Some("two".into()), ..target("own") };
        let definitions = Definitions {
            revision: 1,
            targets: vec![target("called"), target("moved"), target("idle"), target("asked"), own],
            executions: vec![on_one, asked],
        };
        let router = Router::build(&definitions).expect("they hold together");
        let cursors = places(&[("moved", "two")]);
        let wanted = wanted(&definitions, &router, &["one".into(), "two".into()], &cursors);
        let wanted: HashSet<Place> = wanted.into_keys().collect();
        let everywhere = ["idle", "asked"].into_iter().flat_map(|name| [(name, "one"), (name, "two")]);
        let expected: Vec<_> =
            everywhere.chain([("called", "one"), ("moved", "one"), ("moved", "two"), ("own", "two")]).collect();
        assert_eq!(
            wanted,
            places(&expected),
            "who is only asked by requests walks along, and who is one instance's, there"
        );
    }

    #[test]
    fn the_first_one_on_a_new_instance_creates_the_cursors_of_all() {
        let wanted: HashMap<Place, Arc<Target>> =
            places(&[("mine", "old"), ("other", "old"), ("mine", "new"), ("other", "new")])
                .into_iter()
                .map(|place| (place.clone(), Arc::new(target(place.0.as_str()))))
                .collect();
        let served = BTreeSet::from(["mine".into()]);
        let missing = |cursors: &[(&str, &str)]| -> HashSet<Place> {
            missing(&wanted, &places(cursors), &served).map(|(place, _)| place.clone()).collect()
        };
        assert_eq!(missing(&[("third", "old")]), places(&[("mine", "old"), ("mine", "new"), ("other", "new")]));
        assert_eq!(missing(&[("mine", "old"), ("third", "new")]), places(&[("mine", "new")]));
        assert_eq!(missing(&[]), wanted.keys().cloned().collect());
    }

    #[track_caller]
    fn check(cursors: &[(&str, &str)], begins_at_the_horizon: bool) {
        let safe = Position::from_integer(7);
        let first = first_cursor(&("t".into(), "i".into()), &target("t"), &places(cursors), safe);
        assert_eq!(first == EventKey::after(safe), begins_at_the_horizon, "{first}");
    }

    #[test]
    fn an_execution_that_is_set_later_does_not_bring_back_old_events() {
        check(&[("t", "elsewhere"), ("other", "i")], true);
    }

    #[test]
    fn a_new_target_or_a_new_instance_begins_at_the_start() {
        check(&[("other", "i")], false);
        check(&[("t", "elsewhere")], false);
        check(&[], false);
    }
}
