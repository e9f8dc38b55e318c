use std::time::Duration;

use domain::{PayloadType, Role, SigningKey, Start, Target, TargetKind, Timestamp};
use serde_json::{Value, json};
use store::Dates;

use super::{CreateTarget, ShownTarget, Sight, UpdateTarget};
use crate::zitadel::{Version, json::Message};

const USUAL: Duration = Duration::from_secs(12);

/// As `CreateTarget` makes it of this and what it needs, or the sentence of the error.
fn created(more: &Value) -> Result<Target, String> {
    let mut whole = json!({ "name": "local webhook", "restWebhook": {}, "endpoint": "https://hooks.example.com/a" });
    for (name, value) in more.as_object().expect("an object") {
        whole[name] = value.clone();
    }
    let read = Message::root(&whole).and_then(|message| CreateTarget::read(&message));
    read.map(|target| target.into_target(USUAL)).map_err(|error| error.message)
}

/// A target that this `UpdateTarget` changed, and whether its key is to be rotated.
fn updated(change: &Value) -> Result<(Target, Option<Duration>), String> {
    let mut target =
        created(&json!({ "restCall": { "interruptOnError": true }, "restWebhook": null, "timeout": "3s" }))?;
    let read = Message::root(change).and_then(|message| UpdateTarget::read(&message));
    let update = read.map_err(|error| error.message)?;
    let rotate = update.rotate;
    update.apply(&mut target, USUAL);
    Ok((target, rotate))
}

#[track_caller]
fn refused<T>(found: Result<T, String>, expected: &str) {
    assert_eq!(found.map(drop), Err(expected.to_owned()));
}

#[test]
fn a_new_target_has_what_was_said_and_zitadels_defaults() {
    let target = created(&json!({})).expect("it is sound");
    assert_eq!((target.name.as_str(), target.endpoint.as_str()), ("local webhook", "https://hooks.example.com/a"));
    assert_eq!((target.kind, target.interrupt_on_error), (TargetKind::Webhook, false));
    assert_eq!((target.timeout, target.payload_type), (USUAL, PayloadType::Json));
    assert_eq!(target.start, Start::Now, "it hears of what happens from now on");
    let target = created(&json!({
        "restWebhook": null, "rest_call": { "interrupt_on_error": true }, "timeout": "0.5s", "payload_type": "PAYLOAD_TYPE_JWE",
        "unknown": [1]
    }));
    let target = target.expect("it is sound");
    assert_eq!((target.kind, target.interrupt_on_error), (TargetKind::Call, true));
    assert_eq!((target.timeout, target.payload_type), (Duration::from_millis(500), PayloadType::Jwe));
}

#[test]
fn a_target_needs_a_type_and_only_one() {
    refused(
        created(&json!({ "restWebhook": null })),
        "one of restWebhook, restCall and restAsync is needed: how the target's answer is used",
    );
    refused(
        created(&json!({ "restAsync": {} })),
        "restWebhook: restAsync is there too, and only one of the two may be",
    );
    refused(created(&json!({ "restWebhook": true })), "restWebhook: an object is needed");
    refused(
        created(&json!({ "restWebhook": { "interruptOnError": "true" } })),
        "restWebhook.interruptOnError: true or false is needed",
    );
    let asynchronous = created(&json!({ "restWebhook": null, "restAsync": { "interruptOnError": true } }));
    let asynchronous = asynchronous.expect("what an async target does not have is unknown");
    assert_eq!((asynchronous.kind, asynchronous.interrupt_on_error), (TargetKind::Async, false));
}

#[test]
fn a_name_has_1_to_1000_characters_and_may_have_spaces() {
    refused(created(&json!({ "name": null })), "name: it is needed");
    refused(created(&json!({ "name": "" })), "name: it must not be empty");
    refused(created(&json!({ "name": "ä".repeat(1001) })), "name: at most 1000 characters are possible");
    refused(created(&json!({ "name": "a\nb" })), "name: it must not have control characters in it");
    refused(created(&json!({ "name": 7 })), "name: a string is needed");
    assert!(created(&json!({ "name": "ä".repeat(1000) })).is_ok());
}

#[test]
fn an_endpoint_is_a_url_of_at_most_2048_characters() {
    let long = |length: usize| format!("https://a.example/{}", "x".repeat(length - "https://a.example/".len()));
    refused(created(&json!({ "endpoint": null })), "endpoint: it is needed");
    refused(created(&json!({ "endpoint": "" })), "endpoint: it must not be empty");
    refused(created(&json!({ "endpoint": long(2049) })), "endpoint: at most 2048 characters are possible");
    refused(
        created(&json!({ "endpoint": "hooks.example.com" })),
        "endpoint: the endpoint is no URL; one such as https://crm.example.com/zitadel is needed",
    );
    refused(
        created(&json!({ "endpoint": "https://user:secret@hooks.example.com" })),
        "endpoint: the endpoint has credentials in it; put them into a header of the target instead",
    );
    assert!(created(&json!({ "endpoint": long(2048) })).is_ok());
}

#[test]
fn a_timeout_is_at_most_270_seconds_and_none_at_all_is_the_default() {
    let timeout = |text: &str| created(&json!({ "timeout": text })).map(|target| target.timeout);
    assert_eq!(timeout("0s"), Ok(USUAL));
    assert_eq!(timeout("270s"), Ok(Duration::from_secs(270)));
    refused(timeout("270.000000001s"), "timeout: at most 270s is possible");
    refused(timeout("-1s"), "timeout: it must not be negative");
    refused(timeout("0.000999999s"), "timeout: at least 0.001s is possible");
    refused(timeout("10"), "timeout: a duration in seconds is needed, such as \"10s\" or \"0.5s\"");
}

#[test]
fn a_payload_type_that_nobody_knows_is_refused() {
    let payload_type = |value: Value| created(&json!({ "payloadType": value })).map(|target| target.payload_type);
    assert_eq!(payload_type(json!("PAYLOAD_TYPE_UNSPECIFIED")), Ok(PayloadType::Json));
    assert_eq!(payload_type(json!(2)), Ok(PayloadType::Jwt));
    for unknown in [json!("PAYLOAD_TYPE_JWX"), json!(4)] {
        refused(
            payload_type(unknown),
            "payloadType: one of PAYLOAD_TYPE_UNSPECIFIED, PAYLOAD_TYPE_JSON, PAYLOAD_TYPE_JWT, PAYLOAD_TYPE_JWE is needed",
        );
    }
}

#[test]
fn an_update_changes_what_it_names_and_nothing_else() {
    let (before, _) = updated(&json!({ "id": "1" })).expect("it is sound");
    assert_eq!(
        (before.kind, before.interrupt_on_error, before.timeout),
        (TargetKind::Call, true, Duration::from_secs(3))
    );
    let (target, rotate) = updated(&json!({ "id": "1", "name": "another", "payloadType": 0 })).expect("it is sound");
    assert_eq!((target, rotate), (Target { name: "another".into(), ..before.clone() }, None));
    let change = json!({
        "id": "1", "endpoint": "https://b.example/", "restAsync": {}, "timeout": "20s", "payloadType": "PAYLOAD_TYPE_JWT"
    });
    let wanted = Target {
        endpoint: "https://b.example/".parse().expect("a URL"),
        kind: TargetKind::Async,
        interrupt_on_error: false,
        timeout: Duration::from_secs(20),
        payload_type: PayloadType::Jwt,
        ..before
    };
    assert_eq!(updated(&change), Ok((wanted, None)));
}

#[test]
fn an_update_to_no_time_at_all_is_the_usual_timeout() {
    assert_eq!(updated(&json!({ "id": "1", "timeout": "0s" })).map(|(target, _)| target.timeout), Ok(USUAL));
}

#[test]
fn an_update_is_checked_as_a_new_target_is() {
    refused(updated(&json!({})), "id: it is needed");
    refused(updated(&json!({ "id": "" })), "id: it must not be empty");
    refused(updated(&json!({ "id": "x".repeat(201) })), "id: at most 200 characters are possible");
    refused(updated(&json!({ "id": "1", "name": "" })), "name: it must not be empty");
    refused(updated(&json!({ "id": "1", "endpoint": "" })), "endpoint: it must not be empty");
    refused(updated(&json!({ "id": "1", "timeout": "271s" })), "timeout: at most 270s is possible");
    refused(
        updated(&json!({ "id": "1", "restCall": {}, "rest_async": {} })),
        "restCall: restAsync is there too, and only one of the two may be",
    );
}

#[test]
fn a_signing_key_is_rotated_at_once_or_with_an_overlap() {
    let rotate = |text: &str| updated(&json!({ "id": "1", "expirationSigningKey": text })).map(|(_, rotate)| rotate);
    assert_eq!(rotate("0s"), Ok(Some(Duration::ZERO)));
    assert_eq!(rotate("86400s"), Ok(Some(Duration::from_hours(24))));
    refused(rotate("-1s"), "expirationSigningKey: it must not be negative");
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn shown(target: &Target, version: Version, role: Role) -> Value {
    let dates = Dates { created_at: at("2025-03-27T10:00:00.5Z"), changed_at: at("2025-03-28T10:00:00Z") };
    json!(ShownTarget::of(target, Some(&dates), version, Sight::of(role), at("2025-04-01T00:00:00Z")))
}

#[test]
fn a_target_is_shown_in_zitadels_words() {
    let mut target = created(&json!({ "restWebhook": { "interruptOnError": true } })).expect("it is sound");
    target.id = "69629012906488334".into();
    target.signing_keys = vec![
        SigningKey::from("old").until(Some(at("2025-03-31T00:00:00Z"))),
        SigningKey::from("overlapping").until(Some(at("2025-05-01T00:00:00Z"))),
        SigningKey::from("newest"),
    ];
    let whole = json!({
        "id": "69629012906488334",
        "creationDate": "2025-03-27T10:00:00.500Z",
        "changeDate": "2025-03-28T10:00:00Z",
        "name": "local webhook",
        "restWebhook": { "interruptOnError": true },
        "timeout": "12s",
        "endpoint": "https://hooks.example.com/a",
        "signingKey": "newest",
        "payloadType": "PAYLOAD_TYPE_JSON",
    });
    assert_eq!(shown(&target, Version::V2, Role::Admin), whole);
    let mut beta = whole;
    beta.as_object_mut().expect("an object").remove("payloadType");
    assert_eq!(shown(&target, Version::V2Beta, Role::Admin), beta);
}

#[test]
fn a_member_of_a_oneof_is_shown_even_if_it_is_empty() {
    let kind = |more: Value| {
        let shown = shown(&created(&more).expect("it is sound"), Version::V2, Role::Viewer);
        ["restWebhook", "restCall", "restAsync"].map(|name| shown.get(name).cloned())
    };
    assert_eq!(kind(json!({})), [Some(json!({})), None, None]);
    assert_eq!(kind(json!({ "restWebhook": null, "restCall": {} })), [None, Some(json!({})), None]);
    assert_eq!(kind(json!({ "restWebhook": null, "restAsync": {} })), [None, None, Some(json!({}))]);
}

#[test]
fn only_an_admin_sees_keys_and_queries() {
    let mut target = created(&json!({ "endpoint": "https://hooks.example.com/a?token=secret" })).expect("it is sound");
    target.signing_keys = vec!["secret".into()];
    for role in [Role::Viewer, Role::Operator] {
        let shown = shown(&target, Version::V2, role);
        assert_eq!(shown["endpoint"], "https://hooks.example.com/a");
        assert!(!shown.to_string().contains("secret"), "{shown}");
    }
    let shown = shown(&target, Version::V2, Role::Admin);
    assert_eq!(
        (&shown["endpoint"], &shown["signingKey"]),
        (&json!("https://hooks.example.com/a?token=secret"), &json!("secret"))
    );
}
