//! What is known of failures outlives a crash: counts go on, what was halted stays so, what was asked for is done.

use std::time::Duration;

use test_support::{Receiver, TestDatabase};

use super::{
    daemon::House,
    hands_scene::{ADDED, all_arrive, assert_one_id_each, failed_are, in_state, push_to, quiet_for, zitadel},
};

/// One target, an event for `bad` between two others, and more settings of the projection.
async fn scene(receiver: &Receiver, projection: &str) -> (TestDatabase, House) {
    let database = zitadel().await;
    let mut house = House::new(&database.url());
    house.set("[projection]", &format!("[projection]\n{projection}"));
    house.target("crm", receiver, "");
    house.execution("{ all = true }", &["crm"]);
    for user in ["a", "bad", "b"] {
        push_to(&database, user, ADDED).await;
    }
    (database, house)
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_counted_on_after_a_kill() {
    let receiver = Receiver::refusing("bad");
    let (_database, mut house) = scene(&receiver, "").await;
    house.set("retry_failed_after = \"50ms\"\nmax_retry_interval = \"200ms\"", "retry_failed_after = \"1s\"");
    let daemon = house.start();
    failed_are(&house, &[("bad", "retrying", 2)]).await;
    daemon.kill();
    let daemon = house.start();
    failed_are(&house, &[("bad", "parked", 5)]).await;
    // The kill may have come after the third call and before its commit.
    let calls: Vec<_> = receiver.arrivals()[1..].iter().filter(|call| !call.is_accepted()).cloned().collect();
    assert!((5..=6).contains(&calls.len()), "{} calls", calls.len());
    assert_one_id_each(&calls);
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_halted_stays_so_after_a_kill_and_no_call_is_made() {
    let receiver = Receiver::refusing("bad");
    let (_database, house) = scene(&receiver, "on_exhausted = \"halt\"\nmax_failure_count = 2").await;
    let daemon = house.start();
    in_state(&house, "crm", "halted").await;
    failed_are(&house, &[("bad", "halted", 2)]).await;
    daemon.kill();
    assert_eq!(receiver.count(), 3);
    let daemon = house.start();
    daemon.says("this daemon has joined").await;
    in_state(&house, "crm", "halted").await;
    quiet_for(&receiver, Duration::from_millis(2_500)).await;
    assert_eq!(receiver.count(), 3, "a start is no reason to call again");
    failed_are(&house, &[("bad", "halted", 2)]).await;
    receiver.behave(|_, _| 200.into());
    house.cli(&["failed", "retry", "crm", "--all"]);
    receiver.wait_for(5).await;
    failed_are(&house, &[]).await;
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_asked_for_is_done_after_a_kill() {
    let receiver = Receiver::refusing("bad");
    let (database, house) = scene(&receiver, "max_failure_count = 1").await;
    let daemon = house.start();
    failed_are(&house, &[("bad", "parked", 1)]).await;
    let written: Vec<_> = database.zitadel_events().await.into_iter().map(|event| event.key).collect();
    all_arrive(&receiver, &written[2..]).await;
    daemon.kill();
    receiver.behave(|_, _| 200.into());
    house.cli(&["failed", "retry", "crm", "--all"]);
    failed_are(&house, &[("bad", "retrying", 1)]).await;
    let daemon = house.start();
    all_arrive(&receiver, &written).await;
    failed_are(&house, &[]).await;
    assert_eq!(daemon.stop().await, 0);
}
