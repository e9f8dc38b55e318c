use super::{MasterKey, MasterKeyError, MasterKeys, SealError, Sealed};

const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn master(text: &str) -> MasterKey {
    text.parse().expect("32 bytes")
}

fn keys(current: &str) -> MasterKeys {
    MasterKeys { current: Some(master(current)), previous: None }
}

#[test]
fn a_master_key_is_32_bytes_in_base64_or_hexadecimal_digits() {
    // Computed with Python's hashlib.
    assert_eq!(master(HEX).id().to_string(), "d63bc2bf");
    for same in [
        &HEX.to_uppercase(),
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
    ] {
        assert_eq!(master(same).id(), master(HEX).id(), "{same}");
    }
    master("_-ECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    for wrong in ["", "hush", &HEX[2..], &format!("{HEX}00"), &HEX.replace('f', "g"), "AAECAwQFBgcICQoLDA0ODw=="] {
        assert_eq!(wrong.parse::<MasterKey>().err(), Some(MasterKeyError), "{wrong}");
    }
}

#[test]
fn a_sealed_key_opens_for_its_target_and_its_master_only() {
    let (ours, theirs) = (keys(HEX), keys(&"5a".repeat(32)));
    let key = "a key, Schlüssel".into();
    let sealed = ours.seal(&"crm-id".into(), &key);
    assert_eq!(ours.open(&"crm-id".into(), &sealed), Ok(key.clone()));
    let id = master(HEX).id().clone();
    assert_eq!(ours.open(&"ldap-id".into(), &sealed), Err(SealError::Damaged(id.clone())));
    assert_eq!(theirs.open(&"crm-id".into(), &sealed), Err(SealError::UnknownMaster(id.clone())));
    assert_eq!(MasterKeys::default().open(&"crm-id".into(), &sealed), Err(SealError::UnknownMaster(id)));
    let during_rotation = MasterKeys { current: theirs.current, previous: ours.current };
    assert_eq!(during_rotation.open(&"crm-id".into(), &sealed), Ok(key));
}

#[test]
fn what_was_changed_does_not_open() {
    let ours = keys(HEX);
    let sealed = ours.seal(&"crm-id".into(), &"a key".into());
    for index in 0..sealed.text.len() {
        let mut text = sealed.text.clone().into_bytes();
        text[index] = if text[index] == b'A' { b'B' } else { b'A' };
        let changed = Sealed { text: String::from_utf8(text).expect("base64"), with: sealed.with.clone() };
        assert!(ours.open(&"crm-id".into(), &changed).is_err(), "at {index}");
    }
    for text in ["", "AAAA", &sealed.text[..sealed.text.len() - 4]] {
        let short = Sealed { text: text.to_owned(), with: sealed.with.clone() };
        assert!(ours.open(&"crm-id".into(), &short).is_err(), "{text}");
    }
}

#[test]
fn the_same_key_is_never_sealed_to_the_same_text() {
    let ours = keys(HEX);
    let one = ours.seal(&"crm-id".into(), &"a key".into());
    assert_ne!(one.text, ours.seal(&"crm-id".into(), &"a key".into()).text);
    assert!(!one.text.contains("a key"));
}

#[test]
fn without_a_master_key_a_key_is_stored_as_it_is_and_read_with_any() {
    let plain = MasterKeys::default().seal(&"crm-id".into(), &"a key".into());
    assert_eq!((plain.text.as_str(), &plain.with), ("a key", &None));
    assert_eq!(keys(HEX).open(&"crm-id".into(), &plain), Ok("a key".into()));
}

#[test]
fn a_web_key_opens_under_its_own_id_only_and_is_no_signing_key() {
    let ours = keys(HEX);
    let (id, other) = ("77".into(), "78".into());
    let sealed = ours.seal_web_key(&id, b"\x30\x82 a private key \xff");
    assert_eq!(ours.open_web_key(&id, &sealed).as_deref().map(Vec::as_slice), Ok(&b"\x30\x82 a private key \xff"[..]));
    let damaged = SealError::Damaged(master(HEX).id().clone());
    assert_eq!(ours.open_web_key(&other, &sealed), Err(damaged.clone()));
    assert_eq!(ours.open(&"77".into(), &sealed), Err(damaged));
    let plain = MasterKeys::default().seal_web_key(&id, b"secret");
    assert_eq!((plain.text.as_str(), &plain.with), ("c2VjcmV0", &None));
    assert_eq!(ours.open_web_key(&id, &plain).as_deref().map(Vec::as_slice), Ok(&b"secret"[..]));
    let damaged = Sealed { text: "c2VjcmV".to_owned(), with: None };
    assert_eq!(ours.open_web_key(&id, &damaged), Err(SealError::Unreadable));
}

#[test]
fn a_master_key_is_never_printed() {
    let text = format!("{:?} {MasterKeyError}", keys(HEX));
    assert!(!text.contains("000102") && !text.contains("[0, 1"), "{text}");
}
