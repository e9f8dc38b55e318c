use super::*;
use crate::KeyKind;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a valid time")
}

/// A key by its id, in use from and until these seconds.
fn web_key(id: &str, active_at: i64, retired_at: Option<i64>) -> WebKey {
    let secret = Zeroizing::new(format!("the secret of {id}").into_bytes());
    WebKey::new(id.into(), secret, at(active_at), retired_at.map(at))
}

fn encryption_key(expires_at: Option<i64>) -> EncryptionKey {
    let (kind, der) = (KeyKind::P256, b"der".as_slice().into());
    EncryptionKey { id: "77".into(), kind, der, expires_at: expires_at.map(at) }
}

fn target(payload_type: PayloadType, web_keys: &[WebKey], encryption_key: Option<EncryptionKey>) -> Target {
    let endpoint = "https://crm.example.com".parse().expect("a valid endpoint");
    Target {
        payload_type,
        wrapping: Wrapping { web_keys: web_keys.into(), encryption_key },
        ..Target::new("t".into(), "crm".into(), endpoint)
    }
}

/// How a body of second 100 is wrapped, in a line.
#[track_caller]
fn check(target: &Target, expected: &str) {
    let told = match target.wrap(at(100)) {
        Ok(Wrap::Plain) => "as it is".to_owned(),
        Ok(Wrap::Signed(key)) => format!("signed with {}", key.id()),
        Ok(Wrap::Encrypted(key, recipient)) => format!("signed with {}, encrypted for {}", key.id(), recipient.id),
        Err(error) => error.to_string(),
    };
    assert!(told.starts_with(expected), "{told:?} should be {expected:?}");
}

#[test]
fn a_body_is_wrapped_as_its_target_says() {
    let (keys, recipient) = ([web_key("a", 1, None)], Some(encryption_key(None)));
    check(&target(PayloadType::Json, &keys, recipient.clone()), "as it is");
    check(&target(PayloadType::Jwt, &keys, recipient.clone()), "signed with a");
    check(&target(PayloadType::Jwe, &keys, recipient), "signed with a, encrypted for 77");
}

#[test]
fn the_newest_key_in_use_signs() {
    let check = |keys: &[WebKey], expected| check(&target(PayloadType::Jwt, keys, None), expected);
    check(&[], "there is no key to sign JWTs with yet");
    check(&[web_key("a", 1, Some(200)), web_key("b", 200, None)], "signed with a");
    check(&[web_key("a", 1, Some(100)), web_key("b", 100, None)], "signed with b");
    check(&[web_key("b", 50, None), web_key("a", 1, None)], "signed with b");
    // It was to be in use from 90 on, and another took its place before.
    check(&[web_key("a", 1, Some(80)), web_key("b", 90, Some(80)), web_key("c", 80, None)], "signed with c");
    // This clock is behind the one that says from when keys are used.
    check(&[web_key("c", 300, None), web_key("b", 200, Some(300))], "signed with b");
}

#[test]
fn nothing_is_encrypted_without_a_key_in_force() {
    let check = |key, expected| check(&target(PayloadType::Jwe, &[web_key("a", 1, None)], key), expected);
    check(
        None,
        "the bodies of crm are to be encrypted, and it has no active public key; add its receiver's with `postrider target key add crm --file PEM --activate`",
    );
    check(Some(encryption_key(Some(101))), "signed with a, encrypted for 77");
    check(
        Some(encryption_key(Some(100))),
        "the public key 77 of crm expired at 1970-01-01T00:01:40Z; add the next one",
    );
}

#[test]
fn what_is_printed_of_a_web_key_is_its_id() {
    let target = target(PayloadType::Jwt, &[web_key("a", 1, None)], None);
    assert_eq!(format!("{:?}", target.wrapping.web_keys), "[WebKey(a)]");
    assert!(!format!("{target:?}").contains("secret"));
}
