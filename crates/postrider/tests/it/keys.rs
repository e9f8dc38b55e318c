//! Master keys and signing keys, as an operator handles them. No secret is ever on standard error.

use serde_json::{Value, json};

use crate::{
    process::{Done, Place},
    stored::stored,
};

const OLD: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const NEW: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn under(place: &Place, state: &str) {
    place.write("postrider.toml", &format!("[event_store]\nurl = \"sqlite://events.db\"\n[state]\n{state}\n"));
}

fn json_of(done: &Done) -> Value {
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {}{}", done.out, done.err))
}

fn run_json(place: &Place, arguments: &[&str]) -> Value {
    let done = place.run(&[arguments, &["-o", "json"]].concat());
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    json_of(&done)
}

/// A store with the target `demo` of a file and `crm` of the command line, keys as they are.
fn with_crm() -> Place {
    let place = stored(3);
    run_json(&place, &["target", "create", "crm", "--endpoint", "https://crm.example.com/"]);
    place
}

#[track_caller]
fn fails(place: &Place, arguments: &[&str], code: i32, words: &str) {
    let done = place.run(arguments);
    assert!(done.code == code && done.err.contains(words), "{arguments:?} ended with {}: {}", done.code, done.err);
    assert!(![OLD, NEW, "hush"].iter().any(|secret| done.err.contains(secret)), "{}", done.err);
}

#[test]
fn keys_are_encrypted_and_come_under_another_master_key() {
    let place = with_crm();
    fails(&place, &["key", "rotate-master"], 2, "there is no master key to encrypt with; set state.master_key");

    under(&place, &format!("master_key = \"{OLD}\""));
    let check = place.run(&["check", "-o", "json"]);
    assert!(check.out.contains("2 signing keys are not encrypted; `postrider key rotate-master`"), "{}", check.out);
    let dry = run_json(&place, &["key", "rotate-master", "--dry-run"]);
    assert_eq!((&dry["rotated"], &dry["plain"], &dry["dry_run"]), (&json!(2), &json!(2), &json!(true)));
    let done = place.run(&["key", "rotate-master"]);
    assert!(done.code == 0 && done.out.starts_with("2 signing keys are encrypted anew"), "{}{}", done.out, done.err);
    assert!(!place.run(&["check"]).out.contains("not encrypted"));

    under(&place, "");
    fails(&place, &["target", "list"], 1, "is encrypted with the master key ");
    fails(&place, &["target", "list"], 1, "set it as state.master_key");
    fails(&place, &["run"], 1, "is encrypted with the master key ");
    under(&place, &format!("master_key = \"{NEW}\""));
    fails(&place, &["key", "rotate-master"], 1, "set it as state.master_key, or as state.previous_master_key");
    let check = place.run(&["check"]);
    assert!(check.code == 1 && check.out.contains("is encrypted with the master key"), "{}", check.out);

    place.write("old-key", &format!("{OLD}\n"));
    under(&place, &format!("master_key = \"{NEW}\"\nprevious_master_key_file = \"old-key\""));
    assert_eq!(run_json(&place, &["target", "list"]).as_array().map(Vec::len), Some(2));
    let rotated = run_json(&place, &["key", "rotate-master"]);
    assert_eq!((&rotated["rotated"], &rotated["previous"]), (&json!(2), &json!(2)));
    under(&place, &format!("master_key = \"{NEW}\""));
    let again = run_json(&place, &["key", "rotate-master"]);
    assert_eq!((&again["rotated"], &again["unchanged"]), (&json!(0), &json!(2)));
    run_json(&place, &["target", "update", "crm", "--timeout", "1s"]);
}

#[test]
fn a_lost_master_key_is_got_over_by_new_signing_keys() {
    let place = with_crm();
    under(&place, &format!("master_key = \"{OLD}\""));
    run_json(&place, &["key", "rotate-master"]);
    under(&place, &format!("master_key = \"{NEW}\""));
    assert_eq!(run_json(&place, &["delivery", "list"]), json!([]), "what was sent is seen all the same");
    assert_eq!(run_json(&place, &["failed", "list"]), json!([]));
    fails(&place, &["target", "rotate-key", "crm"], 1, "is encrypted with the master key");
    fails(&place, &["target", "update", "crm", "--timeout", "1s"], 1, "is encrypted with the master key");
    run_json(&place, &["target", "rotate-key", "crm", "--grace", "0s"]);
    place.write(
        "more.toml",
        "[[target]]\nname = \"demo\"\nendpoint = \"http://127.0.0.1:9/\"\nsigning_key = \"hush\"\n\
         [[execution]]\ncondition = { all = true }\ntargets = [\"demo\"]\n",
    );
    fails(&place, &["apply", "-f", "more.toml"], 1, "is encrypted with the master key");
    let replaced = place.run(&["apply", "-f", "more.toml", "--replace-keys"]);
    assert!(replaced.code == 0 && replaced.out.contains("signing_key"), "{}{}", replaced.out, replaced.err);
    assert_eq!(run_json(&place, &["target", "list"]).as_array().map(Vec::len), Some(2));
}

#[test]
fn a_rotated_key_ends_after_its_grace() {
    let place = with_crm();
    let dry = run_json(&place, &["target", "rotate-key", "crm", "--grace", "1h", "--dry-run"]);
    assert_eq!((&dry["signing_key"], &dry["changes"][0]["details"]), (&Value::Null, &json!(["signing_key"])));
    let rotated = run_json(&place, &["target", "rotate-key", "crm", "--grace", "1h"]);
    let key = rotated["signing_key"].as_str().expect("it is shown");
    assert!(key.len() == 36, "{key}");
    let target = place.run(&["target", "get", "crm", "-o", "json"]);
    assert!(!target.out.contains(key), "{}", target.out);
    let target = json_of(&target);
    assert_eq!(target["signing_keys"], 2);
    assert_eq!(target["signing_key_expires_at"], rotated["previous_expires_at"]);
    assert!(rotated["previous_expires_at"].is_string(), "{rotated}");

    place.write("key", key);
    fails(&place, &["target", "rotate-key", "crm", "--signing-key-file", "key"], 2, "with this key already");
    place.write("key", "a key of ours\n");
    let ended = run_json(&place, &["target", "rotate-key", "crm", "--grace", "0s", "--signing-key-file", "key"]);
    assert_eq!((&ended["signing_key"], &ended["previous_expires_at"]), (&Value::Null, &Value::Null));
    assert_eq!(run_json(&place, &["target", "get", "crm"])["signing_keys"], 1);
    fails(&place, &["target", "rotate-key", "crm", "--grace", "90000000y"], 2, "--grace");
    fails(&place, &["target", "rotate-key", "crm", "--grace", "5"], 2, "--grace");
}

#[test]
fn what_is_no_master_key_is_wrong_configuration_and_is_not_repeated() {
    let place = stored(3);
    let list = ["target", "list"];
    for wrong in ["hush", "aHVzaA==", &OLD[1..], &format!("{OLD}aa")] {
        under(&place, &format!("master_key = \"{wrong}\""));
        let done = place.run(&list);
        assert!(done.code == 2 && done.err.contains("state.master_key: a master key is 32 bytes"), "{}", done.err);
        assert!(!done.err.contains(wrong), "{}", done.err);
    }
    under(&place, "master_key = 17");
    fails(&place, &list, 2, "state.master_key: a number does not fit");
    under(&place, "master_key_env = \"NOWHERE\"");
    fails(&place, &list, 2, "state.master_key_env: the environment variable NOWHERE is not set");
    under(&place, &format!("master_key = \"{OLD}\"\nmaster_key_file = \"x\""));
    fails(&place, &list, 2, "state.master_key_file: state.master_key is set as well; keep one of them");
    under(&place, &format!("previous_master_key = \"{OLD}\""));
    fails(&place, &list, 2, "state.previous_master_key: it is what keys were encrypted with before");
}

#[test]
fn a_master_key_of_the_environment_stands_instead_of_the_files() {
    let place = with_crm();
    under(&place, "master_key_file = \"nowhere\"");
    let environment = [("POSTRIDER_STATE__MASTER_KEY", "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo=")];
    let done = place.run_with(&["key", "rotate-master", "-o", "json"], &environment);
    assert_eq!(done.code, 0, "{}", done.err);
    under(&place, &format!("master_key = \"{OLD}\""));
    assert_eq!(run_json(&place, &["key", "rotate-master"])["unchanged"], 2, "base64 and digits are the same key");
}
