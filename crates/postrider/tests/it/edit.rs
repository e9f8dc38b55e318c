//! Targets and executions set by hand: what is in force afterwards, and what is refused. Nothing is ever half done.

use serde_json::{Value, json};
use test_support::{Behaviour, Receiver};

use crate::{
    process::{Done, Place},
    stored::stored,
};

const CRM: [&str; 5] = ["target", "create", "crm", "--endpoint", "https://crm.example.com/hook?token=hush"];

fn read(done: &Done) -> Value {
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {}{}", done.out, done.err))
}

fn run_json(place: &Place, arguments: &[&str]) -> Value {
    read(&place.run(&[arguments, &["-o", "json"]].concat()))
}

/// A store of three events, a target `demo` and an execution for everything that came from a file, and a target `crm`.
fn with_crm() -> Place {
    let place = stored(3);
    run_json(&place, &CRM);
    place
}

/// Everything that is defined, for seeing that nothing was changed.
fn all(place: &Place) -> [Value; 2] {
    [run_json(place, &["target", "list"]), run_json(place, &["execution", "list"])]
}

/// Wrong usage: a sentence with these words, and nothing is changed.
#[track_caller]
fn refused(place: &Place, arguments: &[&str], words: &str) {
    let before = all(place);
    let done = place.run(arguments);
    assert!(done.code == 2 && done.err.contains(words), "{arguments:?} ended with {}: {}", done.code, done.err);
    assert_eq!(done.out, "", "{arguments:?}");
    assert_eq!(all(place), before, "{arguments:?}");
}

fn get<'a>(list: &'a Value, name: &str) -> &'a Value {
    list.as_array().into_iter().flatten().find(|line| line["name"] == name).unwrap_or(&Value::Null)
}

#[test]
fn a_target_is_created_with_every_flag_and_its_key_is_shown_once() {
    let place = stored(3);
    let flags = [
        "--type=call",
        "--timeout=3s",
        "--ordering=aggregate",
        "--max-in-flight=4",
        "--interrupt-on-error",
        "--start=beginning",
        "--header=X-Tenant=acme=1",
        "--header-env=Authorization=CRM_TOKEN",
        "--exclude=user.human.password.*",
        "--exclude=session.*",
        "--payload=none",
        "--payload-encoding=json",
        "-o=json",
    ];
    let done = place.run_with(&[&CRM[..], &flags].concat(), &[("CRM_TOKEN", "Bearer hush")]);
    let created = read(&done);
    let key = created["signing_key"].as_str().expect("it is shown");
    assert!(done.err.contains("create it with --paused"), "{}", done.err);
    assert!(key.len() == 36 && key.chars().all(|c| c.is_ascii_alphanumeric()), "{key}");
    assert_eq!((&created["target"], &created["changed"]), (&json!("crm"), &json!(true)));
    let shown = place.run(&["target", "get", "crm", "-o", "json"]);
    for secret in [key, "hush", "acme"] {
        assert!(!shown.out.contains(secret), "{}", shown.out);
    }
    let target = read(&shown);
    let expected = json!({
        "type": "call", "endpoint": "https://crm.example.com/hook", "timeout": "3s", "max_in_flight": 4,
        "ordering": "aggregate", "interrupt_on_error": true,
        "start": "beginning", "headers": ["Authorization", "X-Tenant"], "signing_keys": 1, "signing_key_expires_at": null,
        "exclude": ["user.human.password.*", "session.*"], "payload": "none", "payload_encoding": "json",
        "source": "api", "id": created["target_id"],
    });
    for (field, value) in expected.as_object().into_iter().flatten() {
        assert_eq!(target[field], *value, "{field}: {target}");
    }
}

#[test]
fn a_key_from_a_file_is_not_shown_and_a_dry_run_shows_none() {
    let place = stored(3);
    place.write("key", "a key of ours\n");
    let dry = place.run(&[&CRM[..], &["--dry-run", "-o", "json"]].concat());
    let dry = read(&dry);
    assert_eq!((&dry["signing_key"], &dry["target_id"], &dry["changed"]), (&Value::Null, &Value::Null, &json!(false)));
    assert_eq!(dry["changes"][0]["change"], "create");
    assert_eq!(*get(&run_json(&place, &["target", "list"]), "crm"), Value::Null);
    let done = place.run(&[&CRM[..], &["--signing-key-file", "key"]].concat());
    assert!(done.code == 0 && !done.out.contains("a key of ours") && !done.out.contains("signing key"), "{}", done.out);
}

#[test]
fn what_cannot_be_a_target_is_refused() {
    let place = with_crm();
    let create = |name, more: &'static [&'static str]| {
        [&["target", "create", name, "--endpoint", "https://ldap.example.com/"][..], more].concat()
    };
    refused(&place, &CRM, "there is a target \"crm\" already");
    refused(&place, &create("l dap", &[]), "a name is needed, without spaces");
    refused(&place, &create("ldap", &["--timeout", "0s"]), "longer than nothing");
    refused(&place, &create("ldap", &["--max-in-flight", "0"]), "at least 1");
    refused(&place, &create("ldap", &["--start", "1000000"]), "beyond the horizon");
    refused(&place, &create("ldap", &["--start", "soon"]), "is no place in the store");
    refused(&place, &create("ldap", &["--exclude", "user..x"]), "is no event type or group");
    refused(&place, &create("ldap", &["--header", "Host=x"]), "cannot be set by a target");
    refused(&place, &create("ldap", &["--header", "X-Token"]), "--header needs the header's name");
    refused(&place, &create("ldap", &["--header-env", "X-Token=NOWHERE"]), "NOWHERE is not set");
    refused(&place, &create("ldap", &["--signing-key-file", "nowhere"]), "cannot be read");
    refused(&place, &["target", "create", "ldap", "--endpoint", "ftp://x"], "scheme must be http or https");
    let hush = place.run(&["target", "create", "ldap", "--endpoint", "https://me:hush@ldap.example.com/"]);
    assert!(hush.code == 2 && !hush.err.contains("hush") && hush.err.contains("credentials"), "{}", hush.err);
    let hush = place.run(&create("ldap", &["--header", "X=hush\u{1}"]));
    assert!(hush.code == 2 && !hush.err.contains("hush"), "{}", hush.err);
}

#[test]
fn an_update_changes_what_is_given_and_nothing_else() {
    let place = with_crm();
    let before = run_json(&place, &["target", "get", "crm"]);
    let update =
        ["target", "update", "crm", "--name", "billing", "--timeout", "5s", "--header", "X-A=1", "--exclude", "org.*"];
    let done = run_json(&place, &update);
    assert_eq!(
        done["changes"][0]["details"],
        json!(["name: crm -> billing", "timeout: 10s -> 5s", "headers", "exclude"])
    );
    let mut expected = before;
    for (field, value) in [
        ("name", json!("billing")),
        ("timeout", json!("5s")),
        ("headers", json!(["X-A"])),
        ("exclude", json!(["org.*"])),
    ] {
        expected[field] = value;
    }
    assert_eq!(run_json(&place, &["target", "get", "billing"]), expected);
    assert_eq!(place.run(&update[..2].iter().copied().chain(["billing"]).collect::<Vec<_>>()).out, "nothing changes\n");
    run_json(&place, &["target", "update", "billing", "--header", "x-a=2", "--no-exclude"]);
    let target = run_json(&place, &["target", "get", "billing"]);
    assert_eq!((&target["headers"], &target["exclude"]), (&json!(["x-a"]), &json!([])));
    run_json(&place, &["target", "update", "billing", "--remove-header", "X-A"]);
    assert_eq!(run_json(&place, &["target", "get", "billing"])["headers"], json!([]));
    refused(&place, &["target", "update", "billing", "--remove-header", "X-A"], "has no header");
    refused(&place, &["target", "update", "billing", "--name", "demo"], "two targets named \"demo\"");
    refused(&place, &["target", "update", "billing", "--start", "now"], "`postrider cursor seek` moves it");
    refused(&place, &["target", "update", "biling", "--timeout", "1s"], "is \"billing\" meant?");
}

#[test]
fn what_belongs_to_a_file_is_left_to_it() {
    let place = with_crm();
    let words = "came from a file and belongs to it; edit the file and run `postrider apply`";
    refused(&place, &["target", "update", "demo", "--timeout", "1s"], words);
    refused(&place, &["target", "delete", "demo", "--force"], words);
    refused(&place, &["target", "rotate-key", "demo"], words);
    refused(&place, &["execution", "set", "event", "--targets", "crm"], words);
    refused(&place, &["execution", "delete", "event"], words);
    // Nor what the config file has and nobody has applied yet.
    place.write(
        "postrider.toml",
        "[event_store]\nurl = \"sqlite://events.db\"\n[[target]]\nname = \"next\"\nendpoint = \"https://next.example.com\"\n\
         signing_key = \"hush\"\n[[execution]]\ncondition = { group = \"org\" }\ntargets = [\"next\"]\n",
    );
    let next = ["target", "create", "next", "--endpoint", "https://next.example.com/"];
    refused(&place, &next, "postrider.toml defines a target \"next\"");
    refused(&place, &["target", "update", "crm", "--name", "next"], "postrider.toml defines a target \"next\"");
    refused(&place, &["execution", "set", "event/org.*", "--targets", "crm"], words);
}

#[test]
fn a_file_leaves_what_was_set_by_hand_alone() {
    let place = with_crm();
    run_json(&place, &["execution", "set", "event/user.*", "--targets", "crm"]);
    place.write("more.toml", "");
    assert_eq!(place.run(&["apply", "-f", "more.toml", "--prune"]).code, 0);
    let [targets, executions] = all(&place);
    assert_eq!(
        (targets.as_array().map(Vec::len), executions.as_array().map(Vec::len)),
        (Some(1), Some(1)),
        "{executions}"
    );
    place.write("more.toml", "[[execution]]\ncondition = { group = \"user\" }\ntargets = []\n");
    refused(&place, &["apply", "-f", "more.toml"], "the execution event/user.* was not set by a file");
    place.write(
        "more.toml",
        "[[target]]\nname = \"crm\"\nendpoint = \"https://x.example.com\"\nsigning_key = \"hush\"\n",
    );
    refused(&place, &["apply", "-f", "more.toml"], "was not created by a file");
}

#[test]
fn a_target_that_is_called_is_deleted_by_force_only() {
    let place = with_crm();
    run_json(&place, &["target", "create", "ldap", "--endpoint", "https://ldap.example.com/"]);
    run_json(&place, &["execution", "set", "event/user.*", "--targets", "crm,ldap"]);
    run_json(&place, &["execution", "set", "event/org.*", "--targets", "crm", "--instance", "1"]);
    refused(
        &place,
        &["target", "delete", "crm"],
        "executions name the target \"crm\" (event/org.* on 1, event/user.*)",
    );
    let before = all(&place);
    let dry = run_json(&place, &["target", "delete", "crm", "--force", "--dry-run"]);
    assert_eq!((dry["changes"].as_array().map(Vec::len), all(&place)), (Some(3), before));
    let done = place.run(&["target", "delete", "crm", "--force"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.err.contains("event/org.* on 1 has no targets any more"), "{}", done.err);
    let executions = run_json(&place, &["execution", "list"]);
    let targets: Vec<_> = executions.as_array().into_iter().flatten().map(|line| line["targets"].clone()).collect();
    assert_eq!(targets, [json!(["demo"]), json!([]), json!(["ldap"])]);
    run_json(&place, &["execution", "delete", "event/user.*"]);
    run_json(&place, &["target", "delete", "ldap"]);
    assert_eq!(run_json(&place, &["target", "list"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn an_execution_is_set_reordered_and_removed() {
    let place = with_crm();
    run_json(&place, &["target", "create", "ldap", "--endpoint", "https://ldap.example.com/"]);
    let set = |targets: &str| run_json(&place, &["execution", "set", "event/user.human.*", "--targets", targets]);
    let targets = || run_json(&place, &["execution", "list"])[1]["targets"].clone();
    assert_eq!(set("crm, ldap")["changes"][0]["change"], "create");
    assert_eq!(targets(), json!(["crm", "ldap"]));
    assert_eq!(set("crm,ldap")["changes"], json!([]));
    assert_eq!(set("ldap,crm,include:event")["changes"][0]["details"], json!(["targets"]));
    assert_eq!(targets(), json!(["ldap", "crm", { "include": "event" }]));
    let by_name = ["execution", "set", "event/user.removed", "--targets", "include:user.human", "--exclude", "user.x"];
    run_json(&place, &by_name);
    let list = run_json(&place, &["execution", "list"]);
    assert_eq!(list[2]["targets"], json!([{ "include": "event/user.human.*" }]));
    assert_eq!(
        (&list[2]["exclude"], &list[2]["source"], &list[0]["source"]),
        (&json!(["user.x"]), &json!("api"), &json!("file"))
    );
    refused(
        &place,
        &["execution", "delete", "event/user.human.*"],
        "includes event/user.human.*, which has no execution",
    );
    refused(&place, &["execution", "delete", "event/org.*"], "there is no execution event/org.*");
    refused(&place, &["execution", "delete", "event/user.removed", "--instance", "1"], "there is event/user.removed");
    let dry = run_json(&place, &["execution", "delete", "event/user.removed", "--dry-run"]);
    assert_eq!((&dry["changes"][0]["change"], &dry["changed"]), (&json!("remove"), &json!(false)));
    run_json(&place, &["execution", "delete", "event/user.removed"]);
    run_json(&place, &["execution", "delete", "event/user.human.*"]);
    assert_eq!(run_json(&place, &["execution", "list"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn includes_that_do_not_hold_together_are_refused_when_they_are_set() {
    let place = with_crm();
    let set = |condition: &str, targets: &str| {
        run_json(&place, &["execution", "set", condition, "--targets", targets]);
    };
    let no = |condition: &str, targets: &str, words: &str| {
        refused(&place, &["execution", "set", condition, "--targets", targets], words);
    };
    set("event/d", "crm");
    set("event/c", "include:event/d");
    set("event/b", "include:event/c");
    set("event/a", "include:event/b");
    no("event/z", "include:event/a", "the execution event/z includes more than 3 levels deep");
    no("event/d", "crm,include:event/a", "includes itself");
    no("event/d", "include:event/d", "the execution event/d includes itself");
    no("event/e", "include:event/nowhere", "includes event/nowhere, which has no execution");
    no("event/e", "include:nowhere", "includes event/nowhere.*, which has no execution");
    no("event/e", "crn", "names the target \"crn\", which is not there; is \"crm\" meant?");
    no("event/e", "include:request/zitadel.session.v2.SessionService", "is a condition of ZITADEL's API");
    no("event/e", "include:response", "is a condition of ZITADEL's API");
    no("event/e", "include:function/preuserinfo", "is a condition of ZITADEL's API");
    for kind in ["request", "response/x", "function/preuserinfo"] {
        no(kind, "crm", "is a condition of ZITADEL's API, not of its events");
    }
    for wrong in ["events", "event/", "event/*", "event/user..x", "user.human.added"] {
        refused(&place, &["execution", "set", wrong, "--targets", "crm"], "is no ");
    }
    set("event/d.*", "crm");
    no("event/e", "include:d", "write event/d or event/d.*");
    set("event/e", "include:event/d.*");
}

#[test]
fn passwords_are_warned_of_once_they_would_be_sent() {
    let place = with_crm();
    let warned = place.run(&["execution", "set", "event/user.*", "--targets", "crm"]);
    assert!(warned.code == 0 && warned.err.contains("password hashes and tokens"), "{}", warned.err);
    let later = place.run(&["target", "update", "crm", "--timeout", "1s"]);
    assert_eq!((later.code, later.err.as_str()), (0, ""), "it was said before");
    let refused = place.run(&["target", "update", "crm", "--endpoint", "http://127.0.0.1:9/"]);
    assert!(refused.code == 0 && refused.err.contains("are refused"), "{}", refused.err);
}

#[test]
fn a_test_call_is_signed_and_tells_what_came_of_it() {
    let place = stored(3);
    let receiver = Receiver::ok();
    let create = ["target", "create", "crm", "--endpoint", &receiver.url(), "--type", "async"];
    let key = run_json(&place, &create)["signing_key"].as_str().expect("it is shown").to_owned();
    let guarded = place.run(&["target", "test", "crm", "-o", "json"]);
    let said: Value = serde_json::from_str(&guarded.out).expect("JSON");
    assert_eq!((guarded.code, &said["outcome"], &said["status"]), (1, &json!("unavailable"), &Value::Null), "{said}");
    assert_eq!(receiver.count(), 0, "the guard refuses it");

    let allowed = "[event_store]\nurl = \"sqlite://events.db\"\n[delivery.egress]\nallow = [\"127.0.0.1\"]\n";
    place.write("postrider.toml", allowed);
    let said = run_json(&place, &["target", "test", "crm"]);
    assert_eq!((&said["outcome"], &said["status"], &said["error"]), (&json!("delivered"), &json!(200), &Value::Null));
    assert!(said["duration_ms"].is_u64(), "{said}");
    let arrival = receiver.arrivals().remove(0);
    arrival.verify(&[key.as_str().into()]).expect("it is signed with the key that was shown");
    let body = arrival.json();
    assert_eq!((&body["aggregateType"], &body["event_type"]), (&json!("postrider.test"), &json!("postrider.test")));
    assert_eq!(arrival.header("webhook-id"), said["webhook_id"].as_str());

    receiver.behave(|_, _| Behaviour::from(500));
    let failed = place.run(&["target", "test", "crm", "--event-type", "user.human.added"]);
    assert!(failed.code == 1 && failed.out.starts_with("failed: answered 500"), "{}", failed.out);
    assert_eq!(receiver.arrivals()[1].event_type().as_str(), "user.human.added");
    assert_eq!(place.run(&["target", "test", "crm", "--event-type", "no type"]).code, 2);
    assert_eq!(run_json(&place, &["failed", "list"]), json!([]), "it is no event of the store");
}
