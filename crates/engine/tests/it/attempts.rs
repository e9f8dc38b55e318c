//! What is written down of attempts, and events that are sent again.

use std::time::Duration;

use domain::{Condition, FailedStatus, OutcomeKind, Target, TargetKind};
use postrider_engine::DeliveryLog;
use store::{AttemptFilter, FailedFilter, RecordedAttempt};
use test_support::{Behaviour, Receiver, eventually};

use crate::house::{House, target};

/// Refuses `user.locked` with a sentence.
fn particular() -> Receiver {
    Receiver::start(|_, arrival| match arrival.event_type().as_str() {
        "user.locked" => Behaviour::from(500).with_body("no such tenant").delayed(Duration::from_millis(20)),
        _ => Behaviour::from(200).with_body("thanks"),
    })
}

async fn attempts(house: &House) -> Vec<RecordedAttempt> {
    let filter = AttemptFilter { target: None, instance: None, outcome: None, event: None, limit: 1000 };
    let mut attempts = Vec::new();
    for listed in house.state.attempts(&filter).await.expect("attempts are listed") {
        attempts.push(house.state.attempt(listed.id).await.expect("an attempt is read").expect("it is there"));
    }
    attempts.reverse();
    attempts
}

/// Three events, of which the second is refused five times; everything is written down when the daemon has stopped.
async fn delivered_with(log: DeliveryLog) -> (House, Vec<RecordedAttempt>) {
    let mut house = House::new().await;
    house.options.delivery_log = log;
    let receiver = particular();
    house.target("t", &receiver, Condition::All).await;
    house.append(&["user.added", "user.locked", "user.unlocked"]).await;
    let running = house.start();
    receiver.wait_for(7).await;
    running.stop().await;
    let attempts = attempts(&house).await;
    (house, attempts)
}

#[tokio::test]
async fn failures_are_written_down_with_status_duration_and_answer() {
    let (house, attempts) = delivered_with(DeliveryLog::Failures).await;
    assert_eq!(attempts.len(), 5, "{attempts:?}");
    let failed = house.state.failed_events(&FailedFilter::default()).await.expect("they are read").remove(0).2;
    for (recorded, number) in attempts.iter().zip(1..) {
        let attempt = &recorded.attempt;
        assert_eq!((recorded.target.as_str(), attempt.instance_id.as_str(), attempt.attempt), ("t", "i", number));
        assert_eq!((&attempt.key, &attempt.event_type), (&failed.key, &failed.event_type));
        assert_eq!((attempt.outcome, attempt.status), (OutcomeKind::Failed, Some(500)));
        assert_eq!(
            (attempt.error.as_deref(), attempt.answer.as_deref()),
            (Some(failed.error.as_str()), Some("no such tenant"))
        );
        let took = Duration::from_millis(20)..Duration::from_secs(2);
        assert!(took.contains(&attempt.duration), "{:?}", attempt.duration);
    }
    assert!(attempts.is_sorted_by_key(|recorded| recorded.attempt.started_at));
}

#[tokio::test]
async fn successes_are_written_down_only_where_all_are() {
    let (_, all) = delivered_with(DeliveryLog::All { sample: 1.0 }).await;
    let outcomes: Vec<_> = all.iter().map(|recorded| recorded.attempt.outcome).collect();
    let mut expected = vec![OutcomeKind::Failed; 7];
    (expected[0], expected[6]) = (OutcomeKind::Delivered, OutcomeKind::Delivered);
    assert_eq!(outcomes, expected);
    assert_eq!((all[0].attempt.status, all[0].attempt.answer.as_deref()), (Some(200), Some("thanks")));
    let (_, none_of_successes) = delivered_with(DeliveryLog::All { sample: 0.0 }).await;
    assert_eq!(none_of_successes.len(), 5);
    let (_, none) = delivered_with(DeliveryLog::Off).await;
    assert_eq!(none, []);
}

#[tokio::test]
async fn calls_that_nobody_awaits_are_written_down_too() {
    let house = House::new().await;
    let receiver = particular();
    house.set(Target { kind: TargetKind::Async, ..target("t", &receiver) }, Condition::All).await;
    let keys = house.append(&["user.added", "user.locked"]).await;
    let running = house.start();
    receiver.wait_for(2).await;
    running.stop().await;
    let attempts = attempts(&house).await;
    let [one] = &attempts[..] else { panic!("one failed: {attempts:?}") };
    assert_eq!((&one.attempt.key, one.attempt.status), (&keys[1], Some(500)));
    assert_eq!(one.attempt.answer.as_deref(), Some("no such tenant"));
}

#[tokio::test]
async fn a_delivered_event_is_sent_again_and_the_cursor_does_not_move() {
    let mut house = House::new().await;
    house.options.delivery_log = DeliveryLog::All { sample: 1.0 };
    let receiver = Receiver::ok();
    house.target("t", &receiver, Condition::All).await;
    let keys = house.append(&["user.added", "user.locked", "user.unlocked"]).await;
    let running = house.start();
    receiver.wait_for(3).await;
    let first = eventually("all is committed and written down", async || {
        let at_the_end = house.state.cursors().await.expect("cursors are read")[0].key == keys[2];
        attempts(&house).await.into_iter().next().filter(|_| at_the_end)
    })
    .await;
    let cursor = house.state.cursors().await.expect("cursors are read").remove(0);
    house.state.resend(first.id, false, "test").await.expect("it is sent again");
    receiver.wait_for(4).await;
    eventually("it is no failed event any more", async || {
        house.state.failed_events(&FailedFilter::default()).await.expect("they are read").is_empty().then_some(())
    })
    .await;
    running.stop().await;
    let arrived: Vec<_> = receiver.arrivals().iter().map(|arrival| arrival.key()).collect();
    assert_eq!(arrived, [&keys[..], &keys[..1]].concat());
    let ids: Vec<_> = receiver.arrivals().iter().map(|one| one.header("webhook-id").map(str::to_owned)).collect();
    assert_eq!(ids[0], ids[3], "receivers can tell that they had it");
    let after = house.state.cursors().await.expect("cursors are read").remove(0);
    assert_eq!((after.key, after.epoch, after.delivered), (cursor.key, cursor.epoch, cursor.delivered));
}

#[tokio::test]
async fn an_event_that_is_sent_again_and_refused_is_tried_again_and_parked() {
    let house = House::new().await;
    let receiver = particular();
    house.target("t", &receiver, Condition::All).await;
    house.append(&["user.locked", "user.unlocked"]).await;
    let running = house.start();
    receiver.wait_for(6).await;
    let parked = async || {
        let failed = house.state.failed_events(&FailedFilter::default()).await.expect("they are read");
        failed.iter().any(|(_, _, one)| one.status == FailedStatus::Parked && one.failure_count == 5).then_some(())
    };
    eventually("it is parked", parked).await;
    let first = eventually("it is written down", async || attempts(&house).await.into_iter().next()).await;
    house.state.resend(first.id, false, "test").await.expect("it is sent again");
    receiver.wait_for(11).await;
    eventually("it is parked again", parked).await;
    running.stop().await;
    assert_eq!(receiver.count(), 11);
}
