use super::{Explanation, Router, TypeFilter, Verdict};
use crate::{Condition, Definitions, Execution, ExecutionTarget, InstanceId, Source, Target, TargetId, TypePattern};

mod model;

/// Targets named `a` have the id `id-a`.
pub(crate) fn target(name: &str, exclude: &[&str]) -> Target {
    let endpoint = "https://crm.example.com/zitadel".parse().expect("an endpoint");
    Target { exclude: patterns(exclude), ..Target::new(format!("id-{name}").into(), name.into(), endpoint) }
}

/// `event/user.* @i1 !user.human.password.*: a b +event` in words: the condition, the instance, what is kept out,
/// then targets and, with a plus, includes.
pub(crate) fn execution(line: &str) -> Execution {
    let (head, list) = line.split_once(':').expect("a condition, a colon, targets");
    let mut words = head.split_whitespace();
    let condition = words.next().expect("a condition").parse().expect("a sound condition");
    let (mut instance, mut exclude) = (None, Vec::new());
    for word in words {
        match word.split_at(1) {
            ("@", name) => instance = Some(name.into()),
            ("!", pattern) => exclude.push(pattern),
            _ => panic!("{word} is neither an instance nor an exclude"),
        }
    }
    let entry = |word: &str| match word.strip_prefix('+') {
        Some(include) => ExecutionTarget::Include(include.parse().expect("a sound condition")),
        None => ExecutionTarget::Target(word.into()),
    };
    Execution {
        condition,
        instance,
        targets: list.split_whitespace().map(entry).collect(),
        exclude: patterns(&exclude),
        source: Source::File,
    }
}

pub(crate) fn patterns(texts: &[&str]) -> Vec<TypePattern> {
    texts.iter().map(|text| text.parse().expect("a sound pattern")).collect()
}

/// Targets `a` to `d`, of which `c` never hears of passwords, and these executions.
fn definitions(executions: &[&str]) -> Definitions {
    Definitions {
        revision: 7,
        targets: vec![target("a", &[]), target("b", &[]), target("c", &["user.human.password.*"]), target("d", &[])],
        executions: executions.iter().map(|line| execution(line)).collect(),
    }
}

fn router(executions: &[&str]) -> Router {
    Router::build(&definitions(executions)).expect("sound definitions")
}

/// Whom an event goes to, on the instance `i1` unless another is named before a colon.
fn check(executions: &[&str], events: &[(&str, &str)]) {
    let router = router(executions);
    for (event, expected) in events {
        let (instance, event_type) = event.split_once(':').unwrap_or(("i1", event));
        let called = called(&router, &instance.into(), event_type);
        assert_eq!(called, *expected, "{event}");
    }
}

fn called(router: &Router, instance: &InstanceId, event_type: &str) -> String {
    let event_type = event_type.into();
    let ids: Vec<&str> = router.targets(instance, &event_type).map(TargetId::as_str).collect();
    ids.join(" ").replace("id-", "")
}

#[test]
fn only_the_most_specific_execution_fires() {
    check(
        &["event: a", "event/user.*: b", "event/user.human.*: c", "event/user.human.added: d"],
        &[
            ("user.human.added", "d"),
            ("user.human.changed", "c"),
            ("user.human.email.changed", "c"),
            ("user.human", "b"),
            ("user.machine.added", "b"),
            ("user", "a"),
            ("username.added", "a"),
            ("user.humanoid.added", "b"),
            ("user.human.added.twice", "c"),
        ],
    );
}

#[test]
fn nothing_matches_nothing_is_called() {
    check(&[], &[("user.human.added", "")]);
    check(&["event/user.*: a"], &[("org.added", "")]);
    check(&["event/user.human.added:"], &[("user.human.added", "")]);
}

#[test]
fn an_empty_execution_is_still_the_most_specific_one() {
    check(&["event: a", "event/user.human.added:"], &[("user.human.added", ""), ("org.added", "a")]);
}

#[test]
fn targets_come_in_their_order_and_each_once() {
    check(&["event: d b a b d c"], &[("org.added", "d b a c")]);
}

#[test]
fn an_include_stands_for_the_targets_of_the_other_execution() {
    check(
        &["event: a b", "event/user.*: c +event d", "event/user.human.added: d +event/user.* a"],
        &[("user.removed", "c a b d"), ("user.human.added", "d c a b")],
    );
}

#[test]
fn what_an_exclude_keeps_out_fires_nothing_less_specific_instead() {
    check(
        &["event: a", "event/user.* !user.human.password.*: b"],
        &[("user.human.password.changed", ""), ("user.human.added", "b"), ("org.added", "a")],
    );
}

#[test]
fn a_more_specific_execution_is_not_bound_by_the_exclude_of_a_less_specific_one() {
    check(
        &["event !user.human.password.*: a", "event/user.human.password.changed: b"],
        &[("user.human.password.changed", "b"), ("user.human.password.check.failed", "")],
    );
}

#[test]
fn a_target_keeps_types_out_wherever_it_is_listed() {
    check(
        &["event: a c b", "event/user.human.password.changed: c"],
        &[("user.human.password.check.failed", "a b"), ("user.human.password.changed", ""), ("org.added", "a c b")],
    );
}

#[test]
fn what_an_included_execution_keeps_out_does_not_come_through_the_include() {
    check(
        &["event !user.human.password.*: a b", "event/user.*: d +event b"],
        &[("user.human.password.changed", "d b"), ("user.human.added", "d a b")],
    );
}

#[test]
fn a_target_counts_at_its_first_place_that_is_not_kept_out() {
    check(
        &["event !user.human.password.*: a b", "event/user.*: +event d a"],
        &[("user.human.password.changed", "d a"), ("user.human.added", "a b d")],
    );
}

#[test]
fn the_execution_for_the_instance_replaces_the_one_for_every_instance() {
    check(
        &["event: a", "event @i1: b", "event/user.*: c", "event/user.human.* @i2: d"],
        &[
            ("i1:org.added", "b"),
            ("i2:org.added", "a"),
            ("i3:org.added", "a"),
            // Specificity comes first: the group for every instance before all for this one.
            ("i1:user.human.added", "c"),
            ("i2:user.human.added", "d"),
            ("i2:user.machine.added", "c"),
        ],
    );
}

#[test]
fn an_include_means_the_execution_in_force_on_the_instance() {
    let executions = ["event: a", "event/user.*: c +event", "event @i1: b", "event/org.* @i1: +event/user.* d"];
    check(
        &executions,
        &[("i1:user.added", "c b"), ("i2:user.added", "c a"), ("i1:org.added", "c b d"), ("i2:org.added", "a")],
    );
}

#[test]
fn a_store_without_instances_has_the_empty_one() {
    check(&["event: a", "event/user.*  @: b"], &[(":user.added", "b"), (":org.added", "a")]);
}

#[test]
fn a_paused_target_keeps_its_place() {
    let mut definitions = definitions(&["event: a b"]);
    definitions.targets[0].paused = true;
    let router = Router::build(&definitions).expect("sound definitions");
    assert_eq!(called(&router, &"i1".into(), "org.added"), "a b");
    assert_eq!(router.targets_on(&"i1".into()), ["id-a".into(), "id-b".into()]);
    assert!(router.explain(&"i1".into(), &"org.added".into()).targets[0].paused);
}

#[test]
fn the_router_knows_its_revision() {
    assert_eq!(router(&[]).revision(), 7);
}

#[test]
fn definitions_that_cannot_be_in_force_make_no_router() {
    Router::build(&definitions(&["event: nobody"])).expect_err("an unknown target");
}

fn check_filter(executions: &[&str], name: &str, instance: &str, expected: Option<(&[&str], &[&str])>) {
    let found = router(executions).filter(&format!("id-{name}").into(), &instance.into());
    let expected = expected.map(|(types, groups)| {
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let all = types.is_empty() && groups.is_empty();
        TypeFilter { all, types: owned(types), groups: owned(groups) }
    });
    assert_eq!(found, expected, "{name} on {instance}");
}

#[test]
fn a_filter_names_what_can_concern_a_target() {
    let executions = [
        "event @i2: b",
        "event/user.*: a",
        "event/user.human.*: a b",
        "event/user.human.added: a b d",
        "event/org.added: a",
        "event/org.domain.*: +event/org.added",
        "event/org.* @i1: d",
    ];
    check_filter(&executions, "a", "i1", Some((&["org.added"], &["org.domain", "user"])));
    check_filter(&executions, "b", "i1", Some((&[], &["user.human"])));
    check_filter(&executions, "b", "i2", Some((&[], &[])));
    check_filter(&executions, "d", "i1", Some((&["user.human.added"], &["org"])));
    check_filter(&executions, "d", "i2", Some((&["user.human.added"], &[])));
    check_filter(&executions, "c", "i1", None);
    check_filter(&executions, "nobody", "i1", None);
}

#[test]
fn a_filter_leaves_out_what_is_wholly_kept_out() {
    let executions = [
        "event/user.human.password.*: c a",
        "event/user.human.password.check.failed: c a",
        "event/user.human.* !user.*: a",
        "event/org.*: +event/user.human.*",
        "event/org.added !org.added: a",
        "event/project.* @i1: +event/user.human.password.*",
        "event/action.* @i2 !*: b",
    ];
    check_filter(&executions, "c", "i2", None);
    check_filter(&executions, "c", "i1", Some((&[], &["project"])));
    check_filter(&executions, "a", "i2", Some((&[], &["org", "user.human.password"])));
    check_filter(&executions, "b", "i2", None);
}

#[test]
fn targets_are_known_by_where_they_can_be_called() {
    let router = router(&["event/user.*: b a", "event/user.human.password.changed: c", "event/user.* @i1: d"]);
    assert_eq!(router.any_instance_targets(), ["id-a".into(), "id-b".into()]);
    assert_eq!(router.targets_on(&"i1".into()), ["id-d".into()]);
    assert_eq!(router.targets_on(&"i2".into()), ["id-a".into(), "id-b".into()]);
    assert_eq!(router.instances().collect::<Vec<_>>(), [&InstanceId::from("i1")]);
}

/// An explanation in lines, as a person would want it.
fn told(explanation: &Explanation) -> Vec<String> {
    let execution = |condition: &Condition, instance: &Option<InstanceId>, verdict: &Verdict| match instance {
        Some(instance) => format!("{condition} on {instance}: {verdict}"),
        None => format!("{condition}: {verdict}"),
    };
    let executions = explanation.matched.iter().chain(&explanation.passed_over);
    let executions = executions.map(|found| execution(&found.condition, &found.instance, &found.verdict));
    let targets = explanation.targets.iter().map(|target| {
        let way = target.via.iter().fold(target.name.to_string(), |way, include| format!("{way} via {include}"));
        format!("- {way}: {}", target.verdict)
    });
    executions.chain(targets).collect()
}

fn check_told(executions: &[&str], event_type: &str, expected: &[&str]) {
    assert_eq!(told(&router(executions).explain(&"i1".into(), &event_type.into())), expected);
}

#[test]
fn an_explanation_names_every_candidate_and_every_place() {
    let executions = [
        "event: a",
        "event @i1: b",
        "event/user.* !user.human.password.check.*: a +event c",
        "event/user.human.*: d +event/user.* b d",
        "event/org.*: a",
        "event/user.human.* @i2: a",
    ];
    check_told(
        &executions,
        "user.human.password.changed",
        &[
            "event/user.human.*: fires",
            "event/user.*: less specific",
            "event on i1: less specific",
            "event: the instance has its own",
            "- d: fires",
            "- a via event/user.*: fires",
            "- b via event/user.* via event: fires",
            "- c via event/user.*: excluded by user.human.password.* of the target",
            "- b: once already",
            "- d: once already",
        ],
    );
    check_told(
        &executions,
        "user.human.password.check.failed",
        &[
            "event/user.human.*: fires",
            "event/user.*: less specific",
            "event on i1: less specific",
            "event: the instance has its own",
            "- d: fires",
            "- a via event/user.*: excluded by user.human.password.check.* of the execution event/user.*",
            "- b via event/user.* via event: excluded by user.human.password.check.* of the execution event/user.*",
            "- c via event/user.*: excluded by user.human.password.check.* of the execution event/user.*",
            "- b: fires",
            "- d: once already",
        ],
    );
}

#[test]
fn an_explanation_says_when_the_most_specific_execution_keeps_the_type_out() {
    check_told(
        &["event: a", "event/user.* !user.human.password.*: b"],
        "user.human.password.changed",
        &[
            "event/user.*: excluded by user.human.password.* of the execution event/user.*",
            "event: less specific",
            "- b: excluded by user.human.password.* of the execution event/user.*",
        ],
    );
}

#[test]
fn an_explanation_of_nothing_is_empty() {
    check_told(&["event/org.*: a"], "user.human.added", &[]);
}

#[test]
fn why_an_event_concerns_a_target_is_said_in_a_line() {
    let router = router(&[
        "event/user.human.added: a +event",
        "event/user.* !user.gone.*: c b",
        "event: d +event/user.*",
        "event/session.* @i1: a",
    ]);
    let check = |target: &str, event_type: &str, expected: &str| {
        let (target, event_type) = (TargetId::from(target), event_type.into());
        let concern = router.concern(&target, &"i1".into(), &event_type);
        assert_eq!(concern.to_string(), expected);
        assert_eq!(concern.receives(), router.concerns(&target, &"i1".into(), &event_type));
    };
    check("id-a", "user.human.added", "event/user.human.added");
    check("id-d", "user.human.added", "event/user.human.added, includes event");
    check("id-b", "user.human.added", "event/user.human.added, includes event, includes event/user.*");
    check("id-a", "session.added", "event/session.* on i1");
    check("id-a", "user.removed", "the execution event/user.* does not call the target");
    check("id-b", "user.gone.away", "excluded by user.gone.* of the execution event/user.*");
    check("id-c", "user.human.password.changed", "excluded by user.human.password.* of the target");
    check("id-b", "org.added", "event, includes event/user.*");
    let nobody = self::router(&[]);
    assert_eq!(nobody.concern(&"id-a".into(), &"i1".into(), &"org.added".into()).word(), "no_execution");
}

#[test]
fn an_execution_that_is_not_for_events_calls_nobody_and_asks_for_nothing() {
    let definitions = Definitions {
        revision: 1,
        targets: vec![target("crm", &[]), target("audit", &[])],
        executions: vec![execution("request: crm"), execution("function/event: crm"), execution("event/user.*: audit")],
    };
    let router = Router::build(&definitions).expect("they are sound");
    let crm = definitions.targets[0].id.clone();
    assert_eq!(router.any_instance_targets(), [definitions.targets[1].id.clone()]);
    assert_eq!(router.filter(&crm, &"1".into()), None);
    assert!(!router.filter_for_all(&"1".into()).all);
    assert!(router.targets(&"1".into(), &"request".into()).next().is_none());
    assert_eq!(definitions.groups().expect("they are sound").len(), 2);
}
