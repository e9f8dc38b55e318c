//! Operators' hands on a running daemon: each act is in force within a second. And with no daemon running.

use std::time::{Duration, Instant};

use domain::EventKey;
use test_support::{Behaviour, Receiver, TestDatabase};

use super::{
    daemon::{Daemon, House, KEY},
    hands_scene::{
        ADDED, IN_FORCE, accepted_keys, all_arrive, all_arrive_within, assert_exact, assert_one_id_each, cursor,
        cursor_at, failed, failed_are, in_state, push, push_to, quiet_for, zitadel,
    },
};

/// A daemon's config with one target for everything.
fn house(database: &TestDatabase, receiver: &Receiver) -> House {
    let mut house = House::new(&database.url());
    house.target("crm", receiver, "");
    house.execution("{ all = true }", &["crm"]);
    house
}

/// A daemon that has delivered ten events.
async fn delivered(database: &TestDatabase, receiver: &Receiver) -> (House, Daemon, Vec<EventKey>) {
    let house = house(database, receiver);
    let written = push(database, ADDED, 10).await;
    let daemon = house.start();
    all_arrive(receiver, &written).await;
    cursor_at(&house, "crm", &written[9]).await;
    (house, daemon, written)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_paused_and_resumed() {
    let database = zitadel().await;
    let receiver = Receiver::start(|_, _| Behaviour::from(200).delayed(Duration::from_millis(20)));
    let house = house(&database, &receiver);
    let written = push(&database, ADDED, 400).await;
    let daemon = house.start();
    receiver.wait_for(30).await;
    house.cli(&["target", "pause", "crm"]);
    let paused = Instant::now();
    let last = quiet_for(&receiver, Duration::from_millis(700)).await;
    let took = last.saturating_duration_since(paused);
    eprintln!("a pause was in force after {took:?}");
    assert!(took < IN_FORCE && receiver.count() < written.len(), "the last call came {took:?} after the pause");
    assert_eq!(cursor(&house, "crm")["state"], "paused");

    let count = receiver.count();
    house.cli(&["target", "resume", "crm"]);
    let resumed = Instant::now();
    receiver.wait_for(count + 1).await;
    eprintln!("a resume was in force after {:?}", resumed.elapsed());
    assert!(resumed.elapsed() < IN_FORCE, "the first call came {:?} after the resume", resumed.elapsed());
    receiver.behave(|_, _| 200.into());
    all_arrive(&receiver, &written).await;
    assert_exact(&receiver, &written);
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_moved_to_the_beginning_to_a_position_and_to_a_time() {
    let database = zitadel().await;
    let receiver = Receiver::ok();
    let (house, daemon, mut written) = delivered(&database, &receiver).await;

    receiver.forget();
    house.cli(&["cursor", "seek", "crm", "--to", "beginning"]);
    all_arrive_within(IN_FORCE, &receiver, &written).await;
    assert_exact(&receiver, &written);

    receiver.forget();
    house.cli(&["cursor", "seek", "crm", "--to", &written[6].position.to_string()]);
    all_arrive_within(IN_FORCE, &receiver, &written[6..]).await;
    assert_exact(&receiver, &written[6..]);

    receiver.forget();
    let at = format!(
        "SELECT to_char(to_timestamp({}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
        written[3].position
    );
    let time = database.value(&at).await.expect("a time");
    house.cli(&["cursor", "seek", "crm", "--to", &time]);
    all_arrive_within(IN_FORCE, &receiver, &written[3..]).await;
    assert_exact(&receiver, &written[3..]);

    receiver.forget();
    let more = push(&database, ADDED, 3).await;
    all_arrive(&receiver, &more).await;
    written.extend(more);
    assert_eq!(accepted_keys(&receiver), written[10..]);
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_is_moved_under_load_goes_on_from_there_in_order() {
    let database = zitadel().await;
    let receiver = Receiver::start(|_, _| Behaviour::from(200).delayed(Duration::from_millis(10)));
    let house = house(&database, &receiver);
    let written = push(&database, ADDED, 150).await;
    let daemon = house.start();
    receiver.wait_for(60).await;
    house.cli(&["cursor", "seek", "crm", "--to", "beginning"]);
    let moved = Instant::now();
    all_arrive(&receiver, &written).await;
    let keys = accepted_keys(&receiver);
    // One place where it goes back, and from there everything in order.
    let back = keys.windows(2).position(|pair| pair[0] >= pair[1]).expect("it went back") + 1;
    eprintln!(
        "a seek was in force {:?} after the command",
        receiver.accepted()[back].at.saturating_duration_since(moved)
    );
    assert!(receiver.accepted()[back].at.saturating_duration_since(moved) < IN_FORCE);
    cursor_at(&house, "crm", &written[149]).await;
    let keys = accepted_keys(&receiver);
    assert_eq!(keys[..back], written[..back]);
    assert_eq!(keys[back..], written);
    assert_one_id_each(&receiver.arrivals());
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_sent_again_with_new_ids_where_that_is_wanted() {
    let database = zitadel().await;
    let receiver = Receiver::ok();
    let (house, daemon, written) = delivered(&database, &receiver).await;
    let ids = |receiver: &Receiver| -> Vec<String> {
        let id =
            |arrival: &std::sync::Arc<test_support::Arrival>| arrival.header("webhook-id").expect("an id").to_owned();
        receiver.accepted().iter().map(id).collect()
    };
    let first = ids(&receiver);
    receiver.forget();
    house.cli(&["cursor", "seek", "crm", "--to", "beginning"]);
    all_arrive_within(IN_FORCE, &receiver, &written).await;
    assert_eq!(ids(&receiver), first);
    receiver.forget();
    house.cli(&["cursor", "seek", "crm", "--to", "beginning", "--new-ids"]);
    all_arrive_within(IN_FORCE, &receiver, &written).await;
    let third = ids(&receiver);
    assert!(third.iter().all(|id| !first.contains(id)), "{third:?}");
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_moved_to_now_past_what_could_not_be_delivered() {
    let database = zitadel().await;
    let receiver = Receiver::start(|_, _| 502.into());
    let house = house(&database, &receiver);
    push(&database, ADDED, 10).await;
    let daemon = house.start();
    in_state(&house, "crm", "holding").await;
    house.cli(&["cursor", "seek", "crm", "--to", "now"]);
    quiet_for(&receiver, Duration::from_secs(1)).await;
    receiver.behave(|_, _| 200.into());
    let new = push(&database, ADDED, 3).await;
    all_arrive_within(IN_FORCE, &receiver, &new).await;
    assert_exact(&receiver, &new);
    assert_eq!(cursor(&house, "crm")["state"], "live");
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_head_is_skipped() {
    let database = zitadel().await;
    let receiver = Receiver::start(|_, arrival| match arrival.key().aggregate_id.as_str() {
        "bad" => 500.into(),
        "worse" => 503.into(),
        _ => 200.into(),
    });
    let mut house = house(&database, &receiver);
    house.set("[projection]", "[projection]\nmax_failure_count = 1000");
    let mut good = push(&database, ADDED, 3).await;
    push_to(&database, "bad", ADDED).await;
    good.extend(push(&database, ADDED, 3).await);
    push_to(&database, "worse", ADDED).await;
    good.extend(push(&database, ADDED, 3).await);
    let daemon = house.start();
    in_state(&house, "crm", "retrying").await;
    house.cli(&["cursor", "skip", "crm"]);
    all_arrive_within(IN_FORCE, &receiver, &good[..6]).await;
    in_state(&house, "crm", "holding").await;
    house.cli(&["cursor", "skip", "crm"]);
    all_arrive_within(IN_FORCE, &receiver, &good).await;
    assert_exact(&receiver, &good);
    let rows = failed(&house);
    let names: Vec<_> = rows.iter().map(|(aggregate, status, _)| (aggregate.as_str(), status.as_str())).collect();
    assert_eq!(names, [("bad", "parked"), ("worse", "parked")]);
    cursor_at(&house, "crm", good.last().expect("there are good ones")).await;
    assert!(house.command(&["cursor", "skip", "crm"]).status.code() == Some(1), "there is nothing to skip");
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_event_is_sent_again_and_another_discarded() {
    let database = zitadel().await;
    let bad = |_: usize, arrival: &test_support::Arrival| -> Behaviour {
        if arrival.key().aggregate_id.as_str().starts_with("bad") { 500.into() } else { 200.into() }
    };
    let receiver = Receiver::start(bad);
    let mut house = house(&database, &receiver);
    house.set("[projection]", "[projection]\nmax_failure_count = 2");
    let one = push_to(&database, "bad1", ADDED).await;
    push_to(&database, "bad2", ADDED).await;
    let mut expected = push(&database, ADDED, 3).await;
    let daemon = house.start();
    all_arrive(&receiver, &expected).await;
    failed_are(&house, &[("bad1", "parked", 2), ("bad2", "parked", 2)]).await;

    // While the endpoint still refuses it, it is parked again.
    let calls = receiver.count();
    house.cli(&["failed", "retry", "crm", "--aggregate", "bad1", "--sequence", "1"]);
    receiver.wait_for_within(calls + 1, IN_FORCE).await;
    failed_are(&house, &[("bad1", "parked", 3), ("bad2", "parked", 2)]).await;

    receiver.behave(|_, _| 200.into());
    house.cli(&["failed", "retry", "crm", "--aggregate", "bad1", "--sequence", "1"]);
    all_arrive_within(IN_FORCE, &receiver, &one).await;
    failed_are(&house, &[("bad2", "parked", 2)]).await;
    house.cli(&["failed", "discard", "crm", "--aggregate", "bad2", "--sequence", "1", "--reason", "a test"]);
    assert_eq!(failed(&house), []);
    let more = push(&database, ADDED, 2).await;
    all_arrive(&receiver, &more).await;
    expected.extend(one);
    expected.extend(more);
    assert_eq!(accepted_keys(&receiver), expected);
    assert_one_id_each(&receiver.arrivals());
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_ends_by_a_retry_a_discard_or_a_skip() {
    let database = zitadel().await;
    let receiver =
        Receiver::start(
            |_, arrival| {
                if arrival.key().aggregate_id.as_str().starts_with("bad") { 500.into() } else { 200.into() }
            },
        );
    let mut house = house(&database, &receiver);
    house.set("[projection]", "[projection]\nmax_failure_count = 2\non_exhausted = \"halt\"");
    let mut written = Vec::new();
    for user in ["a", "bad1", "b", "bad2", "c", "bad3", "d"] {
        written.extend(push_to(&database, user, ADDED).await);
    }
    let daemon = house.start();

    in_state(&house, "crm", "halted").await;
    failed_are(&house, &[("bad1", "halted", 2)]).await;
    quiet_for(&receiver, Duration::from_millis(700)).await;
    assert_eq!(receiver.count(), 3, "nothing goes past the head that halts");
    // A retry that fails halts again; one that succeeds goes on.
    house.cli(&["failed", "retry", "crm", "--aggregate", "bad1", "--sequence", "1"]);
    receiver.wait_for_within(4, IN_FORCE).await;
    failed_are(&house, &[("bad1", "halted", 3)]).await;
    receiver.behave(|_, arrival| match arrival.key().aggregate_id.as_str() {
        "bad2" | "bad3" => 500.into(),
        _ => 200.into(),
    });
    house.cli(&["failed", "retry", "crm", "--aggregate", "bad1", "--sequence", "1"]);
    all_arrive_within(IN_FORCE, &receiver, &written[..3]).await;

    failed_are(&house, &[("bad2", "halted", 2)]).await;
    in_state(&house, "crm", "halted").await;
    house.cli(&["failed", "discard", "crm", "--aggregate", "bad2", "--sequence", "1", "--reason", "a test"]);
    all_arrive_within(IN_FORCE, &receiver, &written[4..5]).await;

    failed_are(&house, &[("bad3", "halted", 2)]).await;
    in_state(&house, "crm", "halted").await;
    house.cli(&["cursor", "skip", "crm"]);
    all_arrive_within(IN_FORCE, &receiver, &written[6..]).await;
    failed_are(&house, &[("bad3", "parked", 2)]).await;
    in_state(&house, "crm", "live").await;
    let wanted: Vec<_> = [0, 1, 2, 4, 6].map(|index: usize| written[index].clone()).into();
    assert_eq!(accepted_keys(&receiver), wanted);
    assert_eq!(daemon.stop().await, 0);
}

/// A definitions file with a target for users, and one for sessions where an endpoint is given.
fn definitions(house: &House, users: &Receiver, sessions: Option<&Receiver>) -> String {
    let target = |name: &str, receiver: &Receiver| {
        format!("[[target]]\nname = \"{name}\"\nendpoint = \"{}\"\nsigning_key = \"{KEY}\"\n", receiver.url())
    };
    let execution = |group: &str, name: &str| {
        format!("[[execution]]\ncondition = {{ group = \"{group}\" }}\ntargets = [\"{name}\"]\n")
    };
    let mut text = target("users", users) + &execution("user", "users");
    if let Some(sessions) = sessions {
        text += &(target("sessions", sessions) + &execution("session", "sessions"));
    }
    house.file("definitions.toml", &text)
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_that_are_applied_are_in_force_for_the_next_event() {
    let database = zitadel().await;
    let (old, new, sessions) = (Receiver::ok(), Receiver::ok(), Receiver::ok());
    let house = House::new(&database.url());
    house.cli(&["migrate"]);
    house.cli(&["apply", "-f", &definitions(&house, &old, None)]);
    push(&database, "session.added", 2).await;
    let daemon = house.start();
    daemon.says("this daemon has joined").await;
    let before = push(&database, ADDED, 5).await;
    all_arrive(&old, &before).await;

    house.cli(&["apply", "-f", &definitions(&house, &new, Some(&sessions))]);
    let applied = Instant::now();
    // From the beginning of being in force, every event goes to the new endpoint; the one that finds out goes to either.
    let mut found_out = Vec::new();
    while new.count() == 0 {
        assert!(applied.elapsed() < IN_FORCE, "the new endpoint is not in force after {:?}", applied.elapsed());
        let probe = push(&database, ADDED, 1).await;
        let either = || old.accepted().into_iter().chain(new.accepted()).any(|arrival| arrival.key() == probe[0]);
        test_support::eventually("the event arrives at either", async || either().then_some(())).await;
        found_out.extend(probe);
    }
    eprintln!("a new endpoint was in force after {:?}", applied.elapsed());
    let after = push(&database, ADDED, 5).await;
    all_arrive(&new, &after).await;
    let at_both: Vec<_> = [before, found_out, after].concat();
    let mut arrived = accepted_keys(&old);
    arrived.extend(accepted_keys(&new));
    assert_eq!(arrived, at_both, "each event went to one endpoint, in order");

    let of_sessions = push(&database, "session.added", 4).await;
    all_arrive_within(IN_FORCE, &sessions, &of_sessions).await;
    assert_exact(&sessions, &of_sessions);
    assert_eq!(daemon.log().matches("event=\"daemon.starting\"").count(), 1);
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_with_no_daemon_running_are_in_force_at_the_next_start() {
    let database = zitadel().await;
    let receiver =
        Receiver::start(
            |_, arrival| {
                if arrival.key().aggregate_id.as_str().starts_with("bad") { 500.into() } else { 200.into() }
            },
        );
    let mut house = house(&database, &receiver);
    house.set("[projection]", "[projection]\nmax_failure_count = 2");
    let mut written = Vec::new();
    for user in ["bad1", "bad2", "a", "b", "c"] {
        written.extend(push_to(&database, user, ADDED).await);
    }
    let daemon = house.start();
    all_arrive(&receiver, &written[2..]).await;
    failed_are(&house, &[("bad1", "parked", 2), ("bad2", "parked", 2)]).await;
    cursor_at(&house, "crm", &written[4]).await;
    assert_eq!(daemon.stop().await, 0);

    receiver.behave(|_, _| 200.into());
    receiver.forget();
    house.cli(&["failed", "retry", "crm", "--aggregate", "bad1", "--sequence", "1"]);
    house.cli(&["failed", "discard", "crm", "--aggregate", "bad2", "--sequence", "1", "--reason", "a test"]);
    house.cli(&["cursor", "seek", "crm", "--to", &written[3].position.to_string()]);
    house.cli(&["cursor", "skip", "crm"]);
    house.cli(&["target", "pause", "crm"]);
    let daemon = house.start();
    daemon.says("this daemon has joined").await;
    let more = push(&database, ADDED, 2).await;
    quiet_for(&receiver, Duration::from_secs(1)).await;
    assert_eq!(receiver.arrivals().len(), 0, "a paused target is left in peace");
    house.cli(&["target", "resume", "crm"]);
    let wanted: Vec<_> = [&written[..1], &written[4..], &more].concat();
    all_arrive_within(IN_FORCE, &receiver, &wanted).await;
    assert_exact(&receiver, &wanted);
    failed_are(&house, &[("b", "parked", 0)]).await;
    assert_eq!(daemon.stop().await, 0);
}
