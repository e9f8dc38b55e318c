//! Acts on a store that no daemon serves: what they refuse, what a rehearsal says, who did what.

use domain::{FailedChange, FailedEvent, FailedStatus, Settlement};
use serde_json::{Value, json};

use crate::{
    process::{Done, Place},
    stored::{stored, with_state},
};

fn json_of(done: &Done) -> Value {
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {}{}", done.out, done.err))
}

fn asked(place: &Place, arguments: &[&str]) -> Value {
    let done = place.run(&[arguments, &["-o", "json"]].concat());
    assert_eq!(done.code, 0, "{arguments:?}: {}", done.err);
    json_of(&done)
}

/// Everything that an act can change.
fn everything(place: &Place) -> Value {
    let parts: [&[&str]; 4] =
        [&["cursor", "show", "demo"], &["failed", "list"], &["target", "list"], &["audit", "--limit", "1000"]];
    let mut all: Vec<_> = parts.iter().map(|part| asked(place, part)).collect();
    // The age of the oldest event that is left grows by itself.
    for cursor in all[0].as_array_mut().into_iter().flatten() {
        cursor["lag_seconds"] = json!(null);
    }
    json!(all)
}

/// A cursor that has settled four of eight events, of which two were parked and one was interrupted; the fifth halts.
fn troubled() -> Place {
    let place = stored(8);
    assert_eq!(place.run(&["cursor", "seek", "demo", "--to", "5"]).code, 0);
    with_state(&place, async |state| {
        let cursor = state.cursors().await.expect("cursors can be read").remove(0);
        let failed = |sequence: i64, position: i64, status, error: &str| {
            let aggregate = format!("user-{}", (position - 1) / 4);
            let mut key = cursor.key.clone();
            key.position = domain::Position::from_integer(position);
            (key.in_tx_order, key.sequence, key.instance_id) = (0, sequence, "demo".into());
            (key.aggregate_type, key.aggregate_id) = ("user".into(), aggregate.as_str().into());
            FailedChange::Put(FailedEvent {
                key,
                event_type: [
                    "user.human.added",
                    "user.human.email.verified",
                    "user.human.profile.changed",
                    "user.removed",
                ][usize::try_from((position - 1) % 4).expect("it is small")]
                .into(),
                failure_count: 5,
                status,
                error: error.to_owned(),
                first_failed: "2025-03-27T10:00:00Z".parse().expect("a time"),
                last_failed: format!("2025-03-27T1{position}:00:00Z").parse().expect("a time"),
            })
        };
        let settlement = Settlement {
            key: cursor.key.clone(),
            event_date: None,
            delivered: None,
            parked_in_a_row: 0,
            state: domain::CursorState::Halted,
            reason: None,
            failed: vec![
                failed(1, 1, FailedStatus::Parked, "answered 500 Internal Server Error"),
                failed(2, 2, FailedStatus::Parked, "no answer within 10s"),
                failed(3, 3, FailedStatus::Interrupted, "ldap did not deliver it"),
                failed(1, 5, FailedStatus::Halted, "answered 500 Internal Server Error"),
            ],
            ahead: None,
            denied: Vec::new(),
        };
        let fenced = state.commit(&[(cursor.id, cursor.epoch, settlement)], None).await;
        assert_eq!(fenced.expect("it can be committed"), []);
    });
    place
}

#[test]
fn a_rehearsal_says_how_many_events_and_changes_nothing() {
    let place = troubled();
    let before = everything(&place);
    let check = |arguments: &[&str], expected: &[(&str, Value)]| {
        let mut answer = asked(&place, &[arguments, &["--dry-run"]].concat());
        if answer.is_array() {
            answer = answer[0].take();
        }
        assert_eq!(answer["dry_run"], true, "{arguments:?}: {answer}");
        for (field, value) in expected {
            assert_eq!(&answer[*field], value, "{arguments:?}: {field} in {answer}");
        }
        assert_eq!(everything(&place), before, "{arguments:?}");
        let said = place.run(&[arguments, &["--dry-run"]].concat());
        assert!(said.code == 0 && said.out.contains("dry run: nothing was changed"), "{arguments:?}: {}", said.out);
    };
    let n = |number: u64| json!(number);
    check(&["cursor", "seek", "demo", "--to", "2"], &[("would_send", n(3)), ("direction", "back".into())]);
    check(&["cursor", "seek", "demo", "--to", "beginning"], &[("would_send", n(4)), ("would_pass", n(0))]);
    check(&["cursor", "seek", "demo", "--to", "now"], &[("would_send", n(0)), ("would_pass", n(4))]);
    check(&["cursor", "skip", "demo"], &[("would_send", n(0)), ("position", "5".into()), ("sequence", n(1))]);
    check(&["target", "pause", "demo"], &[("would_send", n(0)), ("waiting", n(4)), ("changed", false.into())]);
    check(&["cursor", "halt", "demo", "--reason", "x"], &[("would_send", n(0)), ("waiting", n(4))]);
    check(&["cursor", "unhalt", "demo"], &[("would_send", n(4)), ("retried", n(1)), ("capped", false.into())]);
    check(&["failed", "retry", "demo", "--all"], &[("would_send", n(3)), ("retried", n(0))]);
    check(&["failed", "retry", "demo", "--status", "interrupted"], &[("would_send", n(1))]);
    check(&["failed", "retry", "demo", "--aggregate", "user-0", "--sequence", "3"], &[("would_send", n(1))]);
    check(&["failed", "retry", "demo", "--type", "user.human.*"], &[("would_send", n(3))]);
    check(&["failed", "retry", "demo", "--error", "answered 500"], &[("would_send", n(2))]);
    check(&["failed", "retry", "demo", "--since", "2025-03-27T12:00:00Z"], &[("would_send", n(2))]);
    check(&["failed", "retry", "demo", "--until", "2025-03-27T12:00:00Z"], &[("would_send", n(1))]);
    let discard = ["failed", "discard", "demo", "--all", "--reason", "x"];
    check(&discard, &[("would_send", n(0)), ("would_discard", n(4)), ("discarded", n(0))]);
}

#[test]
fn what_cannot_be_is_refused_in_a_sentence_and_changes_nothing() {
    let place = troubled();
    let before = everything(&place);
    let check = |arguments: &[&str], code: i32, sentence: &str| {
        let done = place.run(arguments);
        assert_eq!(done.code, code, "{arguments:?}: {}{}", done.out, done.err);
        assert!(done.err.contains(sentence), "{arguments:?}: {}", done.err);
        assert_eq!(everything(&place), before, "{arguments:?}");
    };
    check(&["cursor", "seek", "demo", "--to", "9"], 2, "beyond the horizon 8");
    check(&["cursor", "seek", "demo", "--to", "9", "--accept-lost"], 2, "beyond the horizon 8");
    check(&["cursor", "seek", "demo", "--to", "0"], 2, "before the first event, which is at 1; `--to beginning`");
    check(&["cursor", "seek", "demo", "--to", "2999-01-01T00:00:00Z"], 2, "is in the future");
    check(&["cursor", "seek", "demo", "--to", "2999-01-01"], 2, "is no place in the store");
    check(&["cursor", "seek", "demo", "--to", "1", "--instance", "demoo"], 2, "is \"demo\" meant?");
    check(&["cursor", "seek", "demmo", "--to", "1"], 2, "is \"demo\" meant?");
    check(&["cursor", "skip", "demo", "--instance", "nowhere"], 2, "has no cursor on instance \"nowhere\"");
    check(&["cursor", "halt", "demo"], 2, "--reason");
    check(&["cursor", "halt", "demo", "--reason", " "], 2, "say why");
    check(&["cursor", "unhalt", "demmo"], 2, "is \"demo\" meant?");
    check(&["target", "resume", "demmo"], 2, "is \"demo\" meant?");
    check(&["failed", "discard", "demo", "--all"], 2, "--reason");
    check(&["failed", "retry", "demo"], 2, "--all");
    check(&["failed", "retry", "demo", "--all", "--type", "user.*"], 2, "--all");
    check(&["failed", "retry", "demo", "--aggregate", "user-0"], 2, "--sequence");
    check(&["failed", "retry", "demo", "--type", "user..x"], 2, "is no event type or group");
    check(&["failed", "retry", "demo", "--status", "stuck"], 2, "is none of retrying, parked");
    check(&["failed", "retry", "demo", "--all", "--instance", "demoo"], 2, "is \"demo\" meant?");
    check(&["failed", "retry", "demo", "--error", "404"], 1, "no failed event of demo matches");
    check(&["failed", "discard", "demo", "--type", "org.*", "--reason", "x"], 1, "no failed event of demo matches");
    check(&["failed", "retry", "demo", "--since", "2999-01-01T00:00:00Z", "--dry-run"], 1, "no failed event of demo");
    check(&["explain", "--target", "demo"], 2, "--from");
    check(&["explain", "--target", "demo", "--from", "5", "--to", "2"], 2, "the second is before the first");
    check(&["audit", "--target", "demmo"], 2, "is \"demo\" meant?");
    check(&["audit-deliveries", "demo", "--instance", "demoo"], 2, "is \"demo\" meant?");
}

#[test]
fn every_act_is_in_the_audit_with_who_and_why() {
    let place = troubled();
    let acts: [(&[&str], &str); 8] = [
        (&["target", "pause", "demo", "--reason", "they move"], "pause"),
        (&["target", "resume", "demo", "--reason", "they moved"], "resume"),
        (&["cursor", "halt", "demo", "--instance", "demo", "--reason", "they ask"], "halt"),
        (&["cursor", "unhalt", "demo", "--reason", "they are done"], "unhalt"),
        (&["failed", "retry", "demo", "--status", "interrupted", "--reason", "it works again"], "retry"),
        (&["failed", "discard", "demo", "--error", "no answer", "--reason", "they have it"], "discard"),
        (&["cursor", "skip", "demo", "--reason", "it is broken"], "skip"),
        (&["cursor", "seek", "demo", "--to", "7", "--reason", "a gap"], "seek"),
    ];
    for (arguments, act) in acts {
        let before = asked(&place, &["audit", "--limit", "1000"]).as_array().map_or(0, Vec::len);
        let done = place.run(arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {}", done.err);
        let audit = asked(&place, &["audit", "--limit", "1000"]);
        let latest = &audit[0];
        assert_eq!(audit.as_array().map_or(0, Vec::len), before + 1, "{arguments:?}");
        assert_eq!((&latest["act"], &latest["target"]), (&act.into(), &"demo".into()), "{latest}");
        assert_eq!(latest["reason"], *arguments.last().expect("a reason"), "{latest}");
        assert!(latest["actor"].as_str().is_some_and(|actor| actor.starts_with("ops@")), "{latest}");
        assert!(latest["from"].is_string() && latest["to"].is_string() && latest["at"].is_string(), "{latest}");
    }
    let names: Vec<_> = asked(&place, &["audit", "--target", "demo", "--limit", "3"])
        .as_array()
        .into_iter()
        .flatten()
        .map(|act| act["act"].clone())
        .collect();
    assert_eq!(names, ["seek", "skip", "discard"]);
    assert_eq!(asked(&place, &["audit", "--act", "halt"]).as_array().map(Vec::len), Some(1));
    assert_eq!(asked(&place, &["audit", "--since", "2999-01-01T00:00:00Z"]), json!([]));

    let seek = ["cursor", "seek", "demo", "--to", "now", "--accept-lost"];
    assert_eq!(place.run_with(&seek, &[("POSTRIDER_ACTOR", "the nightly job")]).code, 0);
    let both = asked(&place, &["audit", "--limit", "2"]);
    assert_eq!((&both[0]["act"], &both[1]["act"]), (&"forget_horizon".into(), &"seek".into()));
    assert_eq!((&both[0]["actor"], &both[1]["actor"]), (&"the nightly job".into(), &"the nightly job".into()));
}

#[test]
fn a_cursor_is_halted_by_hand_until_it_is_unhalted() {
    let place = stored(5);
    let halted = place.run(&["cursor", "halt", "demo", "--reason", "the receiver is migrated"]);
    assert_eq!(halted.out, "demo is halted on instance demo\n", "{}", halted.err);
    let cursor = asked(&place, &["cursor", "list"])[0].clone();
    assert_eq!((&cursor["state"], &cursor["reason"]), (&"halted".into(), &"the receiver is migrated".into()));
    assert_eq!(place.run(&["cursor", "seek", "demo", "--to", "3"]).code, 0);
    assert_eq!(asked(&place, &["cursor", "show", "demo"])[0]["halt"], "the receiver is migrated");
    let held = asked(&place, &["target", "pause", "demo", "--dry-run"]);
    assert_eq!((&held["would_send"], &held["waiting"]), (&json!(0), &json!(3)));
    assert_eq!(place.run(&["cursor", "unhalt", "demo"]).out, "demo goes on on instance demo\n");
    assert_eq!(asked(&place, &["cursor", "list"])[0]["state"], "catching_up");
    assert_eq!(place.run(&["cursor", "unhalt", "demo"]).out, "demo is not halted\n");
}

#[test]
fn failed_events_are_listed_by_what_they_have_in_common() {
    let place = troubled();
    let check = |more: &[&str], expected: &[&str]| {
        let found = asked(&place, &[&["failed", "list", "demo"], more].concat());
        let positions: Vec<_> = found.as_array().into_iter().flatten().map(|one| one["position"].clone()).collect();
        assert_eq!(positions, expected, "{more:?}");
    };
    check(&[], &["1", "2", "3", "5"]);
    check(&["--type", "user.human.added"], &["1", "5"]);
    check(&["--type", "user.human.email.*"], &["2"]);
    check(&["--error", "ANSWER"], &["1", "2", "5"]);
    check(&["--status", "halted", "--error", "500"], &["5"]);
    check(&["--since", "2025-03-27T12:00:00Z", "--until", "2025-03-27T15:00:00Z"], &["2", "3"]);
    check(&["--instance", "demo", "--aggregate", "user-1"], &["5"]);
}
