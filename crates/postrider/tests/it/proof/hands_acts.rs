//! Each act on a running daemon: its rehearsal changes nothing and says what the act then does, within a second, on record.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_support::{Arrival, Behaviour, Receiver, TestDatabase, eventually_within};

use super::{
    daemon::House,
    hands_scene::{
        ADDED, IN_FORCE, accepted_keys, all_arrive, all_arrive_within, assert_exact, cursor_at, failed, failed_are,
        in_state, push, push_to, quiet_for, zitadel,
    },
};

fn house(database: &TestDatabase, receiver: &Receiver) -> House {
    let mut house = House::new(&database.url());
    house.set("[projection]", "[projection]\nmax_failure_count = 2");
    house.target("crm", receiver, "");
    house.execution("{ all = true }", &["crm"]);
    house
}

/// Everything that an act changes and a daemon at rest does not.
fn everything(house: &House) -> Value {
    let mut cursors = house.json(&["cursor", "show", "crm"]);
    for cursor in cursors.as_array_mut().into_iter().flatten() {
        let rest = cursor.as_object_mut().expect("an object");
        rest.retain(|name, _| !["lag_seconds", "last_updated"].contains(&name.as_str()));
    }
    let [failed, targets, audit] =
        [&["failed", "list"][..], &["target", "list"], &["audit", "--limit", "1000"]].map(|part| house.json(part));
    json!([cursors, failed, targets, audit])
}

/// Rehearses an act, makes it, and returns what the rehearsal said.
fn rehearsed_and_done(house: &House, arguments: &[&str]) -> Value {
    let before = everything(house);
    let mut said = house.json(&[arguments, &["--dry-run"]].concat());
    assert_eq!(everything(house), before, "the rehearsal of {arguments:?} changed something");
    let acts = before[3].as_array().map_or(0, Vec::len);
    house.cli(arguments);
    let audit = house.json(&["audit", "--limit", "1000"]);
    assert_eq!(audit.as_array().map_or(0, Vec::len), acts + 1, "{arguments:?} is recorded once");
    assert_eq!((&audit[0]["act"], &audit[0]["target"]), (&arguments[1].into(), &"crm".into()));
    if said.is_array() { said[0].take() } else { said }
}

/// Waits for so many calls since the receiver forgot, makes sure that no other follows, and says how many there were.
async fn calls(receiver: &Receiver, expected: &Value) -> usize {
    let expected = usize::try_from(expected.as_u64().expect("a number")).expect("it is small");
    let since = Instant::now();
    eventually_within(IN_FORCE, &format!("{expected} calls are made"), async || {
        (receiver.arrivals().len() >= expected).then_some(())
    })
    .await;
    eprintln!("{expected} calls were made within {:?}", since.elapsed());
    quiet_for(receiver, Duration::from_millis(500)).await;
    receiver.arrivals().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn seeks_pauses_and_resumes_send_what_their_rehearsals_said() {
    let database = zitadel().await;
    let receiver = Receiver::ok();
    let house = house(&database, &receiver);
    let written = push(&database, ADDED, 10).await;
    let daemon = house.start();
    all_arrive(&receiver, &written).await;
    cursor_at(&house, "crm", &written[9]).await;
    in_state(&house, "crm", "live").await;

    for (to, sent) in [(written[4].position.to_string(), 6), ("beginning".to_owned(), 10), ("now".to_owned(), 0)] {
        receiver.forget();
        let said = rehearsed_and_done(&house, &["cursor", "seek", "crm", "--to", &to]);
        assert_eq!(said["would_send"], sent, "to {to}: {said}");
        assert_eq!(calls(&receiver, &said["would_send"]).await, sent, "to {to}");
        assert_exact(&receiver, &written[10 - sent..]);
        in_state(&house, "crm", "live").await;
    }

    receiver.forget();
    let said = rehearsed_and_done(&house, &["target", "pause", "crm", "--reason", "a test"]);
    assert_eq!((&said["would_send"], &said["waiting"]), (&json!(0), &json!(0)));
    in_state(&house, "crm", "paused").await;
    let more = push(&database, ADDED, 4).await;
    quiet_for(&receiver, Duration::from_millis(700)).await;
    assert_eq!(receiver.arrivals().len(), 0);
    let said = rehearsed_and_done(&house, &["target", "resume", "crm"]);
    assert_eq!(said["would_send"], 4, "{said}");
    assert_eq!(calls(&receiver, &said["would_send"]).await, 4);
    assert_exact(&receiver, &more);
    assert_eq!(daemon.stop().await, 0);
}

fn bad(_: usize, arrival: &Arrival) -> Behaviour {
    if arrival.key().aggregate_id.as_str().starts_with("bad") { 500.into() } else { 200.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_events_are_retried_in_order_and_discarded_as_their_rehearsals_said() {
    let database = zitadel().await;
    let receiver = Receiver::start(bad);
    let house = house(&database, &receiver);
    let mut written = Vec::new();
    for (user, event_type) in
        [("bad3", ADDED), ("bad1", ADDED), ("good", ADDED), ("bad2", "session.added"), ("bad1", "user.removed")]
    {
        written.extend(push_to(&database, user, event_type).await);
    }
    let daemon = house.start();
    let parked = [("bad3", "parked", 2), ("bad1", "parked", 2), ("bad2", "parked", 2), ("bad1", "parked", 2)];
    failed_are(&house, &parked).await;
    in_state(&house, "crm", "live").await;

    receiver.behave(|_, _| 200.into());
    receiver.forget();
    let said = rehearsed_and_done(&house, &["failed", "retry", "crm", "--type", "user.*", "--error", "500"]);
    assert_eq!(said["would_send"], 3, "{said}");
    assert_eq!(calls(&receiver, &said["would_send"]).await, 3);
    let in_order: Vec<_> = [0, 1, 4].map(|index: usize| written[index].clone()).into();
    assert_eq!(accepted_keys(&receiver), in_order, "in the order of their keys");
    failed_are(&house, &[("bad2", "parked", 2)]).await;

    receiver.forget();
    let discard = ["failed", "discard", "crm", "--status", "parked", "--reason", "they have it"];
    let said = rehearsed_and_done(&house, &discard);
    assert_eq!((&said["would_send"], &said["would_discard"]), (&json!(0), &json!(1)));
    assert_eq!(calls(&receiver, &said["would_send"]).await, 0);
    assert_eq!(failed(&house), []);
    let accounted = house.json(&["audit-deliveries", "crm"]);
    assert_eq!(accounted["instances"][0]["delivered_or_settled"], 5, "{accounted:#}");
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_that_is_skipped_is_the_one_that_was_named() {
    let database = zitadel().await;
    let receiver = Receiver::start(|_, arrival| match arrival.key().aggregate_id.as_str() {
        "bad" => 503.into(),
        _ => 200.into(),
    });
    let house = house(&database, &receiver);
    let mut good = push(&database, ADDED, 2).await;
    let head = push_to(&database, "bad", ADDED).await.remove(0);
    good.extend(push(&database, ADDED, 2).await);
    let daemon = house.start();
    in_state(&house, "crm", "holding").await;
    cursor_at(&house, "crm", &good[1]).await;
    let said = rehearsed_and_done(&house, &["cursor", "skip", "crm"]);
    assert_eq!((&said["position"], &said["aggregate_id"]), (&head.position.to_string().into(), &"bad".into()));
    all_arrive_within(IN_FORCE, &receiver, &good).await;
    let parked = house.json(&["failed", "list"]);
    assert_eq!((&parked[0]["position"], &parked[0]["status"]), (&said["position"], &"parked".into()));
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_a_failed_event_halted_goes_on_and_tries_it_again() {
    let database = zitadel().await;
    let receiver = Receiver::start(bad);
    let mut house = house(&database, &receiver);
    house.set("[projection]", "[projection]\non_exhausted = \"halt\"");
    let mut written = push_to(&database, "good", ADDED).await;
    written.extend(push_to(&database, "bad", ADDED).await);
    written.extend(push(&database, ADDED, 2).await);
    let daemon = house.start();
    in_state(&house, "crm", "halted").await;
    failed_are(&house, &[("bad", "halted", 2)]).await;

    receiver.behave(|_, _| 200.into());
    receiver.forget();
    let said = rehearsed_and_done(&house, &["cursor", "unhalt", "crm", "--reason", "it is mended"]);
    assert_eq!((&said["retried"], &said["would_send"]), (&json!(1), &json!(3)), "{said}");
    assert_eq!(calls(&receiver, &said["would_send"]).await, 3);
    assert_exact(&receiver, &written[1..]);
    assert_eq!(failed(&house), []);

    let said = rehearsed_and_done(&house, &["cursor", "halt", "crm", "--reason", "they ask for it"]);
    assert_eq!((&said["would_send"], &said["waiting"]), (&json!(0), &json!(0)));
    let halted = in_state(&house, "crm", "halted").await;
    assert_eq!(halted["reason"], "they ask for it");
    receiver.forget();
    let more = push(&database, ADDED, 2).await;
    quiet_for(&receiver, Duration::from_millis(700)).await;
    assert_eq!(receiver.arrivals().len(), 0, "nothing is sent while it is halted");
    let said = rehearsed_and_done(&house, &["cursor", "unhalt", "crm"]);
    assert_eq!((&said["retried"], &said["would_send"]), (&json!(0), &json!(2)), "{said}");
    assert_eq!(calls(&receiver, &said["would_send"]).await, 2);
    assert_exact(&receiver, &more);
    in_state(&house, "crm", "live").await;
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_ahead_of_a_cursor_is_skipped_and_discarded_and_the_rest_is_not_sent_again() {
    let database = zitadel().await;
    let receiver = Receiver::start(bad);
    let mut house = House::new(&database.url());
    house.set("[projection]", "[projection]\nmax_failure_count = 1000");
    house.target("crm", &receiver, "ordering = \"aggregate\"\nmax_in_flight = 4");
    house.execution("{ all = true }", &["crm"]);
    let mut good = push(&database, ADDED, 4).await;
    let first = push_to(&database, "bad1", ADDED).await.remove(0);
    good.extend(push(&database, ADDED, 4).await);
    push_to(&database, "bad2", ADDED).await;
    good.extend(push(&database, ADDED, 4).await);
    let last = good.last().expect("there are good ones").clone();
    let daemon = house.start();
    all_arrive(&receiver, &good).await;
    eventually_within(Duration::from_secs(20), "all but two are settled", async || {
        let cursor = &house.json(&["cursor", "show", "crm"])[0];
        let to = format!("{}/{}", last.position, last.in_tx_order);
        (cursor["open_before"] == 2 && cursor["settled_to"] == to.as_str()).then_some(())
    })
    .await;
    let said = house.json(&["cursor", "seek", "crm", "--to", "beginning", "--dry-run"]);
    assert_eq!((&said[0]["would_send"], &said[0]["would_pass"]), (&json!(12), &json!(0)));
    let said = house.json(&["cursor", "seek", "crm", "--to", "now", "--dry-run"]);
    assert_eq!((&said[0]["would_send"], &said[0]["would_pass"]), (&json!(0), &json!(2)));
    assert_eq!(house.json(&["target", "pause", "crm", "--dry-run"])["waiting"], 2);
    let accounted = house.json(&["audit-deliveries", "crm"]);
    let account = &accounted["instances"][0];
    assert_eq!((&account["delivered_or_settled"], &account["retrying"]), (&json!(12), &json!(2)), "{accounted:#}");

    let skipped = house.json(&["cursor", "skip", "crm"]);
    assert_eq!(skipped["position"], first.position.to_string());
    house.cli(&["failed", "discard", "crm", "--aggregate", "bad2", "--sequence", "1", "--reason", "a test"]);
    cursor_at(&house, "crm", &last).await;
    failed_are(&house, &[("bad1", "parked", failed(&house)[0].2)]).await;
    in_state(&house, "crm", "live").await;
    quiet_for(&receiver, Duration::from_millis(500)).await;
    assert_eq!(receiver.accepted().len(), good.len(), "nothing is delivered twice");
    assert_eq!(daemon.stop().await, 0);
}
