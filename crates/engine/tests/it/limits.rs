//! What a target's endpoint can take.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use domain::{Condition, FailedStatus, Limits, Ordering, Target};
use store::{AttemptFilter, FailedFilter};
use test_support::{Account, Behaviour, Receiver, eventually};

use crate::house::{House, target};

#[tokio::test]
async fn a_target_is_called_no_more_often_than_its_rate_and_others_are_not_slowed() {
    let house = House::new().await;
    let (slow, quick) = (Receiver::ok(), Receiver::ok());
    let rate = Some("20/s".parse().expect("a rate"));
    let limits = Limits { rate, burst: NonZeroU32::new(5), ..Limits::default() };
    house.set(Target { limits, ..target("slow", &slow) }, Condition::All).await;
    house.target("quick", &quick, Condition::All).await;
    let keys = house.append(&["user.added"; 45]).await;
    let began = Instant::now();
    let running = house.start();
    quick.wait_for(45).await;
    let there = slow.count();
    assert!(there < 40 || began.elapsed() > Duration::from_millis(1500), "{there} after {:?}", began.elapsed());
    slow.wait_for(45).await;
    running.stop().await;
    Account::of(&slow.accepted(), &keys).assert_exact();
    Account::of(&quick.accepted(), &keys).assert_exact();

    let at: Vec<Instant> = slow.arrivals().iter().map(|arrival| arrival.at).collect();
    let took = at[44] - at[0];
    // Five at once, then one every 50 ms: 40 of them after the burst.
    assert!(took >= Duration::from_millis(1900), "45 calls came within {took:?}");
    assert!(took < Duration::from_millis(3500), "45 calls took {took:?}");
    for (first, last) in at.iter().zip(&at[25..]) {
        // In no second more than the rate and the burst; arrivals jitter a little.
        assert!(*last - *first >= Duration::from_millis(900), "26 calls came within {:?}", *last - *first);
    }
}

#[tokio::test]
async fn a_rate_holds_where_many_calls_are_under_way() {
    let house = House::new().await;
    let receiver = Receiver::start(|_, _| Behaviour::from(200).delayed(Duration::from_millis(300)));
    let rate = Some("20/s".parse().expect("a rate"));
    let limits = Limits { rate, burst: NonZeroU32::new(1), ..Limits::default() };
    let target = Target { limits, ordering: Ordering::None, max_in_flight: 50, ..target("t", &receiver) };
    house.set(target, Condition::All).await;
    let keys = house.append(&["user.added"; 30]).await;
    let running = house.start();
    receiver.wait_for(30).await;
    running.stop().await;
    let at: Vec<Instant> = receiver.arrivals().iter().map(|arrival| arrival.at).collect();
    let took = at[29] - at[0];
    // One every 50 ms. One call after the other would take nine seconds.
    assert!(took >= Duration::from_millis(1350), "30 calls came within {took:?}");
    assert!(took < Duration::from_secs(4), "30 calls took {took:?}");
    assert_eq!(receiver.accepted().len(), keys.len());
}

#[tokio::test]
async fn a_request_that_is_too_large_is_parked_with_the_reason() {
    let house = House::new().await;
    let (small, any) = (Receiver::ok(), Receiver::ok());
    let limits = Limits { max_request: Some(100), ..Limits::default() };
    house.set(Target { limits, ..target("small", &small) }, Condition::All).await;
    house.target("any", &any, Condition::All).await;
    let keys = house.append(&["user.added"]).await;
    let running = house.start();
    any.wait_for(1).await;
    let failed = eventually("it is parked", async || {
        let failed = house.state.failed_events(&FailedFilter::default()).await.expect("they are read");
        failed.into_iter().map(|(_, _, failed)| failed).find(|failed| failed.status == FailedStatus::Parked)
    })
    .await;
    running.stop().await;
    assert_eq!((&failed.key, failed.failure_count), (&keys[0], 5));
    assert!(failed.error.contains("max_request is 100"), "{}", failed.error);
    assert_eq!(small.count(), 0);
    let filter =
        AttemptFilter { target: Some("id-small".into()), instance: None, outcome: None, event: None, limit: 10 };
    let attempts = house.state.attempts(&filter).await.expect("attempts are listed");
    assert_eq!(attempts.iter().map(|one| one.attempt.status).collect::<Vec<_>>(), [None; 5]);
}
