//! Public keys of targets and web keys, as an operator handles them.

use serde_json::{Value, json};

use crate::{
    process::{Done, Place},
    stored::stored,
};

/// Made with openssl; nobody has their private halves.
const ON_P256: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEARDDRX+FlW389Tay66nbqcIHQcGr
peaHkRycYKZh1PnZWBT+OdkJ8uYEAvHQo5oPLiMkFDWrqcXTesB0mPvaBA==
-----END PUBLIC KEY-----
";
const ED25519: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAy4RqozYK4A4bv3onwp3fv0BxQQqmmxbvuiHaKNiIqc4=
-----END PUBLIC KEY-----
";
const FINGERPRINT: &str = "SHA256:L3hz/BDufzuw4EEAK3I16Fw2cvT/1ePu0vnAX2Y3m+k";

fn json_of(done: &Done) -> Value {
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {}{}", done.out, done.err))
}

fn run(place: &Place, arguments: &[&str]) -> String {
    let done = place.run(arguments);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    done.out
}

fn run_json(place: &Place, arguments: &[&str]) -> Value {
    let done = place.run(&[arguments, &["-o", "json"]].concat());
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    json_of(&done)
}

#[track_caller]
fn fails(place: &Place, arguments: &[&str], code: i32, words: &str) {
    let done = place.run(arguments);
    assert!(done.code == code && done.err.contains(words), "{arguments:?} ended with {}: {}", done.code, done.err);
    assert!(!done.err.contains("MFkw") && !done.err.contains("hush"), "{}", done.err);
}

/// A store with the target `demo`, and a file with a key.
fn with_key() -> Place {
    let place = stored(3);
    place.write("key.pem", ON_P256);
    place
}

#[test]
fn a_key_is_added_activated_and_taken_away() {
    let place = with_key();
    assert_eq!(run(&place, &["target", "key", "list", "demo"]), "no public keys\n");
    let dry = run(&place, &["target", "key", "add", "demo", "--file", "key.pem", "--dry-run"]);
    assert_eq!(
        dry,
        format!("the key (EC P-256, {FINGERPRINT}) would be added to demo (dry run: nothing was changed)\n")
    );

    let added = run_json(
        &place,
        &["target", "key", "add", "demo", "--file", "key.pem", "--expires-at", "2199-01-01T00:00:00Z"],
    );
    let id = added["key"]["id"].as_str().expect("it has an id").to_owned();
    assert_eq!(
        (&added["target"], &added["target_id"], &added["dry_run"]),
        (&json!("demo"), &json!("demo-id"), &json!(false))
    );
    let listed = run_json(&place, &["target", "key", "list", "demo"]);
    assert_eq!(listed, json!([added["key"]]));
    let key = &listed[0];
    assert_eq!(
        (&key["type"], &key["fingerprint"], &key["active"], &key["expired"], &key["expires_at"], &key["public_key"]),
        (
            &json!("EC P-256"),
            &json!(FINGERPRINT),
            &json!(false),
            &json!(false),
            &json!("2199-01-01T00:00:00Z"),
            &json!(ON_P256)
        )
    );

    let said = run(&place, &["target", "key", "activate", "demo", &id, "--reason", "the CRM can read it"]);
    assert!(
        said.starts_with(&format!("bodies for demo are encrypted for the key {id}; its bodies are not encrypted yet")),
        "{said}"
    );
    let table = run(&place, &["target", "key", "list", "demo"]);
    assert!(
        table.contains("active") && table.contains(FINGERPRINT) && table.contains("2199-01-01T00:00:00Z"),
        "{table}"
    );
    fails(
        &place,
        &["target", "key", "remove", "demo", &id],
        1,
        "is active; activate another one or deactivate it first",
    );
    run(&place, &["target", "key", "deactivate", "demo", &id]);
    run(&place, &["target", "key", "remove", "demo", &id, "--dry-run"]);
    assert_eq!(run(&place, &["target", "key", "remove", "demo", &id]), format!("the key {id} of demo is removed\n"));
    assert_eq!(run_json(&place, &["target", "key", "list", "demo"]), json!([]));
    let acts = run_json(&place, &["audit", "--act", "target.*"]);
    let acts: Vec<_> =
        acts.as_array().into_iter().flatten().map(|act| (act["act"].clone(), act["reason"].clone())).collect();
    let acts: Vec<_> = acts.iter().map(|(act, reason)| (act.as_str().unwrap_or_default(), reason.as_str())).collect();
    assert_eq!(
        acts[..4],
        [
            ("target.remove_public_key", None),
            ("target.deactivate_public_key", None),
            ("target.activate_public_key", Some("the CRM can read it")),
            ("target.add_public_key", None),
        ]
    );
}

#[test]
fn what_is_no_key_of_a_receiver_is_wrong_usage_and_is_not_repeated() {
    let place = with_key();
    let add = |file: &'static str| ["target", "key", "add", "demo", "--file", file];
    place.write("private.pem", &ON_P256.replace("PUBLIC", "PRIVATE")).write("ed.pem", ED25519).write("text", "hush");
    fails(
        &place,
        &add("private.pem"),
        2,
        "the key in private.pem: this is a private key, which stays with the receiver",
    );
    fails(&place, &add("ed.pem"), 2, "must be RSA, or on one of the curves P-256, P-384 and P-521");
    fails(&place, &add("text"), 2, "a PEM is needed, which begins with -----BEGIN PUBLIC KEY-----");
    fails(&place, &add("nowhere"), 1, "the key in nowhere");
    fails(
        &place,
        &["target", "key", "add", "demo", "--file", "key.pem", "--expires-at", "2020-01-01T00:00:00Z"],
        2,
        "would have expired already",
    );
    fails(&place, &["target", "key", "add", "dem", "--file", "key.pem"], 2, "is \"demo\" meant?");
    for act in ["activate", "deactivate", "remove"] {
        fails(
            &place,
            &["target", "key", act, "demo", "7"],
            2,
            "demo has no public key \"7\"; `postrider target key list demo`",
        );
    }
    assert_eq!(run_json(&place, &["target", "key", "list", "demo"]), json!([]));
}

#[test]
fn web_keys_are_rotated_and_listed() {
    let place = stored(3);
    let none = run(&place, &["key", "list-web"]);
    assert!(none.starts_with("no web keys; a daemon makes the first one"), "{none}");
    assert_eq!(run_json(&place, &["key", "list-web", "--jwks"]), json!({ "keys": [] }));
    let dry = run_json(&place, &["key", "rotate-web", "--dry-run"]);
    assert_eq!((&dry["id"], &dry["state"], &dry["dry_run"]), (&Value::Null, &json!("active"), &json!(true)));
    let first = run_json(&place, &["key", "rotate-web"]);
    assert_eq!((&first["state"], &first["active_at"]), (&json!("active"), &first["created_at"]));
    let said = run(&place, &["key", "rotate-web", "--reason", "a year has passed"]);
    assert!(said.starts_with("JWTs are signed with the key ") && said.contains(" on; it is published"), "{said}");
    let listed = run_json(&place, &["key", "list-web"]);
    assert_eq!(
        (&listed[0]["id"], &listed[0]["state"], &listed[1]["state"]),
        (&first["id"], &json!("active"), &json!("next"))
    );
    assert_eq!(listed[0]["retired_at"], listed[1]["active_at"]);
    let set = run_json(&place, &["key", "list-web", "--jwks"]);
    assert_eq!(json_of(&place.run(&["key", "list-web", "--jwks"])), set, "it is JSON either way");
    assert_eq!((&set["keys"][0]["kid"], &set["keys"][1]["kid"]), (&listed[0]["id"], &listed[1]["id"]));
    assert!(set["keys"][0]["n"].as_str().is_some_and(|n| n.len() == 342) && set["keys"][0].get("d").is_none(), "{set}");
    let only = run_json(&place, &["key", "rotate-web", "--replace"]);
    assert_eq!(run_json(&place, &["key", "list-web"])[0]["id"], only["id"]);
    fails(&place, &["key", "rotate-web", "--replace", "--grace", "1h"], 2, "cannot be used with");
}

#[test]
fn a_target_says_what_its_bodies_are_encrypted_for() {
    let place = with_key();
    run_json(&place, &["target", "create", "crm", "--endpoint", "https://crm.example.com/", "--payload-type", "jwe"]);
    let without = run_json(&place, &["target", "get", "crm"]);
    assert_eq!((&without["payload_type"], &without["public_key"]), (&json!("jwe"), &Value::Null));
    let said = run(&place, &["target", "key", "add", "crm", "--file", "key.pem", "--activate"]);
    assert!(said.ends_with("is added to crm, and bodies are encrypted for it\n"), "{said}");
    let id = run_json(&place, &["target", "key", "list", "crm"])[0]["id"].clone();
    assert_eq!(run_json(&place, &["target", "get", "crm"])["public_key"], id);
    // A change of the target leaves its keys.
    run_json(&place, &["target", "update", "crm", "--timeout", "1s"]);
    assert_eq!(run_json(&place, &["target", "get", "crm"])["public_key"], id);
    let test = place.run(&["target", "test", "crm"]);
    assert!(
        test.code == 1 && test.out.contains("not sent: there is no key to sign JWTs with yet"),
        "{}{}",
        test.out,
        test.err
    );
}
