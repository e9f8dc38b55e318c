//! More couriers with something to send than there are turns.

use std::time::{Duration, Instant};

use domain::{Ordering, Target};
use test_support::{Account, Behaviour, Receiver};

use crate::house::{House, target};

/// More than turns.
fn crowd() -> usize {
    120 * std::thread::available_parallelism().map_or(2, usize::from)
}

fn called(name: &str, receiver: &Receiver, ordering: Ordering) -> Target {
    Target { ordering, max_in_flight: 4, timeout: Duration::from_secs(20), ..target(name, receiver) }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_has_a_turn_and_everything_arrives_once_and_in_order() {
    let house = House::new().await;
    let orderings = [Ordering::Strict, Ordering::Aggregate, Ordering::None];
    let receivers: Vec<_> = orderings.iter().map(|_| Receiver::ok()).collect();
    let mut targets = Vec::new();
    for number in 0..crowd() {
        let (ordering, receiver) = (orderings[number % 3], &receivers[number % 3]);
        let mut one = called(&format!("t{number}"), receiver, ordering);
        one.endpoint = receiver.url_of(&format!("/t{number}")).parse().expect("a URL");
        targets.push(one);
    }
    house.set_all(targets).await;
    // More than a turn's worth of each.
    let events: Vec<_> =
        ["a", "b", "c", "d"].repeat(5).into_iter().map(|aggregate| (aggregate, "user.added")).collect();
    let keys = house.append_to(&events).await;
    let running = house.start();
    for receiver in &receivers {
        receiver.wait_for(crowd() / 3 * keys.len()).await;
    }
    running.stop().await;
    for (ordering, receiver) in orderings.iter().zip(&receivers) {
        let arrived = receiver.accepted();
        for number in (0..crowd()).filter(|number| orderings[number % 3] == *ordering) {
            let path = format!("/t{number}");
            let one: Vec<_> = arrived.iter().filter(|arrival| arrival.path == path).cloned().collect();
            match ordering {
                Ordering::Strict => Account::of(&one, &keys).assert_exact(),
                Ordering::Aggregate => {
                    for aggregate in ["a", "b", "c", "d"] {
                        let of = |key: &domain::EventKey| key.aggregate_id.as_str() == aggregate;
                        let one: Vec<_> = one.iter().filter(|arrival| of(&arrival.key())).cloned().collect();
                        let keys: Vec<_> = keys.iter().filter(|key| of(key)).cloned().collect();
                        Account::of(&one, &keys).assert_exact();
                    }
                }
                Ordering::None => {
                    let mut there: Vec<_> = one.iter().map(|arrival| arrival.key()).collect();
                    there.sort();
                    assert_eq!(there, keys, "{path}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_do_not_answer_keep_no_turn_from_others() {
    let house = House::new().await;
    let silent = Receiver::start(|_, _| Behaviour::from(200).delayed(Duration::from_secs(15)));
    let quick = Receiver::ok();
    let mut targets: Vec<_> = (0..crowd()).map(|n| called(&format!("silent{n}"), &silent, Ordering::Strict)).collect();
    targets.push(called("quick", &quick, Ordering::Strict));
    house.set_all(targets).await;
    let keys = house.append(&["user.added"; 100]).await;
    let began = Instant::now();
    let running = house.start();
    silent.wait_for(crowd()).await;
    quick.wait_for(keys.len()).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(8), "beside silent endpoints 100 calls took {took:?}");
    let more = house.append(&["user.changed"]).await;
    let began = Instant::now();
    quick.wait_for(keys.len() + more.len()).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "beside silent endpoints a new event took {took:?}");
    drop(running);
}
