//! Several calls at a time: what stays in order, what waits for whom, what a restart repeats.

use std::{sync::Arc, time::Duration};

use domain::{Condition, CursorState, EventKey, FailedStatus, Ordering, Target};
use store::{FailedFilter, State};
use test_support::{Account, Arrival, Behaviour, Receiver, eventually};

use crate::house::{House, target};

/// Events of the aggregates that the letters name, one after the other.
async fn write(house: &House, aggregates: &str) -> Vec<EventKey> {
    let names: Vec<String> = aggregates.chars().map(String::from).collect();
    house.append_to(&names.iter().map(|name| (name.as_str(), "user.changed")).collect::<Vec<_>>()).await
}

fn ordered(receiver: &Receiver, ordering: Ordering, max_in_flight: u32) -> Target {
    Target { ordering, max_in_flight, ..target("t", receiver) }
}

fn of(arrival: &Arrival, aggregate: &str) -> bool {
    arrival.key().aggregate_id.as_str() == aggregate
}

async fn cursor(state: &State) -> domain::Cursor {
    eventually("there is a cursor", async || state.cursors().await.expect("cursors are read").pop()).await
}

fn slow(status: u16) -> Behaviour {
    Behaviour::from(status).delayed(Duration::from_millis(200))
}

#[tokio::test]
async fn aggregates_are_called_side_by_side_and_each_in_order() {
    let house = House::new().await;
    let receiver = Receiver::start(|_, _| slow(200));
    house.set(ordered(&receiver, Ordering::Aggregate, 8), Condition::All).await;
    let keys = write(&house, &"abcdefgh".repeat(4)).await;
    let before = std::time::Instant::now();
    let running = house.start();
    receiver.wait_for(32).await;
    let took = before.elapsed();
    running.stop().await;
    assert!(took < Duration::from_secs(3), "32 calls of 0.2 s took {took:?}: they are not side by side");
    for aggregate in "abcdefgh".chars().map(String::from) {
        let arrived: Vec<EventKey> =
            receiver.accepted().iter().filter(|arrival| of(arrival, &aggregate)).map(|arrival| arrival.key()).collect();
        let written: Vec<_> = keys.iter().filter(|key| key.aggregate_id.as_str() == aggregate).cloned().collect();
        assert_eq!(arrived, written, "{aggregate}");
    }
    let cursor = cursor(&house.state).await;
    assert_eq!((&cursor.key, cursor.ahead), (&keys[31], None));
    assert!(receiver.arrivals().iter().all(|arrival| arrival.header("postrider-previous-position").is_none()));
}

#[tokio::test]
async fn no_more_calls_than_allowed_are_under_way() {
    let house = House::new().await;
    let receiver = Receiver::start(|_, _| slow(200));
    house.set(ordered(&receiver, Ordering::None, 3), Condition::All).await;
    write(&house, &"a".repeat(9)).await;
    let before = std::time::Instant::now();
    let running = house.start();
    receiver.wait_for(9).await;
    let took = before.elapsed();
    running.stop().await;
    assert!(
        (390..1_500).contains(&took.as_millis()),
        "the last of 9 calls of 0.2 s, three at a time, came after {took:?}"
    );
}

#[tokio::test]
async fn a_failing_aggregate_waits_for_itself_alone_and_a_restart_repeats_nothing() {
    let mut house = House::new().await;
    house.options.retry_failed_after = Duration::from_secs(30);
    house.options.policy.max_retry_interval = Duration::from_secs(30);
    let receiver =
        Receiver::start(|_, arrival| if of(arrival, "b") { Behaviour::from(500) } else { Behaviour::from(200) });
    house.set(ordered(&receiver, Ordering::Aggregate, 4), Condition::All).await;
    let keys = write(&house, "abcbac").await;
    let running = house.start();
    receiver.wait_for(5).await;
    eventually("what is settled ahead is committed", async || {
        let cursor = cursor(&house.state).await;
        let ahead = cursor.ahead.clone()?;
        let all = [0, 2, 4, 5].iter().all(|index| cursor.has_settled(&keys[*index]));
        (all && ahead.open == [keys[1].clone(), keys[3].clone()] && cursor.key == keys[0]).then_some(())
    })
    .await;
    running.stop().await;
    let cursor = cursor(&house.state).await;
    assert_eq!((cursor.state, cursor.key == keys[0]), (CursorState::Retrying, true), "{:?}", cursor.reason);

    receiver.forget();
    receiver.behave(|_, _| Behaviour::from(200));
    house.options.retry_failed_after = Duration::from_millis(10);
    let running = house.start();
    receiver.wait_for(2).await;
    eventually("the cursor is at the end", async || {
        let cursor = self::cursor(&house.state).await;
        (cursor.key == keys[5] && cursor.ahead.is_none()).then_some(())
    })
    .await;
    running.stop().await;
    Account::of(&receiver.arrivals(), [&keys[1], &keys[3]]).assert_exact();
    assert_eq!(receiver.arrivals()[0].attempt(), Some(2), "the failure before the restart counts");
    assert!(house.state.failed_events(&FailedFilter::default()).await.expect("they are read").is_empty());
}

#[tokio::test]
async fn an_exhausted_aggregate_is_parked_by_event() {
    let house = House::new().await;
    let receiver =
        Receiver::start(|_, arrival| if of(arrival, "b") { Behaviour::from(500) } else { Behaviour::from(200) });
    house.set(ordered(&receiver, Ordering::Aggregate, 4), Condition::All).await;
    let keys = write(&house, "abbc").await;
    let running = house.start();
    eventually("the cursor is at the end", async || (cursor(&house.state).await.key == keys[3]).then_some(())).await;
    running.stop().await;
    let failed = house.state.failed_events(&FailedFilter::default()).await.expect("they are read");
    let parked: Vec<_> = failed.iter().map(|(_, _, failed)| (&failed.key, failed.status)).collect();
    assert_eq!(parked, [(&keys[1], FailedStatus::Parked), (&keys[2], FailedStatus::Parked)]);
}

#[tokio::test]
async fn lookahead_bounds_how_far_a_stuck_aggregate_is_left_behind() {
    let mut house = House::new().await;
    house.options.lookahead = 5;
    house.options.retry_failed_after = Duration::from_secs(30);
    house.options.policy.max_retry_interval = Duration::from_secs(30);
    let receiver =
        Receiver::start(|_, arrival| if of(arrival, "b") { Behaviour::from(500) } else { Behaviour::from(200) });
    let clock = Receiver::ok();
    house.set(ordered(&receiver, Ordering::Aggregate, 4), Condition::All).await;
    house.target("clock", &clock, Condition::All).await;
    let keys = write(&house, &format!("b{}", "a".repeat(20))).await;
    let running = house.start();
    receiver.wait_for(5).await;
    eventually("four are settled ahead", async || {
        let cursor = house.state.cursor(&"id-t".into(), &"i".into()).await.expect("the cursor is read")?;
        cursor.ahead.filter(|ahead| ahead.to == keys[4]).map(|_| ())
    })
    .await;
    // Another target goes on meanwhile, to the end and once more.
    clock.wait_for(21).await;
    write(&house, "a").await;
    clock.wait_for(22).await;
    assert_eq!(receiver.count(), 5, "one that waits and four beyond it");
    running.stop().await;
}

#[tokio::test]
async fn another_ordering_is_in_force_without_a_restart() {
    let house = House::new().await;
    let receiver = Receiver::start(|_, _| slow(200));
    house.set(ordered(&receiver, Ordering::Strict, 1), Condition::All).await;
    write(&house, "abcdefgh").await;
    let running = house.start();
    receiver.wait_for(1).await;
    house.set(ordered(&receiver, Ordering::None, 8), Condition::All).await;
    let keys = write(&house, &"x".repeat(24)).await;
    let before = std::time::Instant::now();
    eventually("the cursor is at the end", async || (cursor(&house.state).await.key == keys[23]).then_some(())).await;
    assert!(before.elapsed() < Duration::from_secs(4), "{:?}", before.elapsed());
    running.stop().await;
    let accepted: Vec<Arc<Arrival>> = receiver.accepted();
    assert!(accepted.len() >= 32, "{}", accepted.len());
}
