//! Backlogs of several pages: read ahead beside other instances, and gone on with by many couriers after a restart.

use std::time::Duration;

use test_support::{Account, Behaviour, Receiver};

use crate::house::{House, target};

/// So few that a backlog has many pages.
const ROWS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_ahead_stays_in_order_beside_other_instances() {
    let mut house = House::new().await;
    house.options.bulk_limit = ROWS;
    let receiver = Receiver::ok();
    let mut all = Vec::new();
    // By turns, so that the instances lie between one another.
    for _ in 0..20 {
        for (instance, events) in [("i", 70), ("j", 40), ("k", 1)] {
            all.extend(house.append_on(instance, &vec![("a", "user.added"); events]).await);
        }
    }
    house.set_all(vec![target("crm", &receiver)]).await;
    let running = house.start();
    receiver.wait_for(all.len() / 2).await;
    // A backlog that grows while it is read, and an instance that comes to it.
    for (instance, events) in [("j", 90), ("l", 120), ("i", 30)] {
        all.extend(house.append_on(instance, &vec![("a", "user.added"); events]).await);
    }
    receiver.wait_for(all.len()).await;
    running.stop().await;
    let arrived = receiver.accepted();
    for instance in ["i", "j", "k", "l"] {
        let here: Vec<_> =
            arrived.iter().filter(|arrival| arrival.key().instance_id.as_str() == instance).cloned().collect();
        Account::of(&here, all.iter().filter(|key| key.instance_id.as_str() == instance)).assert_exact();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_stands_scattered_goes_on_in_order_after_a_restart() {
    const TARGETS: usize = 40;
    let mut house = House::new().await;
    house.options.bulk_limit = ROWS;
    // Some are quicker than others, and one is far behind.
    let receiver = Receiver::start(|_, arrival| {
        let number: u64 = arrival.path.trim_start_matches("/t").parse().expect("a number");
        let pause = if number == 7 { 25 } else { number % 5 * 2 };
        Behaviour::from(200).delayed(Duration::from_millis(pause))
    });
    let targets = (0..TARGETS).map(|number| {
        let mut one = target(&format!("t{number}"), &receiver);
        one.endpoint = receiver.url_of(&format!("/t{number}")).parse().expect("a URL");
        one
    });
    house.set_all(targets.collect()).await;
    let keys = house.append(&["user.added"; 150]).await;
    for part in 1..=3 {
        let running = house.start();
        receiver.wait_for(TARGETS * keys.len() * part / 4).await;
        running.stop().await;
    }
    let running = house.start();
    receiver.wait_for(TARGETS * keys.len()).await;
    running.stop().await;
    let arrived = receiver.accepted();
    for number in 0..TARGETS {
        let path = format!("/t{number}");
        let here: Vec<_> = arrived.iter().filter(|arrival| arrival.path == path).cloned().collect();
        Account::of(&here, &keys).assert_exact();
    }
}
