use std::time::Duration;

use proptest::prelude::*;

use super::{SignatureError, SigningKey, sign, verify, webhook_id};
use crate::EventKey;

const NOW: i64 = 1_743_070_963;
const TOLERANCE: Duration = Duration::from_mins(5);
const BODY: &str = r#"{"aggregateID":"312909075211944042","event_type":"user.human.added","name":"Zoë"}"#;
// These and the id below were computed with Python's hmac and hashlib.
const FIRST: &str = "2cf610f3a3cbd9f84295f8acbf556438455794faa53b9794931249c264400e25";
const SECOND: &str = "9b05b72c2df9cb9986786d9d3879b33c679194d1c677447c9cb51cf5df26c3f1";

fn keys() -> [SigningKey; 2] {
    ["first-key".into(), "zweiter Schlüssel".into()]
}

fn check(header: &str, expected: Result<(), SignatureError>) {
    assert_eq!(verify(header, BODY.as_bytes(), &keys(), NOW, TOLERANCE), expected, "{header}");
}

#[test]
fn signatures_are_what_another_implementation_computes() {
    assert_eq!(sign(BODY.as_bytes(), NOW, &keys()), format!("t={NOW},v1={FIRST},v1={SECOND}"));
    let empty = "963deb55b9d8ee303a249050edbe9f3c4a69e259ef10b8760fd5fda748a422a5";
    assert_eq!(sign(b"", 0, &keys()[..1]), format!("t=0,v1={empty}"));
    assert_eq!(sign(b"", 0, &[]), "t=0");
}

#[test]
fn one_fitting_part_is_enough() {
    let wrong = "0".repeat(64);
    check(&format!("t={NOW},v1={FIRST}"), Ok(()));
    check(&format!("t={NOW},v1={SECOND}"), Ok(()));
    check(&format!("t={NOW},v1={wrong},v1={SECOND}"), Ok(()));
    check(&format!("t={NOW},v1={FIRST},v1={wrong}"), Ok(()));
    check(&format!("v1={FIRST},t={NOW}"), Ok(()));
    check(&format!("t={NOW}, v1={}", FIRST.to_uppercase()), Ok(()));
    check(&format!("t={NOW},v0=anything,v2=,v1={FIRST}"), Ok(()));
}

#[test]
fn headers_that_are_no_signature_are_refused() {
    check(&format!("v1={FIRST}"), Err(SignatureError::NoTime));
    check(&format!("t={NOW}"), Err(SignatureError::NoSignature));
    check(&format!("t={NOW},v0={FIRST}"), Err(SignatureError::NoSignature));
    for header in [
        String::new(),
        FIRST.to_owned(),
        format!("t={NOW},v1={FIRST},"),
        format!("t={NOW},t={NOW},v1={FIRST}"),
        format!("t=,v1={FIRST}"),
        format!("t=soon,v1={FIRST}"),
        format!("t=99999999999999999999,v1={FIRST}"),
        format!("t={NOW},v1="),
        format!("t={NOW},v1={}", &FIRST[2..]),
        format!("t={NOW},v1={FIRST}00"),
        format!("t={NOW},v1={}", FIRST.replace('f', "g")),
        format!("t={NOW},v1={FIRST},v1=xyz"),
    ] {
        check(&header, Err(SignatureError::Malformed));
    }
}

#[test]
fn another_body_time_or_key_does_not_verify() {
    check(&format!("t={},v1={FIRST}", NOW + 1), Err(SignatureError::Mismatch));
    check(&format!("t={NOW},v1={}", "0".repeat(64)), Err(SignatureError::Mismatch));
    let header = sign(BODY.as_bytes(), NOW, &keys());
    let mismatch = Err(SignatureError::Mismatch);
    assert_eq!(verify(&header, b"{}", &keys(), NOW, TOLERANCE), mismatch);
    assert_eq!(verify(&header, BODY.as_bytes(), &["third-key".into()], NOW, TOLERANCE), mismatch);
    assert_eq!(verify(&header, BODY.as_bytes(), &[], NOW, TOLERANCE), mismatch);
}

#[test]
fn the_clocks_may_differ_by_the_tolerance_either_way() {
    let check = |signed: i64, now: i64, expected: Result<(), SignatureError>| {
        let header = sign(BODY.as_bytes(), signed, &keys());
        assert_eq!(verify(&header, BODY.as_bytes(), &keys(), now, TOLERANCE), expected, "{signed} at {now}");
    };
    check(NOW - 300, NOW, Ok(()));
    check(NOW + 300, NOW, Ok(()));
    check(NOW - 301, NOW, Err(SignatureError::TooOld { seconds: 301 }));
    check(NOW + 301, NOW, Err(SignatureError::TooNew { seconds: 301 }));
    check(i64::MIN, i64::MAX, Err(SignatureError::TooOld { seconds: u64::MAX }));
    check(i64::MAX, i64::MIN, Err(SignatureError::TooNew { seconds: u64::MAX }));
}

#[test]
fn an_old_forgery_is_a_forgery() {
    check(&format!("t=1,v1={FIRST}"), Err(SignatureError::Mismatch));
}

#[test]
fn keys_are_never_printed() {
    assert_eq!(format!("{:?}", keys()), "[SigningKey(…), SigningKey(…)]");
    assert_eq!(keys()[0].expose(), "first-key");
    assert_eq!(keys()[0].as_bytes(), b"first-key");
}

fn key(position: &str) -> EventKey {
    EventKey {
        position: position.parse().expect("a position"),
        in_tx_order: 2,
        instance_id: "312909075211878808".into(),
        aggregate_type: "user".into(),
        aggregate_id: "312909075211944042".into(),
        sequence: 17,
    }
}

#[test]
fn ids_are_what_another_implementation_computes() {
    let id = webhook_id(&"01JTARGET".into(), &key("1743070963.262665"), 0);
    assert_eq!(id, "msg_f77c966c05983e343e0b3b8dcc566c34");
}

#[test]
fn an_id_does_not_depend_on_how_the_position_is_printed() {
    let id = |position| webhook_id(&"t".into(), &key(position), 0);
    assert_eq!(id("1743070963.2600"), id("1743070963.26"));
    assert_eq!(id("1743070960.000"), id("1743070960"));
    assert_ne!(id("1743070960"), id("174307096"));
}

#[test]
fn an_id_is_of_one_target_event_and_generation() {
    let first = key("5");
    let mut ids = vec![
        webhook_id(&"t".into(), &first, 0),
        webhook_id(&"t".into(), &first, 1),
        webhook_id(&"u".into(), &first, 0),
    ];
    let variations: [fn(&mut EventKey); 7] = [
        |key| key.position = "6".parse().expect("a position"),
        |key| key.in_tx_order = 3,
        |key| key.instance_id = "".into(),
        |key| key.aggregate_type = "org".into(),
        |key| key.aggregate_id = "3".into(),
        |key| key.sequence = 18,
        // The same letters, divided otherwise.
        |key| (key.aggregate_type, key.aggregate_id) = ("user3".into(), "12909075211944042".into()),
    ];
    for vary in variations {
        let mut other = first.clone();
        vary(&mut other);
        ids.push(webhook_id(&"t".into(), &other, 0));
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "no two of them are the same");
}

proptest! {
    #[test]
    fn what_is_signed_verifies(body in prop::collection::vec(any::<u8>(), 0..200), keys in prop::collection::vec(".*", 1..4), time: i64, which: prop::sample::Index) {
        let keys: Vec<SigningKey> = keys.into_iter().map(SigningKey::from).collect();
        let header = sign(&body, time, &keys);
        let known = std::slice::from_ref(which.get(&keys));
        prop_assert_eq!(verify(&header, &body, known, time, Duration::ZERO), Ok(()));
    }

    #[test]
    fn no_header_makes_it_panic(header in ".*|(t=[0-9-]{0,20}|v1=[0-9a-f]{60,66}|,){0,6}", now: i64) {
        prop_assert!(verify(&header, b"", &keys(), now, TOLERANCE).is_err());
    }
}
