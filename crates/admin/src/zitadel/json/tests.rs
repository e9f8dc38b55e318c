use std::time::Duration;

use serde_json::{Value, json};

use super::{Enumeration, Message, duration, print};
use crate::zitadel::errors::ApiError;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Colour {
    Red,
    Blue,
}

impl Enumeration for Colour {
    const VALUES: &'static [(&'static str, i64, Self)] =
        &[("COLOUR_RED", 0, Self::Red), ("COLOUR_BLUE", 2, Self::Blue)];
}

/// What reading gives, or the sentence of its error.
fn read<T>(value: &Value, read: impl Fn(&Message<'_>) -> Result<T, ApiError>) -> Result<T, String> {
    Message::root(value).and_then(|message| read(&message)).map_err(|error| error.message)
}

#[test]
fn a_field_is_found_by_either_spelling_and_null_is_not_there() {
    let both = |value: Value| read(&value, |message| message.flag("interruptOnError"));
    assert_eq!(both(json!({ "interruptOnError": true })), Ok(Some(true)));
    assert_eq!(both(json!({ "interrupt_on_error": true })), Ok(Some(true)));
    assert_eq!(both(json!({ "interruptOnError": null })), Ok(None));
    assert_eq!(both(json!({ "interruptOnError": null, "interrupt_on_error": false })), Ok(Some(false)));
    assert_eq!(both(json!({ "somethingElse": 1 })), Ok(None));
    assert_eq!(
        both(json!({ "interruptOnError": true, "interrupt_on_error": true })),
        Err("interruptOnError: it is there in both spellings, and only one may be".to_owned())
    );
}

#[test]
fn an_error_names_the_field_and_never_repeats_what_was_sent() {
    let value = json!({ "filters": [{}, { "targetNameFilter": { "targetName": 7 } }] });
    let name = |message: &Message<'_>| {
        let second = message.list("filters")?.remove(1).message()?;
        second.message("targetNameFilter")?.expect("it is there").text("targetName").map(|_| ())
    };
    assert_eq!(read(&value, name), Err("filters[1].targetNameFilter.targetName: a string is needed".to_owned()));
    let secret = json!({ "timeout": "my-secret", "endpoint": ["my-secret"], "payloadType": "my-secret" });
    for error in [
        read(&secret, |message| message.duration("timeout").map(|_| ())),
        read(&secret, |message| message.text("endpoint").map(|_| ())),
        read(&secret, |message| message.choice::<Colour>("payloadType").map(|_| ())),
        read(&secret, |message| message.message("timeout").map(|_| ())),
    ] {
        let error = error.expect_err("it is none");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn what_is_no_object_is_no_message() {
    for value in [json!(null), json!([]), json!("x"), json!(1)] {
        assert_eq!(read(&value, |_| Ok(())), Err("the body: an object is needed".to_owned()));
    }
}

#[test]
fn numbers_are_read_as_numbers_and_as_strings() {
    let count = |value: Value| read(&json!({ "limit": value }), |message| message.count("limit"));
    for value in [json!(100), json!("100"), json!(100.0), json!(1e2)] {
        assert_eq!(count(value), Ok(Some(100)));
    }
    assert_eq!(count(json!("18446744073709551615")), Ok(Some(u64::MAX)));
    for value in [json!(-1), json!(1.5), json!("1.5"), json!(""), json!("-1"), json!(1e300), json!(true), json!([])] {
        assert_eq!(count(value), Err("limit: a whole number, not negative, is needed".to_owned()));
    }
}

#[test]
fn enums_are_read_by_name_and_by_number() {
    let colour = |value: Value| read(&json!({ "colour": value }), |message| message.choice::<Colour>("colour"));
    assert_eq!(colour(json!("COLOUR_BLUE")), Ok(Some(Colour::Blue)));
    assert_eq!(colour(json!(2)), Ok(Some(Colour::Blue)));
    assert_eq!(colour(json!(0)), Ok(Some(Colour::Red)));
    for value in [json!("BLUE"), json!("colour_blue"), json!("2"), json!(1), json!(-2), json!(0.5)] {
        assert_eq!(
            colour(value.clone()),
            Err("colour: one of COLOUR_RED, COLOUR_BLUE is needed".to_owned()),
            "{value}"
        );
        let known = read(&json!({ "colour": value }), |message| message.known_choice::<Colour>("colour"));
        assert_eq!(known, Ok(None), "one that is not known can be passed over");
    }
    assert!(colour(json!(true)).is_err());
}

#[test]
fn of_a_oneof_only_one_may_be_there() {
    let kind = |value: Value| read(&value, |message| message.one_of(&["restWebhook", "restCall", "restAsync"]));
    assert_eq!(kind(json!({})), Ok(None));
    assert_eq!(kind(json!({ "rest_call": {} })), Ok(Some("restCall")));
    assert_eq!(kind(json!({ "restCall": {}, "restWebhook": null })), Ok(Some("restCall")));
    assert_eq!(
        kind(json!({ "restWebhook": {}, "rest_async": {} })),
        Err("restWebhook: restAsync is there too, and only one of the two may be".to_owned())
    );
}

#[test]
fn a_list_that_is_not_there_is_empty_and_has_no_null_in_it() {
    let length = |value: Value| read(&value, |message| message.list("targets").map(|list| list.len()));
    assert_eq!(length(json!({})), Ok(0));
    assert_eq!(length(json!({ "targets": null })), Ok(0));
    assert_eq!(length(json!({ "targets": [1, 2] })), Ok(2));
    assert_eq!(length(json!({ "targets": [1, null] })), Err("targets[1]: null is no entry of a list".to_owned()));
    assert_eq!(length(json!({ "targets": {} })), Err("targets: a list is needed".to_owned()));
}

#[test]
fn durations_are_seconds_with_an_s() {
    let parsed = |text: &str| duration::parse(text).map(|duration| (duration.as_secs(), duration.subsec_nanos()));
    for (text, expected) in [
        ("10s", (10, 0)),
        ("0s", (0, 0)),
        ("0.5s", (0, 500_000_000)),
        ("1.000000001s", (1, 1)),
        ("-1.5s", (-1, -500_000_000)),
        ("315576000000s", (315_576_000_000, 0)),
    ] {
        assert_eq!(parsed(text), Some(expected), "{text}");
    }
    for text in
        ["", "s", "10", "10 s", "10m", "+1s", ".5s", "1.s", "1.0000000001s", "1e2s", "--1s", "315576000001s", "１s"]
    {
        assert_eq!(parsed(text), None, "{text}");
    }
    for (duration, text) in [
        (Duration::from_secs(10), "10s"),
        (Duration::ZERO, "0s"),
        (Duration::from_millis(500), "0.500s"),
        (Duration::from_micros(1_000_001), "1.000001s"),
        (Duration::from_nanos(1), "0.000000001s"),
    ] {
        assert_eq!(json!(print::Span(duration)), text);
    }
}

#[test]
fn times_are_rfc_3339_with_digits_in_threes() {
    let printed = |text: &str| json!(print::Stamp(text.parse().expect("a time")));
    assert_eq!(printed("2025-03-27T10:00:00Z"), "2025-03-27T10:00:00Z");
    assert_eq!(printed("2025-03-27T10:00:00.01Z"), "2025-03-27T10:00:00.010Z");
    assert_eq!(printed("2025-03-27T12:00:00.262665+02:00"), "2025-03-27T10:00:00.262665Z");
    assert_eq!(printed("1960-01-01T00:00:00.5Z"), "1960-01-01T00:00:00.500Z");
    let read = |value: Value| read(&json!({ "at": value }), |message| message.time("at"));
    assert_eq!(read(json!("2025-03-27T12:00:00+02:00")), Ok(Some("2025-03-27T10:00:00Z".parse().expect("a time"))));
    for value in [json!("2025-03-27"), json!("2025-03-27T12:00:00"), json!(1), json!("yesterday")] {
        assert!(read(value.clone()).is_err(), "{value}");
    }
}

#[test]
fn bytes_are_base64_of_either_alphabet_padded_or_not() {
    let read = |text: &str| read(&json!({ "key": text }), |message| message.bytes("key"));
    for text in ["+/8=", "+/8", "-_8=", "-_8"] {
        assert_eq!(read(text), Ok(Some(vec![0xfb, 0xff])), "{text}");
    }
    assert_eq!(read(""), Ok(Some(Vec::new())));
    for text in ["+_8=", "a", "a b=", "====", "ä"] {
        assert_eq!(read(text), Err("key: base64 is needed".to_owned()), "{text}");
    }
    assert_eq!(json!(print::Bytes(vec![0xfb, 0xff])), "+/8=");
}

#[test]
fn numbers_of_64_bits_are_written_as_strings() {
    assert_eq!(json!(print::Long(u64::MAX)), "18446744073709551615");
    assert!(print::Long(0).is_zero() && !print::Long(1).is_zero());
}
