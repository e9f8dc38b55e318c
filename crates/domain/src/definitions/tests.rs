use super::{DefinitionError, Definitions};
use crate::{
    Condition,
    router::tests::{execution, target},
};

fn definitions(targets: &[&str], executions: &[&str]) -> Definitions {
    Definitions {
        revision: 1,
        targets: targets.iter().map(|name| target(name, &[])).collect(),
        executions: executions.iter().map(|line| execution(line)).collect(),
    }
}

fn condition(text: &str) -> Condition {
    text.parse().expect("a sound condition")
}

fn sound(executions: &[&str]) {
    assert_eq!(definitions(&["crm", "audit"], executions).validate(), Ok(()), "{executions:?}");
}

fn refused(executions: &[&str], expected: &DefinitionError) {
    let error = definitions(&["crm", "audit"], executions).validate().expect_err("not sound");
    assert_eq!(error, *expected, "{executions:?}");
}

#[test]
fn nothing_at_all_is_sound() {
    assert_eq!(Definitions::default().validate(), Ok(()));
}

#[test]
fn names_and_ids_of_targets_are_unique() {
    let twice = definitions(&["crm", "audit", "crm"], &[]);
    assert_eq!(twice.validate(), Err(DefinitionError::DuplicateTarget("crm".into())));
    let mut same_id = definitions(&["crm", "audit"], &[]);
    same_id.targets[1].id = same_id.targets[0].id.clone();
    assert_eq!(same_id.validate(), Err(DefinitionError::DuplicateTarget("audit".into())));
}

#[test]
fn a_condition_has_one_execution_on_an_instance() {
    sound(&["event: crm", "event @1: crm", "event @2: crm", "event/user.*: crm"]);
    refused(&["event: crm", "event: audit"], &DefinitionError::DuplicateExecution(Condition::All));
    refused(&["event @1: crm", "event @1: crm"], &DefinitionError::DuplicateExecution(Condition::All));
}

#[test]
fn an_unknown_target_is_refused_with_the_nearest_name() {
    let unknown = |target: &str, nearest: Option<&str>| DefinitionError::UnknownTarget {
        condition: condition("event/user.*"),
        target: target.into(),
        nearest: nearest.map(Into::into),
    };
    sound(&["event/user.*: crm"]);
    refused(&["event/user.*: crn"], &unknown("crn", Some("crm")));
    refused(&["event/user.*: adit"], &unknown("adit", Some("audit")));
    refused(&["event/user.*: billing"], &unknown("billing", None));
    let error = definitions(&["crm"], &["event/user.*: crn"]).validate().expect_err("an unknown target");
    assert_eq!(
        error.to_string(),
        r#"the execution event/user.* names the target "crn", which is not there; is "crm" meant?"#
    );
}

#[test]
fn an_include_needs_its_execution_where_it_is_in_force() {
    let unknown = |of: &str, include: &str| DefinitionError::UnknownInclude {
        condition: condition(of),
        include: condition(include),
    };
    sound(&["event/user.*: +event", "event: crm"]);
    refused(&["event/user.*: +event"], &unknown("event/user.*", "event"));
    sound(&["event/user.* @1: +event", "event: crm"]);
    sound(&["event/user.* @1: +event", "event @1: crm"]);
    refused(&["event/user.* @1: +event", "event @2: crm"], &unknown("event/user.*", "event"));
    refused(&["event/user.*: +event", "event @1: crm"], &unknown("event/user.*", "event"));
}

#[test]
fn includes_go_three_levels_deep_and_no_deeper() {
    let three = ["event/a: +event/b", "event/b: +event/c", "event/c: +event/d", "event/d: crm"];
    sound(&three);
    let four = ["event/a: +event/b", "event/b: +event/c", "event/c: +event/d", "event/d: +event/e", "event/e: crm"];
    let too_deep = DefinitionError::TooDeep(condition("event/a"));
    refused(&four, &too_deep);
    let mut from_the_end = four;
    from_the_end.reverse();
    refused(&from_the_end, &too_deep);
}

#[test]
fn includes_never_come_back() {
    refused(&["event: +event"], &DefinitionError::Cycle(Condition::All));
    refused(&["event: crm +event/a", "event/a: +event"], &DefinitionError::Cycle(Condition::All));
    refused(
        &["event/a: +event/b", "event/b: +event/c", "event/c: +event/b"],
        &DefinitionError::Cycle(condition("event/b")),
    );
    sound(&["event: +event/a +event/a", "event/a: +event/b", "event/b: crm"]);
}

#[test]
fn what_an_instance_replaces_can_close_a_cycle_there() {
    refused(
        &["event/a: +event/b", "event/b: crm", "event/b @1: +event/a"],
        &DefinitionError::Cycle(condition("event/b")),
    );
    refused(
        &["event/a: +event/b", "event/b: crm", "event/b @1: +event/c", "event/c: +event/a"],
        &DefinitionError::Cycle(condition("event/b")),
    );
}

#[test]
fn a_target_of_an_instance_is_named_by_executions_of_that_instance_only() {
    let with = |executions: &[&str]| {
        let mut definitions = definitions(&["crm", "audit"], executions);
        definitions.targets[0].instance = Some("1".into());
        definitions.validate()
    };
    assert_eq!(with(&["event @1: crm audit", "event: audit", "event @2: audit"]), Ok(()));
    for line in ["event: crm", "event @2: crm", "request: crm"] {
        let expected = DefinitionError::TargetOfAnotherInstance {
            condition: condition(line.split([' ', ':']).next().expect("it begins with one")),
            target: "crm".into(),
            instance: "1".into(),
        };
        assert_eq!(with(&[line]), Err(expected), "{line}");
    }
}

#[test]
fn conditions_of_the_api_are_kept_beside_those_of_events() {
    sound(&["request: crm", "request/a.B: audit", "response/a.B/C: crm", "function/preuserinfo: crm", "event: audit"]);
    sound(&["request: crm", "request/a.B: +request"]);
    let other = |one: &str, include: &str| DefinitionError::IncludeOfAnotherKind {
        condition: condition(one),
        include: condition(include),
    };
    refused(&["event: crm", "request: +event"], &other("request", "event"));
    refused(&["request: crm", "response: +request"], &other("response", "request"));
    refused(&["request: crm", "event: +request"], &other("event", "request"));
    refused(&["request: crm", "request: audit"], &DefinitionError::DuplicateExecution(condition("request")));
}
