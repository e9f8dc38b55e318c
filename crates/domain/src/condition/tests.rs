use proptest::prelude::*;

use super::{Condition, ConditionError, TypePattern};
use crate::EventType;

fn check(condition: &str, event_type: &str, expected: bool) {
    let parsed: Condition = condition.parse().expect("the condition is sound");
    assert_eq!(parsed.matches(&event_type.into()), expected, "{condition} and {event_type}");
    assert_eq!(parsed.to_string(), condition, "printed as it was written");
}

#[test]
fn an_exact_condition_is_for_its_type_alone() {
    check("event/user.human.added", "user.human.added", true);
    check("event/user.human.added", "user.human.added.again", false);
    check("event/user.human.added", "user.human", false);
    check("event/user.human.added", "User.human.added", false);
}

#[test]
fn a_group_is_for_what_is_below_it_by_segments() {
    check("event/user.*", "user.human.added", true);
    check("event/user.*", "user.added", true);
    check("event/user.*", "username.added", false);
    check("event/user.human.*", "user.human.added", true);
    check("event/user.human.*", "user.human", false);
    check("event/user.human.*", "user.humanoid.added", false);
    check("event/user.human.*", "org.user.human.added", false);
}

#[test]
fn event_alone_is_for_all() {
    check("event", "user.human.added", true);
    check("event", "x", true);
}

#[test]
fn a_group_may_be_named_with_or_without_its_star() {
    let group = Condition::Group("user.human".into());
    assert_eq!(Condition::group("user.human"), Ok(group.clone()));
    assert_eq!(Condition::group("user.human.*"), Ok(group));
}

#[test]
fn texts_that_are_no_condition_are_refused_with_their_reason() {
    let refused = |text: &str| text.parse::<Condition>().expect_err("no condition");
    for text in ["", "events", "event.", "Event", "event/*", "user.human.added", "events/user"] {
        assert_eq!(refused(text), ConditionError::NoCondition(text.to_owned()));
    }
    for text in ["function", "function/", "request/", "request//AddUser", "request/a/b/c", "response/zitadel user"] {
        assert_eq!(refused(text), ConditionError::NoCondition(text.to_owned()));
    }
    for (text, part) in [
        ("event/", ""),
        ("event/.*", ".*"),
        ("event/user..added", "user..added"),
        ("event/user.human.", "user.human."),
        ("event/.user", ".user"),
        ("event/user.*.added", "user.*.added"),
        ("event/user.*.*", "user.*.*"),
        ("event/us*", "us*"),
        ("event/user .added", "user .added"),
        ("event/user.added\n", "user.added\n"),
    ] {
        assert_eq!(refused(text), ConditionError::NoType(part.to_owned()), "{text}");
    }
}

#[test]
fn conditions_of_the_api_are_kept_as_they_are_and_are_for_no_event() {
    for text in [
        "request",
        "response",
        "request/zitadel.user.v2.UserService",
        "response/zitadel.user.v2.UserService/AddUser",
        "function/preuserinfo",
    ] {
        check(text, "user.human.added", false);
        check(text, text, false);
        assert_eq!(Condition::for_events(text), Err(ConditionError::OtherKind(text.to_owned())));
        let api: Condition = text.parse().expect("it is a condition");
        assert!(!api.is_for_events() && !api.is_of_the_kind_of(&Condition::All), "{text}");
    }
    let [one, other]: [Condition; 2] = ["request", "request/a.B"].map(|text| text.parse().expect("a condition"));
    assert!(one.is_of_the_kind_of(&other));
    assert!(!one.is_of_the_kind_of(&"response".parse().expect("a condition")));
}

#[test]
fn patterns_keep_out_one_type_everything_below_a_group_or_everything() {
    let check = |pattern: &str, event_type: &str, expected: bool| {
        let parsed: TypePattern = pattern.parse().expect("the pattern is sound");
        assert_eq!(parsed.matches(&event_type.into()), expected, "{pattern} and {event_type}");
        assert_eq!(parsed.to_string(), pattern, "printed as it was written");
    };
    check("user.human.password.*", "user.human.password.changed", true);
    check("user.human.password.*", "user.human.password", false);
    check("user.human.password.*", "user.human.passwordless.added", false);
    check("user.human.password", "user.human.password", true);
    check("*", "user.human.added", true);
    for text in ["", "**", "*.added", "user.", "user.*.added", "user human"] {
        text.parse::<TypePattern>().expect_err("no pattern");
    }
}

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "ab"]), 1..4).prop_map(|segments| segments.join("."))
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        4 => name().prop_map(|name| Condition::Event(name.into())),
        4 => name().prop_map(|name| Condition::Group(name.into())),
        1 => Just(Condition::All),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(condition in condition()) {
        prop_assert_eq!(condition.to_string().parse(), Ok(condition.clone()));
        let pattern = TypePattern(condition);
        prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
    }

    #[test]
    fn a_group_matches_as_segments_do(group in name(), event_type in name()) {
        let (segments, all): (Vec<_>, Vec<_>) = (group.split('.').collect(), event_type.split('.').collect());
        let expected = all.len() > segments.len() && all.starts_with(&segments);
        prop_assert_eq!(Condition::Group(group.into()).matches(&event_type.into()), expected);
    }

    #[test]
    fn what_covers_a_condition_matches_whatever_that_matches(wide in condition(), narrow in condition(), event_type in name()) {
        let event_type = EventType::from(event_type);
        if wide.covers(&narrow) && narrow.matches(&event_type) {
            prop_assert!(wide.matches(&event_type));
        }
        prop_assert!(wide.covers(&wide));
    }
}
