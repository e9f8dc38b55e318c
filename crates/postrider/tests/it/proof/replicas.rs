//! Three daemons share twelve targets: they come, stop, are killed, freeze, and nothing is lost or overtaken.

use std::time::{Duration, Instant};

use domain::EventKey;
use serde_json::json;
use store::{DefinitionsChange, State, StateOptions};
use test_support::{Account, Behaviour, Load, Push, Receiver, Shape, Stamp, TestDatabase, eventually_within};

use super::{
    daemon::{Daemon, House},
    hands_scene::{ADDED, PATIENCE, all_arrive, assert_exact, assert_one_id_each, push, zitadel},
    replicas_scene::{LEASE, house, live, served_by, spread_is, targets_of},
};

async fn all_have(receivers: &[Receiver], keys: &[EventKey]) {
    for receiver in receivers {
        all_arrive(receiver, keys).await;
    }
}

fn all_exact(receivers: &[Receiver], keys: &[EventKey]) {
    for receiver in receivers {
        assert_exact(receiver, keys);
    }
}

/// A few events, and three daemons that have shared what there is.
async fn three(database: &TestDatabase, house: &House) -> (Vec<EventKey>, [Daemon; 3]) {
    let written = push(database, ADDED, 5).await;
    let daemons = [house.start(), house.start(), house.start()];
    spread_is(house, &[4, 4, 4]).await;
    (written, daemons)
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_are_spread_evenly_and_each_event_arrives_once() {
    let database = zitadel().await;
    let (house, receivers) = house(&database, 12);
    let (mut written, daemons) = three(&database, &house).await;
    written.extend(push(&database, ADDED, 20).await);
    all_have(&receivers, &written).await;
    // Who began alone has given what was too much to those that came: nothing was sent again for it.
    all_exact(&receivers, &written);
    let table = house.cli(&["worker", "list"]);
    assert_eq!(table.matches(" live ").count(), 3, "{table}");
    let check = house.cli(&["check"]);
    assert_eq!(check.matches("serves 4 targets; its lease runs for another").count(), 3, "{check}");
    for daemon in daemons {
        assert_eq!(daemon.stop().await, 0);
    }
    assert!(served_by(&house).values().all(Option::is_none), "no daemon is running");
    assert_eq!(live(&house).len(), 0);
    let check = house.cli(&["check"]);
    assert!(check.contains("held by nobody"), "{check}");
    all_exact(&receivers, &written);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_targets_of_a_daemon_that_is_killed_are_served_by_the_others_when_its_lease_is_over() {
    let database = zitadel().await;
    let (house, receivers) = house(&database, 12);
    let (mut written, [first, second, third]) = three(&database, &house).await;
    all_have(&receivers, &written).await;
    let orphaned = targets_of(&house, &first);
    let killed = Instant::now();
    first.kill();
    let after = push(&database, ADDED, 1).await;
    written.extend(after.iter().cloned());
    all_have(&receivers, &written).await;
    let came = |number: &usize| {
        receivers[*number].arrivals().iter().find(|arrival| arrival.key() == after[0]).map(|arrival| arrival.at)
    };
    let took = orphaned.iter().filter_map(came).max().expect("they arrived").duration_since(killed);
    eprintln!("taken over {took:?} after a kill, with leases of {LEASE:?}");
    assert_eq!(orphaned.len(), 4);
    assert!(took < LEASE + Duration::from_secs(1), "it took {took:?}");
    spread_is(&house, &[6, 6]).await;
    let expired = house.json(&["worker", "list"]);
    let expired: Vec<_> = expired.as_array().expect("a list").iter().filter(|one| one["state"] == "expired").collect();
    assert_eq!((expired.len(), &expired[0]["targets"]), (1, &json!(0)), "{expired:?}");
    for receiver in &receivers {
        Account::of(&receiver.arrivals(), &written).assert_in_order();
    }
    assert_eq!(second.stop().await, 0);
    assert_eq!(third.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_targets_of_a_daemon_that_stops_move_within_a_second_also_past_a_slow_endpoint() {
    let database = zitadel().await;
    let (house, receivers) = house(&database, 12);
    let (mut written, [mut first, second, third]) = three(&database, &house).await;
    all_have(&receivers, &written).await;
    let moving = targets_of(&house, &first);
    // One of its targets is in the middle of a call.
    let slow = &receivers[moving[0]];
    slow.behave(|_, _| Behaviour::from(200).delayed(Duration::from_millis(1_500)));
    written.extend(push(&database, ADDED, 1).await);
    slow.wait_for(6).await;
    let stopped = Instant::now();
    first.signal("TERM");
    let after = push(&database, ADDED, 1).await;
    written.extend(after.iter().cloned());
    for number in &moving[1..] {
        all_arrive(&receivers[*number], &after).await;
    }
    let took = stopped.elapsed();
    eprintln!("moved {took:?} after a stop");
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    assert!(first.ended(Duration::from_secs(10)).await.success());
    all_have(&receivers, &written).await;
    all_exact(&receivers, &written);
    spread_is(&house, &[6, 6]).await;
    let moved: Vec<_> = moving.iter().map(|number| served_by(&house)[&format!("t{number:02}")].clone()).collect();
    assert!(moved.iter().all(Option::is_some), "{moved:?}");
    assert_eq!(second.stop().await, 0);
    assert_eq!(third.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_joins_is_given_its_share_and_the_rest_stays_where_it_is() {
    let database = zitadel().await;
    let (house, receivers) = house(&database, 12);
    push(&database, ADDED, 1).await;
    let (first, second) = (house.start(), house.start());
    spread_is(&house, &[6, 6]).await;
    let before = served_by(&house);
    let load = Load { events: 400, per_second: Some(100), ..Load::new(Shape::Zitadel(Stamp::Clock)) };
    let joins = async {
        receivers[0].wait_for(50).await;
        let third = house.start();
        spread_is(&house, &[4, 4, 4]).await;
        third
    };
    let (written, third) = tokio::join!(load.run(&database), joins);
    let written: Vec<EventKey> = written.into_iter().map(|event| event.key).collect();
    all_have(&receivers, &written).await;
    let after = served_by(&house);
    let moved = before.iter().filter(|(target, worker)| after[*target] != **worker).count();
    assert_eq!(moved, 4, "before: {before:?}, after: {after:?}");
    // Targets move between calls, with everything committed.
    all_exact(&receivers, &written);
    for daemon in [first, second, third] {
        assert_eq!(daemon.stop().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_was_frozen_for_longer_than_its_lease_does_no_harm_and_takes_part_again() {
    let database = zitadel().await;
    let (house, receivers) = house(&database, 12);
    let (_, daemons) = three(&database, &house).await;
    let load = Load { events: 900, per_second: Some(100), ..Load::new(Shape::Zitadel(Stamp::Clock)) };
    let frozen = &daemons[0];
    let faults = async {
        receivers[0].wait_for(50).await;
        frozen.signal("STOP");
        spread_is(&house, &[6, 6]).await;
        let meanwhile = push(&database, ADDED, 20).await;
        all_have(&receivers, &meanwhile).await;
        frozen.signal("CONT");
        frozen.says("this daemon was taken for dead").await;
        spread_is(&house, &[4, 4, 4]).await;
    };
    tokio::join!(load.run(&database), faults);
    let written: Vec<EventKey> = database.zitadel_events().await.into_iter().map(|event| event.key).collect();
    all_have(&receivers, &written).await;
    for receiver in &receivers {
        let arrivals = receiver.arrivals();
        let account = Account::of(&arrivals, &written);
        account.assert_complete();
        account.assert_in_order();
        assert_one_id_each(&arrivals);
    }
    // Every cursor is at the end: nothing stale was committed over what the others had.
    let last = written.last().expect("something was written").position.to_string();
    eventually_within(PATIENCE, "every cursor is at the last event", async || {
        let cursors = house.json(&["cursor", "list"]);
        cursors.as_array().expect("a list").iter().all(|cursor| cursor["position"] == last.as_str()).then_some(())
    })
    .await;
    for daemon in daemons {
        assert_eq!(daemon.stop().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_an_instance_that_appears_no_target_misses_its_first_events() {
    let database = zitadel().await;
    let (house, receivers) = house(&database, 12);
    let (mut written, daemons) = three(&database, &house).await;
    all_have(&receivers, &written).await;
    for instance in ["i2", "i3", "i4"] {
        for _ in 0..20 {
            let one = Push::to("user", "u").on(instance).event_with(ADDED, json!({}));
            written.extend(database.push(Stamp::Clock, &one).await.into_iter().map(|event| event.key));
        }
    }
    all_have(&receivers, &written).await;
    all_exact(&receivers, &written);
    for daemon in daemons {
        assert_eq!(daemon.stop().await, 0);
    }
}

/// Whether an error of the first target keeps an event from the second one.
async fn link(database: &TestDatabase, linked: bool) {
    let state = State::connect(&StateOptions::new(database.url())).await.expect("the state is there");
    let mut targets = state.definitions().await.expect("it can be read").targets;
    targets.retain(|target| target.name.as_str() == "t00");
    targets[0].interrupt_on_error = linked;
    let change = DefinitionsChange { targets, ..DefinitionsChange::default() };
    state.apply(&change, "test").await.expect("targets can be linked");
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_that_are_linked_come_together_and_are_not_served_before() {
    let database = zitadel().await;
    let (mut house, receivers) = house(&database, 2);
    house.set("timeout = \"2s\"", "timeout = \"20s\"");
    let mut written = push(&database, ADDED, 3).await;
    let daemons = [house.start(), house.start()];
    spread_is(&house, &[1, 1]).await;
    all_have(&receivers, &written).await;

    // The worker with the smaller id keeps its target; the other one's call takes longer.
    let by = served_by(&house);
    let (keeps, gives) = if by["t00"] < by["t01"] { (0, 1) } else { (1, 0) };
    receivers[keeps].behave(|_, _| Behaviour::from(200).delayed(Duration::from_millis(1_500)));
    receivers[gives].behave(|_, _| Behaviour::from(200).delayed(Duration::from_millis(3_500)));
    written.extend(push(&database, ADDED, 3).await);
    receivers[keeps].wait_for(4).await;
    receivers[gives].wait_for(4).await;
    link(&database, true).await;
    spread_is(&house, &[0, 2]).await;
    let keeper = served_by(&house)["t00"].clone();
    assert_eq!(keeper, by[&format!("t{keeps:02}")]);
    all_have(&receivers, &written).await;
    let at = |receiver: usize, number: usize| receivers[receiver].arrivals()[number].at;
    let waited = at(keeps, 4).duration_since(at(gives, 3));
    assert!(
        waited >= Duration::from_millis(3_500),
        "an event was sent while two daemons had the group, after {waited:?}"
    );
    all_exact(&receivers, &written);
    for receiver in &receivers {
        receiver.behave(|_, _| 200.into());
    }

    link(&database, false).await;
    spread_is(&house, &[1, 1]).await;
    written.extend(push(&database, ADDED, 3).await);
    all_have(&receivers, &written).await;
    all_exact(&receivers, &written);
    for daemon in daemons {
        assert_eq!(daemon.stop().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_outlives_a_clock_that_was_set_back_is_told_and_taken_over() {
    let database = zitadel().await;
    let (house, receivers) = house(&database, 2);
    let mut written = push(&database, ADDED, 3).await;
    let (first, second) = (house.start(), house.start());
    spread_is(&house, &[1, 1]).await;
    all_have(&receivers, &written).await;
    let pid = first.pid();
    let killed = Instant::now();
    first.kill();
    let ahead = format!(
        "UPDATE postrider.workers SET expires_at = expires_at + 10800000000, seen_at = seen_at + 10800000000 WHERE pid = {pid}"
    );
    database.execute(&ahead).await;
    let sentence = "longer than its lease.duration of 2s: the database's clock was set back";
    for said in [house.cli(&["worker", "list"]), house.cli(&["check"])] {
        assert!(said.contains("runs for another 3h") && said.contains(sentence), "{said}");
    }
    written.extend(push(&database, ADDED, 1).await);
    all_have(&receivers, &written).await;
    let took = killed.elapsed();
    eprintln!("taken over {took:?} after a kill, the clock set back, with leases of {LEASE:?}");
    assert!(took >= LEASE, "it could still have been renewed after {took:?}");
    assert!(took < LEASE + Duration::from_secs(2), "it took {took:?}");
    second.says("since the database's clock was set back, and was not renewed").await;
    assert_eq!(second.stop().await, 0);
}
