//! Conditions: `{"event": {"group": "user.human"}}`.
//!
//! Which methods, services and functions a ZITADEL has is its own to know; any name is kept, and none of them matches an event.

use domain::{ApiCondition, ApiScope, Condition};
use serde_json::{Value, json};

use super::required;
use crate::zitadel::{errors::ApiError, json::Message};

const LONGEST: usize = 1000;
const KINDS: [&str; 4] = ["request", "response", "function", "event"];

/// The condition in this field, which must be there.
pub(crate) fn read_in(message: &Message<'_>, name: &str) -> Result<Condition, ApiError> {
    let condition = message.message(name)?.ok_or_else(|| message.refused(name, "it is needed"))?;
    read(&condition)
}

/// The condition that this message is.
pub(crate) fn read(message: &Message<'_>) -> Result<Condition, ApiError> {
    let needed = || message.refused_whole("one of request, response, function and event is needed");
    let found = message.one_of(&KINDS)?.ok_or_else(needed)?;
    let what = message.message(found)?.ok_or_else(needed)?;
    match found {
        "request" => scope(&what).map(|scope| Condition::Api(ApiCondition::Request(scope))),
        "response" => scope(&what).map(|scope| Condition::Api(ApiCondition::Response(scope))),
        "function" => function(&what),
        _ => event(&what),
    }
}

fn scope(message: &Message<'_>) -> Result<ApiScope, ApiError> {
    match message.one_of(&["method", "service", "all"])? {
        Some("method") => ApiScope::method(required(message, "method", LONGEST)?).ok_or_else(|| {
            message.refused(
                "method",
                "a service and one of its methods are needed, such as /zitadel.user.v2.UserService/AddHumanUser",
            )
        }),
        Some("service") => ApiScope::service(required(message, "service", LONGEST)?).ok_or_else(|| {
            message.refused("service", "the name of a service is needed, such as zitadel.user.v2.UserService")
        }),
        Some(_) => all(message).map(|()| ApiScope::All),
        None => Err(message.refused_whole("one of method, service and all is needed")),
    }
}

fn function(message: &Message<'_>) -> Result<Condition, ApiError> {
    let name = required(message, "name", LONGEST)?;
    format!("function/{name}")
        .parse()
        .map_err(|_| message.refused("name", "the name of a function is needed, such as preuserinfo"))
}

fn event(message: &Message<'_>) -> Result<Condition, ApiError> {
    match message.one_of(&["event", "group", "all"])? {
        Some("event") => Condition::event(required(message, "event", LONGEST)?)
            .map_err(|_| message.refused("event", "an event type is needed, such as user.human.added")),
        Some("group") => Condition::group(required(message, "group", LONGEST)?)
            .map_err(|_| message.refused("group", "a group of event types is needed, such as user.human")),
        Some(_) => all(message).map(|()| Condition::All),
        None => Err(message.refused_whole("one of event, group and all is needed")),
    }
}

/// `all` can only be true.
fn all(message: &Message<'_>) -> Result<(), ApiError> {
    if message.flag("all")? == Some(true) {
        Ok(())
    } else {
        Err(message.refused("all", "it can only be true; leave it out and name what is meant"))
    }
}

/// As it is shown.
pub(crate) fn shown(condition: &Condition) -> Value {
    match condition {
        Condition::Event(event_type) => json!({ "event": { "event": event_type } }),
        Condition::Group(group) => json!({ "event": { "group": **group } }),
        Condition::All => json!({ "event": { "all": true } }),
        Condition::Api(ApiCondition::Request(scope)) => json!({ "request": shown_scope(scope) }),
        Condition::Api(ApiCondition::Response(scope)) => json!({ "response": shown_scope(scope) }),
        Condition::Api(ApiCondition::Function(name)) => json!({ "function": { "name": **name } }),
    }
}

fn shown_scope(scope: &ApiScope) -> Value {
    match scope {
        ApiScope::Method(method) => json!({ "method": **method }),
        ApiScope::Service(service) => json!({ "service": **service }),
        ApiScope::All => json!({ "all": true }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(value: &Value) -> Result<String, String> {
        let read = Message::root(value).and_then(|message| read_in(&message, "condition"));
        read.map(|condition| condition.to_string()).map_err(|error| error.message)
    }

    #[track_caller]
    fn check(condition: &Value, id: &str) {
        assert_eq!(parsed(&json!({ "condition": condition })), Ok(id.to_owned()));
        assert_eq!(shown(&id.parse().expect("an id")), *condition, "shown as it was written");
    }

    #[track_caller]
    fn refused(condition: &Value, sentence: &str) {
        assert_eq!(parsed(&json!({ "condition": condition })), Err(sentence.to_owned()), "{condition}");
    }

    #[test]
    fn every_condition_is_read_and_shown() {
        check(&json!({ "event": { "event": "user.human.added" } }), "event/user.human.added");
        check(&json!({ "event": { "group": "user.human" } }), "event/user.human.*");
        check(&json!({ "event": { "all": true } }), "event");
        for kind in ["request", "response"] {
            let service = "zitadel.session.v2.SessionService";
            check(
                &json!({ kind: { "method": format!("/{service}/ListSessions") } }),
                &format!("{kind}/{service}/ListSessions"),
            );
            check(&json!({ kind: { "service": service } }), &format!("{kind}/{service}"));
            check(&json!({ kind: { "all": true } }), kind);
        }
        check(&json!({ "function": { "name": "preuserinfo" } }), "function/preuserinfo");
    }

    #[test]
    fn a_group_may_have_its_star_and_a_method_lack_its_slash() {
        let id = |condition: Value| parsed(&json!({ "condition": condition }));
        assert_eq!(id(json!({ "event": { "group": "user.*" } })), Ok("event/user.*".to_owned()));
        assert_eq!(id(json!({ "request": { "method": "a.B/C" } })), Ok("request/a.B/C".to_owned()));
    }

    #[test]
    fn a_condition_says_one_thing_and_says_it_rightly() {
        assert_eq!(parsed(&json!({})), Err("condition: it is needed".to_owned()));
        refused(&json!({}), "condition: one of request, response, function and event is needed");
        refused(
            &json!({ "event": { "all": true }, "request": { "all": true } }),
            "condition.request: event is there too, and only one of the two may be",
        );
        refused(&json!({ "event": {} }), "condition.event: one of event, group and all is needed");
        refused(&json!({ "response": {} }), "condition.response: one of method, service and all is needed");
        refused(
            &json!({ "event": { "event": "user.added", "all": true } }),
            "condition.event.event: all is there too, and only one of the two may be",
        );
        let only_true = "it can only be true; leave it out and name what is meant";
        refused(&json!({ "event": { "all": false } }), &format!("condition.event.all: {only_true}"));
        refused(&json!({ "request": { "all": false } }), &format!("condition.request.all: {only_true}"));
        refused(&json!({ "function": {} }), "condition.function.name: it is needed");
        refused(&json!({ "event": { "event": "" } }), "condition.event.event: it must not be empty");
        refused(
            &json!({ "event": { "event": "x".repeat(1001) } }),
            "condition.event.event: at most 1000 characters are possible",
        );
    }

    #[test]
    fn what_no_event_method_service_or_function_is_called_is_refused() {
        let event = "condition.event.event: an event type is needed, such as user.human.added";
        for name in ["user.*", "user..added", "user added", "."] {
            refused(&json!({ "event": { "event": name } }), event);
        }
        let group = "condition.event.group: a group of event types is needed, such as user.human";
        for name in ["*", "user..*", "us*"] {
            refused(&json!({ "event": { "group": name } }), group);
        }
        let method = "condition.request.method: a service and one of its methods are needed, such as \
                      /zitadel.user.v2.UserService/AddHumanUser";
        for name in ["zitadel.user.v2.UserService", "/", "a/b/c", "//b"] {
            refused(&json!({ "request": { "method": name } }), method);
        }
        let service =
            "condition.response.service: the name of a service is needed, such as zitadel.user.v2.UserService";
        for name in ["a.B/C", "/a.B", "a b"] {
            refused(&json!({ "response": { "service": name } }), service);
        }
        let function = "condition.function.name: the name of a function is needed, such as preuserinfo";
        for name in ["a/b", "pre userinfo"] {
            refused(&json!({ "function": { "name": name } }), function);
        }
    }
}
