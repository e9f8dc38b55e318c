//! A store of ZITADEL's shape, with writers that commit out of order while the daemon runs.
//!
//! The same writers are too hard for a reader without a horizon: it reads along in every one of these tests, and must
//! have lost something for the test to mean anything.

use std::time::{Duration, Instant};

use test_support::{Load, Push, Shape, Stamp, TestDatabase, Written};

use super::{
    daemon::House,
    lossless_scene::{Naive, Trio, cursors, percent},
};

const NAIVE: Naive = Naive { table: "eventstore.events2", position: "position", rows: "instance_id IN ('i1', 'i2')" };
const INSTANCES: [&str; 2] = ["i1", "i2"];

/// 16 writers, with everything that makes positions visible in another order than they were taken in. One event in ten is of
/// writers whose transactions take up to a second: longer than any head could lag behind by itself.
async fn write(database: &TestDatabase, stamp: Stamp, events: usize, two_phase: f64) -> Vec<Written> {
    let mut load = Load::new(Shape::Zitadel(stamp));
    load.instances = INSTANCES.map(str::to_owned).to_vec();
    load.two_phase = two_phase;
    let slow = Load { writers: 3, events: events / 10, pause: Duration::from_millis(50), ..load.clone() };
    // Another seed: they are not to do what the others do.
    let slow = Load { seed: load.seed.wrapping_add(1_000), ..slow };
    (load.writers, load.events) = (13, events - slow.events);
    tokio::join!(load.run(database), slow.run(database));
    database.zitadel_events().await
}

/// A daemon delivers while the writers write; `horizon` is what the config says of it.
async fn check(stamp: Stamp, events: usize, two_phase: f64, horizon: Option<&str>) {
    let patience = if events == SOAK { SOAK_PATIENCE } else { CI_PATIENCE };
    let database = TestDatabase::create().await;
    database.zitadel().await;
    let mut house = House::new(&database.url());
    if let Some(horizon) = horizon {
        house.set("[delivery.egress]", &format!("horizon = \"{horizon}\"\n[delivery.egress]"));
    }
    let trio = Trio::at(&mut house);
    let daemon = house.start();
    daemon.says("this daemon has joined").await;

    let began = Instant::now();
    let (mut written, missed) = NAIVE.beside(&database, write(&database, stamp, events, two_phase)).await;
    let wrote = began.elapsed();
    let late = written.len().saturating_sub(trio.counts().iter().sum());
    trio.wait_for(&written, patience).await;
    println!(
        "{stamp:?}, horizon {}: {} events written in {wrote:.1?}, all delivered {:.1?} later ({late} were left); a reader \
         without horizon misses {missed} of them, {}",
        horizon.unwrap_or("found out"),
        written.len(),
        began.elapsed().saturating_sub(wrote),
        percent(missed, written.len()),
    );
    let last = finish(&database, stamp, &trio, &mut written).await;
    assert_eq!(daemon.stop().await, 0);
    trio.assert_exact(&written);
    assert!(missed > 0, "the writers were too easy: nobody would have lost anything");

    let cursors = cursors(&house);
    assert_eq!(cursors.len(), 6, "three targets on two instances: {cursors:?}");
    for ((target, instance), cursor) in cursors {
        let [passed, delivered] = &last[INSTANCES.iter().position(|known| *known == instance).expect("it is known")];
        // Two of the targets have had nothing to do at the end: their cursors have passed it all the same.
        let lowest = if target == "all" { delivered } else { passed };
        assert!((&lowest.key..=&delivered.key).contains(&&cursor), "{target} on {instance} is at {cursor}");
    }
}

/// The last two events of each instance concern one target alone. When the second has arrived, everybody has passed the
/// first.
async fn finish(database: &TestDatabase, stamp: Stamp, trio: &Trio, written: &mut Vec<Written>) -> Vec<[Written; 2]> {
    let mut last = Vec::new();
    for instance in INSTANCES {
        let mut both = Vec::new();
        for _ in 0..2 {
            both.append(&mut database.push(stamp, &Push::to("org", "last").on(instance).event("org.changed")).await);
            written.push(both.last().expect("it was pushed").clone());
            trio.wait_for(written, Duration::from_secs(10)).await;
        }
        last.push(both.try_into().expect("there are two"));
    }
    last
}

const CI: usize = 20_000;
const CI_PATIENCE: Duration = Duration::from_secs(45);
const SOAK: usize = 250_000;
const SOAK_PATIENCE: Duration = Duration::from_mins(15);

#[tokio::test]
async fn nothing_is_lost_where_positions_are_stamped_with_the_start_of_the_transaction() {
    check(Stamp::Now, CI, 0.0, None).await;
}

#[tokio::test]
async fn nothing_is_lost_where_positions_are_stamped_with_the_clock() {
    check(Stamp::Clock, CI, 0.0, Some("clock")).await;
}

#[tokio::test]
async fn nothing_is_lost_where_it_is_not_known_that_positions_are_stamped_with_the_clock() {
    check(Stamp::Clock, CI / 5, 0.0, None).await;
}

#[tokio::test]
async fn nothing_is_lost_of_transactions_in_two_phases() {
    check(Stamp::Now, CI / 5, 0.3, None).await;
    check(Stamp::Clock, CI / 5, 0.3, Some("clock")).await;
}

#[tokio::test]
#[ignore = "it takes long: `just soak`"]
async fn soak_nothing_is_lost_of_many_events_stamped_with_the_start_of_the_transaction() {
    check(Stamp::Now, SOAK, 0.1, None).await;
}

#[tokio::test]
#[ignore = "it takes long: `just soak`"]
async fn soak_nothing_is_lost_of_many_events_stamped_with_the_clock() {
    check(Stamp::Clock, SOAK, 0.1, Some("clock")).await;
}
