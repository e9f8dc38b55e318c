//! The body of a call, byte for byte what is signed.
//!
//! Fields, names and order are those of ZITADEL's `ContextInfoEvent`. What is empty is left out, except `sequence`: a
//! store of its own may count from zero.

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use domain::{Event, PayloadEncoding, PayloadMode, Target};
use serde_json::value::RawValue;

/// The event as it is sent to this target.
///
/// The payload is never parsed and printed again: it stands as base64 of the stored text, or as the stored text. A
/// payload that is no JSON cannot be embedded without breaking the body, so it is sent as base64 even to a target that
/// asked for JSON: nothing is lost, and the body stays JSON.
#[must_use]
pub fn body(event: &Event, target: &Target) -> Bytes {
    let payload = match target.payload {
        PayloadMode::Full => event.payload.as_deref().filter(|payload| !payload.is_empty()),
        PayloadMode::None => None,
    };
    let mut out = Vec::with_capacity(512 + payload.map_or(0, |payload| payload.len().div_ceil(3) * 4));
    let key = &event.key;

    out.push(b'{');
    text(&mut out, "aggregateID", key.aggregate_id.as_str());
    text(&mut out, "aggregateType", key.aggregate_type.as_str());
    text(&mut out, "resourceOwner", &event.owner);
    text(&mut out, "instanceID", key.instance_id.as_str());
    if let Some(revision) = event.revision {
        name(&mut out, "version");
        print(&mut out, format_args!("\"v{revision}\""));
    }
    name(&mut out, "sequence");
    print(&mut out, format_args!("{}", key.sequence));
    text(&mut out, "event_type", event.event_type.as_str());
    name(&mut out, "created_at");
    print(&mut out, format_args!("\"{}\"", event.created_at));
    text(&mut out, "userID", &event.creator);
    if let Some(payload) = payload {
        name(&mut out, "event_payload");
        match target.payload_encoding {
            PayloadEncoding::Json if is_json(payload) => out.extend_from_slice(payload),
            PayloadEncoding::Json | PayloadEncoding::Base64 => base64(&mut out, payload),
        }
    }
    out.push(b'}');
    out.into()
}

fn name(out: &mut Vec<u8>, name: &str) {
    if out.len() > 1 {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn text(out: &mut Vec<u8>, field: &str, value: &str) {
    if !value.is_empty() {
        name(out, field);
        serde_json::to_writer(out, value).expect("text can be written to memory as JSON");
    }
}

fn print(out: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("writing to memory does not fail");
}

fn base64(out: &mut Vec<u8>, payload: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + payload.len().div_ceil(3) * 4, b'=');
    STANDARD.encode_slice(payload, &mut out[start..]).expect("there is room for four characters for every three bytes");
    out.push(b'"');
}

/// Checks the whole text, at any depth, without building anything from it.
fn is_json(payload: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(payload).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn check(payload: Option<&str>, target: &Target, expected: &str) {
        let event = Event { payload: payload.map(|text| Bytes::from(text.to_owned())), ..samples::event() };
        let body = String::from_utf8(body(&event, target).into()).expect("the body is text");
        serde_json::from_str::<&RawValue>(&body).expect("the body is JSON");
        let payload = body.split_once(r#","event_payload":"#).map_or("", |(_, payload)| &payload[..payload.len() - 1]);
        assert_eq!(payload, expected);
    }

    #[test]
    fn the_fields_are_zitadels_in_its_order() {
        let event = Event { payload: Some(r#"{"a": 1}"#.into()), ..samples::event() };
        assert_eq!(
            body(&event, &samples::target("https://crm.example.com")),
            r#"{"aggregateID":"312909075212468632","aggregateType":"user","resourceOwner":"312909075211944344","instanceID":"312909075211878808","version":"v2","sequence":1,"event_type":"user.human.added","created_at":"2025-03-27T10:22:43.262665Z","userID":"312909075212468632","event_payload":"eyJhIjogMX0="}"#
        );
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let mut event = Event { creator: "".into(), owner: "".into(), revision: None, ..samples::event() };
        event.key.instance_id = "".into();
        event.key.sequence = 0;
        assert_eq!(
            body(&event, &samples::target("https://crm.example.com")),
            r#"{"aggregateID":"312909075212468632","aggregateType":"user","sequence":0,"event_type":"user.human.added","created_at":"2025-03-27T10:22:43.262665Z"}"#
        );
    }

    #[test]
    fn text_is_escaped() {
        let event = Event { creator: "a\"b\\c\nd\u{0}é".into(), ..samples::event() };
        let body = body(&event, &samples::target("https://crm.example.com"));
        let body = std::str::from_utf8(&body).expect("the body is text");
        assert!(body.contains(r#""userID":"a\"b\\c\nd\u0000é""#), "{body}");
    }

    #[test]
    fn times_have_no_trailing_zeros() {
        for (time, printed) in [
            ("2025-03-27T10:22:43Z", "2025-03-27T10:22:43Z"),
            ("2025-03-27T10:22:43.100000Z", "2025-03-27T10:22:43.1Z"),
            ("2025-03-27T12:22:43.000010+02:00", "2025-03-27T10:22:43.00001Z"),
        ] {
            let event = Event { created_at: time.parse().expect("a valid time"), ..samples::event() };
            let body = body(&event, &samples::target("https://crm.example.com"));
            let body = std::str::from_utf8(&body).expect("the body is text");
            assert!(body.contains(&format!(r#""created_at":"{printed}""#)), "{body}");
        }
    }

    #[test]
    fn a_payload_is_base64_or_the_stored_text_and_never_breaks_the_body() {
        let base64 = samples::target("https://crm.example.com");
        let json = Target { payload_encoding: PayloadEncoding::Json, ..base64.clone() };
        let none = Target { payload: PayloadMode::None, ..json.clone() };
        check(None, &base64, "");
        check(Some(""), &base64, "");
        check(Some(""), &json, "");
        check(Some("null"), &base64, r#""bnVsbA==""#);
        check(Some("null"), &json, "null");
        check(Some(r#"{"n": 1.10000000000000000001e3, "n":2}"#), &json, r#"{"n": 1.10000000000000000001e3, "n":2}"#);
        check(Some("\n [1 ]\n"), &json, "\n [1 ]\n");
        check(Some(r#""\ud800""#), &json, r#""\ud800""#);
        check(Some(r#"{"a":"#), &json, r#""eyJhIjo=""#);
        check(Some(r#"1},"sequence":2,"x":{"#), &json, r#""MX0sInNlcXVlbmNlIjoyLCJ4Ijp7""#);
        check(Some("{}"), &none, "");
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(is_json(deep.as_bytes()), "depth costs no stack");
    }

    #[test]
    fn bytes_that_are_no_text_go_as_base64() {
        let target = Target { payload_encoding: PayloadEncoding::Json, ..samples::target("https://crm.example.com") };
        let event = Event { payload: Some(Bytes::from_static(&[b'"', 0xff, b'"'])), ..samples::event() };
        assert!(body(&event, &target).ends_with(br#""event_payload":"Iv8i"}"#));
    }
}
