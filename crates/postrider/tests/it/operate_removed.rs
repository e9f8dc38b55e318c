//! What a target leaves behind that was removed.

use serde_json::{Value, json};

use crate::{process::Place, stored::stored};

fn asked(place: &Place, arguments: &[&str]) -> Value {
    let done = place.run(&[arguments, &["-o", "json"]].concat());
    assert_eq!(done.code, 0, "{arguments:?}: {}", done.err);
    serde_json::from_str(&done.out).expect("it is JSON")
}

#[test]
fn a_removed_target_is_found_by_its_id_and_its_failed_events_are_discarded() {
    let place = stored(5);
    assert_eq!(place.run(&["cursor", "seek", "demo", "--to", "2"]).code, 0);
    assert_eq!(place.run(&["cursor", "skip", "demo"]).code, 0);
    assert_eq!(asked(&place, &["cursor", "list", "--removed"]), json!([]));
    place.write("none.toml", "");
    let pruned = place.run(&["apply", "-f", "none.toml", "--prune"]);
    assert_eq!(pruned.code, 0, "{}", pruned.err);

    assert_eq!(asked(&place, &["cursor", "list"]), json!([]));
    assert_eq!(asked(&place, &["failed", "list"]), json!([]));
    let cursor = asked(&place, &["cursor", "list", "--removed"])[0].clone();
    assert_eq!((&cursor["target"], &cursor["target_id"]), (&"demo".into(), &"demo-id".into()));
    assert!(cursor["removed_at"].is_string() && cursor["position"] == "2", "{cursor}");
    let failed = asked(&place, &["failed", "list", "--removed"]);
    assert_eq!((&failed[0]["target"], &failed[0]["position"]), (&"demo".into(), &"2".into()));
    assert!(failed[0]["removed_at"].is_string(), "{failed}");
    assert_eq!(asked(&place, &["failed", "list", "demo-id"]), failed);
    assert_eq!(asked(&place, &["cursor", "show", "demo-id"])[0]["target_id"], "demo-id");

    let by_name = place.run(&["failed", "discard", "demo", "--all", "--reason", "x"]);
    assert!(
        by_name.code == 2 && by_name.err.contains("was removed") && by_name.err.contains("demo-id"),
        "{}",
        by_name.err
    );
    let retried = place.run(&["failed", "retry", "demo-id", "--all"]);
    assert!(retried.code == 2 && retried.err.contains("nothing is sent to it any more"), "{}", retried.err);
    let done = place.run(&["failed", "discard", "demo-id", "--all", "--reason", "nobody needs it"]);
    assert_eq!((done.code, done.out.as_str()), (0, "1 event discarded\n"), "{}", done.err);
    assert_eq!(asked(&place, &["failed", "list", "--removed"]), json!([]));
    let audit = asked(&place, &["audit", "--target", "demo-id", "--act", "discard"]);
    assert_eq!((&audit[0]["target"], &audit[0]["reason"]), (&"demo".into(), &"nobody needs it".into()));
}
