//! Operators' commands on a store that a daemon has served.

use serde_json::Value;

use crate::{
    process::{Done, Place},
    stored,
};

const DEFINITIONS: &str = r#"
[[target]]
name = "crm"
endpoint = "https://crm.example.com/?token=hush"
signing_key = { env = "CRM_KEY" }
start = "beginning"

[[target]]
name = "ldap"
endpoint = "https://ldap.example.com/"
signing_key = "hush"

[[execution]]
condition = { event = "user.human.added" }
targets = ["crm", "ldap"]

[[execution]]
condition = { all = true }
targets = ["ldap"]
"#;

/// A store of five events, and definitions beside it.
fn stored() -> Place {
    let place = stored::stored(5);
    place.write("more.toml", DEFINITIONS);
    place
}

fn json(done: &Done) -> Value {
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {}{}", done.out, done.err))
}

fn apply(place: &Place, more: &[&str]) -> Done {
    let mut arguments = vec!["apply", "-f", "more.toml"];
    arguments.extend(more);
    place.run_with(&arguments, &[("CRM_KEY", "hush")])
}

#[test]
fn a_file_is_applied_once() {
    let place = stored();
    insta::assert_snapshot!("apply_dry_run", apply(&place, &["--dry-run"]).out);
    let first = apply(&place, &[]);
    assert_eq!(first.code, 0, "{}", first.err);
    insta::assert_snapshot!("apply_warning", first.err);
    assert_eq!(apply(&place, &[]).out, "nothing changes\n");
    insta::assert_snapshot!("execution_list", place.run(&["execution", "list"]).out);
    insta::assert_snapshot!("explain", place.run(&["explain", "user.human.added"]).out);
}

#[test]
fn what_a_file_no_longer_has_stays_until_it_is_pruned() {
    let place = stored();
    assert_eq!(apply(&place, &[]).code, 0);
    place.write("more.toml", "");
    assert_eq!(apply(&place, &[]).out, "nothing changes\n");
    assert_eq!(apply(&place, &["--prune"]).code, 0);
    assert_eq!(json(&place.run(&["target", "list", "-o", "json"])), serde_json::json!([]));
}

#[test]
fn a_missing_signing_key_is_wrong_configuration_and_changes_nothing() {
    let place = stored();
    let done = place.run(&["apply", "-f", "more.toml"]);
    assert_eq!(done.code, 2);
    insta::assert_snapshot!("apply_without_key", done.err);
    assert_eq!(json(&place.run(&["target", "list", "-o", "json"])).as_array().map(Vec::len), Some(1));
}

#[test]
fn cursors_are_listed_with_the_promised_names() {
    let place = stored();
    let cursors = json(&place.run(&["cursor", "list", "--count", "-o", "json"]));
    let cursor = &cursors[0];
    let names: Vec<_> = cursor.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "target",
            "target_id",
            "instance_id",
            "state",
            "position",
            "in_tx_order",
            "aggregate_type",
            "aggregate_id",
            "sequence",
            "event_date",
            "last_updated",
            "lag_events",
            "lag_seconds",
            "failed_events",
            "worker",
            "reason"
        ]
    );
    assert!(cursor["position"].is_string() && cursor["lag_events"].is_u64(), "{cursor}");
}

#[test]
fn a_cursor_is_moved_back_and_to_the_end() {
    let place = stored();
    let moved = json(&place.run(&["cursor", "seek", "demo", "--to", "2", "-o", "json"]));
    assert_eq!(moved[0]["to"], "before 2");
    let cursor = json(&place.run(&["cursor", "show", "demo", "--count", "-o", "json"]));
    assert!(cursor[0]["lag_seconds"].as_f64().is_some_and(|lag| lag > 0.0), "{cursor}");
    assert_eq!(cursor[0]["epoch"].as_i64(), Some(2), "{cursor}");
    assert_eq!(place.run(&["cursor", "seek", "demo", "--to", "now"]).code, 0);
    let cursor = json(&place.run(&["cursor", "show", "demo", "--count", "-o", "json"]));
    assert_eq!((&cursor[0]["lag_events"], cursor[0]["lag_seconds"].as_f64()), (&0.into(), Some(0.0)), "{cursor}");
}

#[test]
fn nothing_is_moved_in_a_dry_run_or_beyond_the_horizon() {
    let place = stored();
    let before = json(&place.run(&["cursor", "show", "demo", "-o", "json"]))[0]["position"].clone();
    assert_eq!(place.run(&["cursor", "seek", "demo", "--to", "beginning", "--dry-run"]).code, 0);
    let beyond = place.run(&["cursor", "seek", "demo", "--to", "1000000"]);
    assert!(beyond.code == 2 && beyond.err.contains("beyond the horizon"), "{}", beyond.err);
    assert_eq!(json(&place.run(&["cursor", "show", "demo", "-o", "json"]))[0]["position"], before);
}

#[test]
fn a_target_that_would_start_beyond_the_horizon_is_refused() {
    let place = stored();
    let beyond = DEFINITIONS.replace("start = \"beginning\"", "start = \"1000000\"");
    place.write("more.toml", &beyond);
    let done = apply(&place, &[]);
    assert!(done.code == 2 && done.err.contains("beyond the horizon"), "{}", done.err);
    assert_eq!(json(&place.run(&["target", "list", "-o", "json"])).as_array().map(Vec::len), Some(1));
}

#[test]
fn the_event_at_the_head_is_skipped_then_retried_or_discarded() {
    let place = stored();
    assert_eq!(place.run(&["cursor", "seek", "demo", "--to", "1"]).code, 0);
    let skipped = json(&place.run(&["cursor", "skip", "demo", "-o", "json"]));
    assert_eq!(skipped["position"], "1");
    let failed = json(&place.run(&["failed", "list", "-o", "json"]));
    assert_eq!((&failed[0]["status"], &failed[0]["target"]), (&"parked".into(), &"demo".into()), "{failed}");
    assert_eq!(json(&place.run(&["failed", "retry", "demo", "--all", "-o", "json"]))["retried"], 1);
    assert_eq!(json(&place.run(&["failed", "list", "-o", "json"]))[0]["status"], "retrying");
    assert_eq!(place.run(&["failed", "retry", "demo"]).code, 2);
    let nobody = ["failed", "discard", "demo", "--aggregate", "nobody", "--sequence", "1", "--reason", "gone"];
    assert_eq!(place.run(&nobody).code, 1);
}

#[test]
fn a_paused_target_is_listed_as_paused() {
    let place = stored();
    assert_eq!(place.run(&["target", "pause", "demo"]).out, "demo is paused\n");
    assert_eq!(json(&place.run(&["cursor", "list", "-o", "json"]))[0]["state"], "paused");
    assert_eq!(place.run(&["target", "resume", "demo"]).out, "demo is active\n");
    let unknown = place.run(&["target", "pause", "demmo"]);
    assert!(unknown.code == 2 && unknown.err.contains("is \"demo\" meant?"), "{}", unknown.err);
}

#[test]
fn a_check_finds_an_endpoint_that_is_refused() {
    let place = stored();
    let done = place.run(&["check", "-o", "json"]);
    assert_eq!(done.code, 1, "{}", done.out);
    let findings = json(&done);
    let refused = findings.as_array().into_iter().flatten().find(|finding| finding["subject"] == "target demo");
    assert!(refused.is_some_and(|finding| finding["severity"] == "error"), "{findings}");
    place.write(
        "postrider.toml",
        "[event_store]\nurl = \"sqlite://events.db\"\n[delivery.egress]\nallow = [\"127.0.0.1\"]\n",
    );
    assert_eq!(place.run(&["check"]).code, 0);
}

#[test]
fn a_state_that_is_not_there_is_asked_to_be_made() {
    let place = Place::new();
    place.write("postrider.toml", "[event_store]\nurl = \"sqlite://events.db\"\n");
    let done = place.run(&["cursor", "list"]);
    assert_eq!(done.code, 1);
    assert!(done.err.contains("postrider migrate"), "{}", done.err);
}

#[test]
fn limits_are_set_shown_and_taken_away_by_hand() {
    let place = stored();
    let get = || {
        let target = json(&place.run(&["target", "get", "hand", "-o", "json"]));
        ["rate_limit", "rate_burst", "max_request", "max_answer"].map(|field| target[field].clone())
    };
    let create = ["target", "create", "hand", "--endpoint", "https://crm.example.com/", "--rate-limit", "600/m"];
    let created = place.run(&[&create[..], &["--rate-burst", "3", "--max-request", "256KiB"]].concat());
    assert_eq!(created.code, 0, "{}", created.err);
    assert_eq!(get(), ["600/m".into(), 3.into(), 262_144.into(), serde_json::Value::Null]);
    let changed = place.run(&["target", "update", "hand", "--rate-limit", "10/s", "--max-answer", "1024"]);
    assert_eq!(changed.code, 0, "{}", changed.err);
    assert_eq!(get(), ["10/s".into(), serde_json::Value::Null, 262_144.into(), 1024.into()]);
    let taken = place.run(&["target", "update", "hand", "--rate-limit", "none", "--max-request", "none"]);
    assert_eq!(taken.code, 0, "{}", taken.err);
    let nothing = serde_json::Value::Null;
    assert_eq!(get(), [nothing.clone(), nothing.clone(), nothing, 1024.into()]);
    for wrong in [["--rate-limit", "fast"], ["--max-answer", "2MiB"], ["--max-request", "a lot"], ["--rate-burst", "3"]]
    {
        let refused = place.run(&[&["target", "update", "hand"], &wrong[..]].concat());
        assert_eq!(refused.code, 2, "{wrong:?}: {}", refused.err);
    }
}
