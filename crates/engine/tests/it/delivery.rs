//! What arrives, and what the state says afterwards.

use domain::{Condition, CursorState, FailedStatus};
use store::FailedFilter;
use test_support::{Account, Behaviour, Receiver, eventually};

use crate::house::{House, key};

#[tokio::test]
async fn each_target_receives_its_events_once_in_order_and_signed() {
    let house = House::new().await;
    let (exact, group, all) = (Receiver::ok(), Receiver::ok(), Receiver::ok());
    house.target("exact", &exact, "event/user.human.added".parse().expect("a condition")).await;
    house.target("group", &group, "event/user.*".parse().expect("a condition")).await;
    house.target("all", &all, Condition::All).await;
    let before = house.append(&["user.human.added", "user.locked", "org.added", "user.human.added"]).await;
    let running = house.start();
    group.wait_for(1).await;
    let after = house.append(&["user.locked", "user.human.added", "session.added"]).await;
    exact.wait_for(3).await;
    group.wait_for(2).await;
    all.wait_for(2).await;
    running.stop().await;
    Account::of(&exact.accepted(), [&before[0], &before[3], &after[1]]).assert_exact();
    Account::of(&group.accepted(), [&before[1], &after[0]]).assert_exact();
    Account::of(&all.accepted(), [&before[2], &after[2]]).assert_exact();
    for arrival in exact.arrivals().iter().chain(&group.arrivals()).chain(&all.arrivals()) {
        arrival.verify(&[key()]).expect("the signature is right");
    }
    for cursor in house.state.cursors().await.expect("cursors are read") {
        let last = if cursor.target_id.as_str() == "id-all" { &after[2] } else { &after[0] };
        assert!(cursor.key >= *last && cursor.key <= after[2], "{} is at {}", cursor.target_id, cursor.key);
    }
}

#[tokio::test]
async fn an_event_that_is_refused_is_parked_and_the_rest_is_delivered() {
    let house = House::new().await;
    let receiver = Receiver::start(|_, arrival| {
        Behaviour::from(if arrival.event_type().as_str() == "user.locked" { 500 } else { 200 })
    });
    house.target("t", &receiver, Condition::All).await;
    let keys = house.append(&["user.added", "user.locked", "user.unlocked"]).await;
    let running = house.start();
    receiver.wait_for(7).await;
    running.stop().await;
    Account::of(&receiver.accepted(), [&keys[0], &keys[2]]).assert_exact();
    let failed = house.state.failed_events(&FailedFilter::default()).await.expect("failed events are read");
    let [(_, _, failed)] = &failed[..] else { panic!("one event failed: {failed:?}") };
    assert_eq!((&failed.key, failed.failure_count, failed.status), (&keys[1], 5, FailedStatus::Parked));
    assert!(failed.error.contains("500"), "{}", failed.error);
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_waited_for() {
    let house = House::new().await;
    let receiver = Receiver::ok();
    receiver.down();
    house.target("t", &receiver, Condition::All).await;
    let keys = house.append(&["user.added", "user.locked"]).await;
    let running = house.start();
    eventually("the target holds", async || {
        let cursors = house.state.cursors().await.expect("cursors are read");
        cursors.iter().any(|cursor| cursor.state == CursorState::Holding).then_some(())
    })
    .await;
    receiver.up();
    receiver.wait_for(2).await;
    running.stop().await;
    Account::of(&receiver.accepted(), &keys).assert_exact();
    assert!(house.state.failed_events(&FailedFilter::default()).await.expect("they are read").is_empty());
}

#[tokio::test]
async fn an_operator_asks_for_a_parked_event_again() {
    let house = House::new().await;
    let receiver = Receiver::start(|_, _| Behaviour::from(500));
    house.target("t", &receiver, Condition::All).await;
    let keys = house.append(&["user.added"]).await;
    let running = house.start();
    receiver.wait_for(5).await;
    let all = FailedFilter::default();
    eventually("it is parked", async || {
        let failed = house.state.failed_events(&all).await.expect("failed events are read");
        failed.iter().any(|(_, _, failed)| failed.status == FailedStatus::Parked).then_some(())
    })
    .await;
    receiver.behave(|_, _| Behaviour::from(200));
    assert_eq!(house.state.retry(&all, "test").await.expect("it is asked for"), 1);
    receiver.wait_for(6).await;
    eventually("it is no failed event any more", async || {
        house.state.failed_events(&all).await.expect("failed events are read").is_empty().then_some(())
    })
    .await;
    running.stop().await;
    Account::of(&receiver.accepted(), &keys).assert_exact();
}

#[tokio::test]
async fn a_seek_takes_effect_on_a_running_daemon_within_a_second() {
    let house = House::new().await;
    let receiver = Receiver::ok();
    house.target("t", &receiver, Condition::All).await;
    let keys = house.append(&["user.added", "user.locked", "user.unlocked"]).await;
    let running = house.start();
    receiver.wait_for(3).await;
    let cursor = eventually("the cursor is at the end", async || {
        let cursors = house.state.cursors().await.expect("cursors are read");
        cursors.into_iter().find(|cursor| cursor.key == keys[2])
    })
    .await;
    let before = std::time::Instant::now();
    let to = domain::EventKey::before(keys[1].position);
    house.state.seek(cursor.id, &to, false, "test").await.expect("it is moved");
    receiver.wait_for(5).await;
    assert!(before.elapsed() < std::time::Duration::from_secs(1), "{:?}", before.elapsed());
    running.stop().await;
    let arrived: Vec<_> = receiver.arrivals().iter().map(|arrival| arrival.key()).collect();
    assert_eq!(arrived[3..], keys[1..]);
    let ids: Vec<_> =
        receiver.arrivals().iter().map(|arrival| arrival.header("webhook-id").map(str::to_owned)).collect();
    assert_eq!(ids[1..3], ids[3..], "receivers can tell that they had these");
}
