//! What a target would receive, and whether everything it should have had is accounted for.

use domain::{Ahead, EventKey, FailedChange, FailedEvent, FailedStatus, Position, Settlement};
use serde_json::{Value, json};

use crate::{
    process::Place,
    stored::{stored, with_state},
};

const DEFINITIONS: &str = r#"
[[target]]
name = "crm"
endpoint = "https://crm.example.com/"
signing_key = "hush"
start = "beginning"
exclude = ["user.removed"]

[[execution]]
condition = { group = "user.human" }
targets = [{ include = { all = true } }]
exclude = ["user.human.email.*"]

[[execution]]
condition = { all = true }
targets = ["crm"]
"#;

/// Twelve events of three users; `crm` hears of two of the four that each of them has.
fn scene() -> Place {
    let place = stored(12);
    place.write("more.toml", DEFINITIONS);
    let applied = place.run(&["apply", "-f", "more.toml"]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    with_state(&place, async |state| {
        let crm = state.definitions().await.expect("they can be read").targets;
        let crm = crm.into_iter().find(|target| target.name.as_str() == "crm").expect("it was applied");
        let wanted = [(crm.id, "demo".into(), EventKey::before(Position::ZERO))];
        state.ensure_cursors(&wanted).await.expect("a cursor can be made");
    });
    place
}

fn key(position: i64) -> EventKey {
    EventKey {
        position: Position::from_integer(position),
        in_tx_order: 0,
        instance_id: "demo".into(),
        aggregate_type: "user".into(),
        aggregate_id: format!("user-{}", (position - 1) / 4).into(),
        sequence: (position - 1) % 4 + 1,
    }
}

/// Commits a row as a courier would have left it.
fn settled(place: &Place, to: i64, ahead: Option<(i64, &[i64])>, failed: &[(i64, FailedStatus)]) {
    with_state(place, async |state| {
        let definitions = state.definitions().await.expect("they can be read");
        let crm = definitions.targets.iter().find(|target| target.name.as_str() == "crm").expect("it is there");
        let cursor = state.cursor(&crm.id, &"demo".into()).await.expect("it can be read").expect("it is there");
        let put = |(position, status): &(i64, FailedStatus)| {
            FailedChange::Put(FailedEvent {
                key: key(*position),
                event_type: "user.human.added".into(),
                failure_count: 5,
                status: *status,
                error: "answered 500".to_owned(),
                first_failed: "2025-03-27T10:00:00Z".parse().expect("a time"),
                last_failed: "2025-03-27T11:00:00Z".parse().expect("a time"),
            })
        };
        let settlement = Settlement {
            key: key(to),
            event_date: None,
            delivered: None,
            parked_in_a_row: 0,
            state: domain::CursorState::Live,
            reason: None,
            failed: failed.iter().map(put).collect(),
            ahead: ahead.map(|(to, open)| Ahead { to: key(to), open: open.iter().copied().map(key).collect() }),
            denied: Vec::new(),
        };
        let fenced = state.commit(&[(cursor.id, cursor.epoch, settlement)], None).await;
        assert_eq!(fenced.expect("it can be committed"), []);
    });
}

fn explained(place: &Place, from: &str, to: &str, more: &[&str]) -> Value {
    let arguments = ["explain", "--target", "crm", "--from", from, "--to", to, "-o", "json"];
    let done = place.run(&[&arguments[..], more].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    serde_json::from_str(&done.out).expect("it is JSON")
}

#[test]
fn what_a_target_would_receive_is_listed_and_the_rest_is_counted_with_its_reason() {
    let place = scene();
    let all = explained(&place, "beginning", "now", &[]);
    let positions: Vec<_> = all["events"].as_array().into_iter().flatten().map(|one| one["position"].clone()).collect();
    assert_eq!(positions, ["1", "3", "5", "7", "9", "11"]);
    assert_eq!(all["would_receive"], 6);
    let first = &all["events"][0];
    assert_eq!((&first["event_type"], &first["sequence"]), (&"user.human.added".into(), &json!(1)));
    assert_eq!((&first["execution"], &first["via"]), (&"event/user.human.*".into(), &json!(["event"])));
    assert!(first["created_at"].is_string(), "{first}");
    let kept_out = json!([
        { "reason": "excluded", "detail": "excluded by user.human.email.* of the execution event/user.human.*", "events": 3 },
        { "reason": "excluded", "detail": "excluded by user.removed of the target", "events": 3 },
    ]);
    assert_eq!(all["kept_out"], kept_out);

    let part = explained(&place, "3", "7", &["--limit", "2", "--instance", "demo"]);
    assert_eq!((&part["would_receive"], &part["events"][1]["position"]), (&json!(3), &"5".into()));
    assert_eq!(part["events"].as_array().map(Vec::len), Some(2));
    let text = place.run(&["explain", "--target", "crm", "--from", "3", "--to", "7", "--limit", "2"]).out;
    assert!(text.contains("crm would receive 3 events, of which 2 are listed"), "{text}");
    assert_eq!(explained(&place, "now", "now", &[])["would_receive"], 0);
    let before_all = explained(&place, "beginning", "2000-01-01T00:00:00Z", &[]);
    assert_eq!(before_all["would_receive"], 0, "a time does not belong to what ends there");

    let old = "[event_store]\nurl = \"sqlite://events.db\"\n[projection]\nmax_event_age = \"1ms\"\n";
    place.write("postrider.toml", old);
    let expired = explained(&place, "beginning", "now", &[]);
    assert_eq!((&expired["would_receive"], &expired["kept_out"][0]["reason"]), (&json!(0), &"expired".into()));
    assert_eq!(expired["kept_out"][0]["events"], 6);
}

fn audited(place: &Place, more: &[&str]) -> (i32, Value) {
    let done = place.run(&[&["audit-deliveries", "crm", "-o", "json"], more].concat());
    (done.code, serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {}", done.err)))
}

/// Delivered or settled, parked, interrupted, retrying, halted, pending.
fn counts(report: &Value) -> Vec<u64> {
    let names = ["delivered_or_settled", "parked", "interrupted", "retrying", "halted", "pending"];
    names.map(|name| report["instances"][0][name].as_u64().expect("a number")).to_vec()
}

#[test]
fn every_event_of_a_target_is_in_one_column() {
    let place = scene();
    let (code, report) = audited(&place, &[]);
    assert_eq!((code, counts(&report)), (0, vec![0, 0, 0, 0, 0, 6]));
    assert_eq!(report["instances"][0]["not_concerning"], 6);

    let failed = [
        (1, FailedStatus::Parked),
        (3, FailedStatus::Interrupted),
        (5, FailedStatus::Retrying),
        (9, FailedStatus::Halted),
    ];
    settled(&place, 6, None, &failed);
    let (code, report) = audited(&place, &[]);
    assert_eq!((code, counts(&report)), (0, vec![0, 1, 1, 1, 1, 2]), "{report:#}");
    assert_eq!(report["instances"][0]["undelivered"][0]["position"], "1");
    let (_, part) = audited(&place, &["--from", "3", "--to", "7"]);
    assert_eq!(counts(&part), [0, 0, 1, 1, 0, 1]);

    settled(&place, 6, Some((11, &[9])), &[]);
    let (code, report) = audited(&place, &[]);
    assert_eq!((code, counts(&report)), (0, vec![2, 1, 1, 1, 1, 0]), "{report:#}");
    settled(&place, 6, Some((11, &[])), &[(9, FailedStatus::Retrying)]);
    let (code, report) = audited(&place, &[]);
    assert_eq!((code, counts(&report)), (0, vec![2, 1, 1, 2, 0, 0]), "asked for again, and settled: {report:#}");
    let text = place.run(&["audit-deliveries", "crm"]).out;
    assert!(text.contains("is accounted for, with the definitions now in force"), "{text}");
}

#[test]
fn what_nobody_waits_for_or_is_gone_is_found() {
    let check = |to: i64, ahead: Option<(i64, &[i64])>, failed: &[(i64, FailedStatus)], reason: &str| {
        let place = scene();
        settled(&place, to, ahead, failed);
        let (code, report) = audited(&place, &[]);
        assert_eq!((code, &report["accounted"]), (1, &json!(false)), "{reason}");
        let found = report["instances"][0]["inconsistent"].as_array().cloned().unwrap_or_default();
        assert_eq!(found.iter().map(|one| one["reason"].clone()).collect::<Vec<_>>(), [reason], "{report:#}");
        let all: u64 = counts(&report).iter().sum();
        assert_eq!(all + u64::from(reason == "nobody_waits"), 6, "{report:#}");
    };
    check(6, None, &[(5, FailedStatus::Halted)], "nobody_waits");
    check(6, Some((11, &[])), &[(9, FailedStatus::Halted)], "nobody_waits");
    check(6, None, &[(4, FailedStatus::Parked)], "not_concerning");
    check(6, Some((11, &[])), &[(25, FailedStatus::Parked)], "gone");
    check(6, Some((30, &[25])), &[], "open_gone");
}
