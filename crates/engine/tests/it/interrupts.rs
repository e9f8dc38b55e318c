//! Targets that interrupt those behind them.

use std::{collections::HashSet, time::Duration};

use domain::{Condition, CursorState, EventKey, FailedStatus, Ordering, Target, TargetId};
use store::FailedFilter;
use test_support::{Account, Behaviour, Receiver, eventually};

use crate::house::{House, target};

fn gate(name: &str, receiver: &Receiver) -> Target {
    Target { interrupt_on_error: true, ..target(name, receiver) }
}

/// Refuses the events of aggregate `b`.
fn picky() -> Receiver {
    Receiver::start(|_, arrival| Behaviour::from(if arrival.key().aggregate_id.as_str() == "b" { 500 } else { 200 }))
}

async fn until_at(house: &House, target: &str, key: &EventKey) {
    eventually("the cursor is there", async || {
        let id: TargetId = format!("id-{target}").into();
        let cursor = house.state.cursor(&id, &"i".into()).await.expect("the cursor is read")?;
        (cursor.key >= *key).then_some(())
    })
    .await;
}

async fn interrupted(house: &House, target: &str) -> Vec<EventKey> {
    let filter = FailedFilter {
        target: Some(format!("id-{target}").into()),
        status: Some(FailedStatus::Interrupted),
        ..FailedFilter::default()
    };
    let failed = house.state.failed_events(&filter).await.expect("failed events are read");
    failed.into_iter().map(|(_, _, failed)| failed.key).collect()
}

#[tokio::test]
async fn what_a_gate_parks_reaches_nobody_behind_it() {
    let house = House::new().await;
    let (first, second, last) = (picky(), Receiver::ok(), Receiver::ok());
    house.set(gate("first", &first), Condition::All).await;
    house.set(gate("second", &second), Condition::All).await;
    house.set(target("last", &last), Condition::All).await;
    let keys = house.append_to(&["a", "b", "a", "b", "c"].map(|aggregate| (aggregate, "user.changed"))).await;
    let running = house.start();
    until_at(&house, "last", &keys[4]).await;
    running.stop().await;
    let passed = [&keys[0], &keys[2], &keys[4]];
    for receiver in [&second, &last] {
        Account::of(&receiver.arrivals(), passed).assert_exact();
    }
    for behind in ["second", "last"] {
        assert_eq!(interrupted(&house, behind).await, [keys[1].clone(), keys[3].clone()], "{behind}");
    }
}

#[tokio::test]
async fn nobody_behind_a_gate_is_called_before_its_verdict_is_committed() {
    let house = House::new().await;
    let (slow, behind) =
        (Receiver::start(|_, _| Behaviour::from(200).delayed(Duration::from_millis(300))), Receiver::ok());
    house.set(gate("slow", &slow), Condition::All).await;
    house.set(target("behind", &behind), Condition::All).await;
    let keys = house.append(&["user.added", "user.locked"]).await;
    let running = house.start();
    slow.wait_for(1).await;
    assert_eq!(behind.count(), 0);
    eventually("it says what it waits for", async || {
        let cursors = house.state.cursors().await.expect("cursors are read");
        let waits = |cursor: &domain::Cursor| {
            cursor.state == CursorState::Waiting
                && cursor.reason.as_deref().is_some_and(|reason| reason.contains("slow"))
        };
        cursors.iter().any(waits).then_some(())
    })
    .await;
    until_at(&house, "behind", &keys[1]).await;
    running.stop().await;
    Account::of(&behind.arrivals(), &keys).assert_exact();
}

#[tokio::test]
async fn a_paused_gate_makes_those_behind_it_wait_and_nobody_else() {
    let house = House::new().await;
    let (first, behind, other) = (Receiver::ok(), Receiver::ok(), Receiver::ok());
    house.set(gate("first", &first), Condition::All).await;
    house.set(target("behind", &behind), Condition::All).await;
    house.target("other", &other, "event/org.*".parse().expect("a condition")).await;
    house.state.set_paused(&"id-first".into(), true, "test").await.expect("it is paused");
    let keys = house.append(&["user.added", "org.added"]).await;
    let running = house.start();
    other.wait_for(1).await;
    eventually("it waits for the paused one", async || {
        let cursor = house.state.cursor(&"id-behind".into(), &"i".into()).await.expect("it is read")?;
        (cursor.state == CursorState::Waiting && cursor.reason?.contains("paused")).then_some(())
    })
    .await;
    assert_eq!((first.count(), behind.count()), (0, 0));
    house.state.set_paused(&"id-first".into(), false, "test").await.expect("it is resumed");
    behind.wait_for(1).await;
    running.stop().await;
    Account::of(&behind.arrivals(), [&keys[0]]).assert_exact();
}

#[tokio::test]
async fn a_parked_event_that_is_delivered_by_hand_does_not_reopen_it() {
    let house = House::new().await;
    let (first, behind) = (picky(), Receiver::ok());
    house.set(gate("first", &first), Condition::All).await;
    let keys = house.append_to(&[("a", "user.added"), ("b", "user.added")]).await;
    let running = house.start();
    until_at(&house, "first", &keys[1]).await;
    first.behave(|_, _| Behaviour::from(200));
    house.state.retry(&FailedFilter::default(), "test").await.expect("it is asked for");
    eventually("it is delivered by hand", async || {
        house.state.failed_events(&FailedFilter::default()).await.expect("they are read").is_empty().then_some(())
    })
    .await;
    running.stop().await;
    // The one behind it comes to the event only now.
    house.set(target("behind", &behind), Condition::All).await;
    let running = house.start();
    until_at(&house, "behind", &keys[1]).await;
    running.stop().await;
    Account::of(&behind.arrivals(), [&keys[0]]).assert_exact();
    assert_eq!(interrupted(&house, "behind").await, [keys[1].clone()]);
}

#[tokio::test]
async fn interrupts_hold_by_aggregate_and_across_restarts() {
    let house = House::new().await;
    let (first, behind) = (picky(), Receiver::ok());
    let side_by_side = |target: Target| Target { ordering: Ordering::Aggregate, max_in_flight: 4, ..target };
    house.set(side_by_side(gate("first", &first)), Condition::All).await;
    house.set(side_by_side(target("behind", &behind)), Condition::All).await;
    let mut keys = Vec::new();
    for _ in 0..4 {
        let names: Vec<_> = "abcabcd".chars().map(String::from).collect();
        keys.extend(
            house.append_to(&names.iter().map(|name| (name.as_str(), "user.changed")).collect::<Vec<_>>()).await,
        );
        let running = house.start();
        first.wait_for(1).await;
        running.stop().await;
    }
    let running = house.start();
    until_at(&house, "behind", &keys[27]).await;
    running.stop().await;
    let denied: Vec<_> = keys.iter().filter(|key| key.aggregate_id.as_str() == "b").cloned().collect();
    assert_eq!(interrupted(&house, "behind").await, denied);
    let arrived: HashSet<EventKey> = behind.arrivals().iter().map(|arrival| arrival.key()).collect();
    assert_eq!(arrived, keys.iter().filter(|key| key.aggregate_id.as_str() != "b").cloned().collect());
    for arrival in behind.arrivals() {
        let key = arrival.key();
        let before = first.accepted().iter().any(|passed| passed.key() == key && passed.at <= arrival.at);
        assert!(before, "{key} came before its gate had passed it");
    }
}
