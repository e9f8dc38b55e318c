//! Pushes and writers.

use std::{collections::HashSet, time::Duration};

use postrider_test_support::{CustomKind, Load, PrivatePostgres, Push, Shape, Stamp, TestDatabase};
use serde_json::json;

#[tokio::test]
async fn released_versions_give_a_push_one_position_and_newer_ones_give_each_event_its_own() {
    let database = TestDatabase::create().await;
    database.zitadel().await;
    let push = Push::to("user", "u1").event("user.human.added").event_with("user.locked", json!({ "why": "test" }));

    let written = database.push(Stamp::Now, &push).await;
    assert_eq!(written[0].key.position, written[1].key.position);
    assert_eq!((written[0].key.in_tx_order, written[1].key.in_tx_order), (1, 2));

    let written = database.push(Stamp::Clock, &push).await;
    assert!(written[0].key.position < written[1].key.position);
    assert_eq!((written[0].key.sequence, written[1].key.sequence), (3, 4));
    assert_eq!(written[1].event_type.as_str(), "user.locked");

    let payload = "SELECT payload->>'why' FROM eventstore.events2 WHERE sequence = 4";
    assert_eq!(database.value(payload).await.as_deref(), Some("test"));
    assert_eq!(database.zitadel_events().await.len(), 4);
}

/// Runs a load, with half of its transactions in two phases, and looks at what it left.
async fn check(shape: Shape, instances: &[&str]) {
    let database = TestDatabase::create().await;
    match shape {
        Shape::Zitadel(_) => database.zitadel().await,
        Shape::Custom => database.custom(CustomKind::Partitioned).await,
    }
    let mut load = Load::new(shape);
    (load.events, load.pause, load.two_phase) = (300, Duration::from_millis(2), 0.5);
    load.instances = instances.iter().map(ToString::to_string).collect();
    let written = load.run(&database).await;

    assert!(written.len() >= load.events, "{} events", written.len());
    assert!(written.is_sorted(), "they are in the order of the key");
    let on: HashSet<_> = written.iter().map(|event| event.key.instance_id.as_str()).collect();
    assert_eq!(on, instances.iter().copied().collect());
    let prepared = "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()";
    assert_eq!(database.value(prepared).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn writers_fill_a_store_of_released_versions() {
    check(Shape::Zitadel(Stamp::Now), &["i1"]).await;
}

#[tokio::test]
async fn writers_fill_a_store_of_newer_versions_on_several_instances() {
    check(Shape::Zitadel(Stamp::Clock), &["i1", "i2", "i3"]).await;
}

#[tokio::test]
async fn writers_fill_a_table_of_somebody_elses() {
    check(Shape::Custom, &[""]).await;
}

/// How many events a reader misses that takes what it sees above the highest position it has seen, as long as the
/// writers write.
async fn missed_by_a_naive_reader(shape: Shape, newer: &'static str) -> usize {
    let database = TestDatabase::create().await;
    match shape {
        Shape::Zitadel(_) => database.zitadel().await,
        Shape::Custom => database.custom(CustomKind::Serial).await,
    }
    let (mut seen, mut highest) = (0, "0".to_owned());
    let mut reader = database.connection("naive reader").await;
    let mut read = async || {
        let (count, position): (i64, String) =
            sqlx::query_as(newer).bind(&highest).fetch_one(&mut reader).await.expect("it reads");
        (seen, highest) = (seen + usize::try_from(count).expect("a count is not negative"), position);
    };
    let load = Load::new(shape);
    let written = {
        let mut writing = std::pin::pin!(load.run(&database));
        loop {
            match tokio::time::timeout(Duration::from_millis(2), &mut writing).await {
                Ok(written) => break written,
                Err(_) => read().await,
            }
        }
    };
    read().await;
    written.len() - seen
}

#[tokio::test]
async fn the_writers_are_too_hard_for_a_reader_that_trusts_the_highest_position() {
    let zitadel = "SELECT count(*), COALESCE(max(position), $1::numeric)::text FROM eventstore.events2
         WHERE position > $1::numeric";
    let custom = "SELECT count(*), COALESCE(max(id), $1::bigint)::text FROM app.events WHERE id > $1::bigint";
    let shapes =
        [(Shape::Zitadel(Stamp::Now), zitadel), (Shape::Zitadel(Stamp::Clock), zitadel), (Shape::Custom, custom)];
    for (shape, newer) in shapes {
        let missed = missed_by_a_naive_reader(shape, newer).await;
        println!("{shape:?}: {missed} missed");
        assert!(missed > 20, "{shape:?}: only {missed} missed");
    }
}

#[tokio::test]
async fn every_kind_of_custom_table_can_be_written_to() {
    for kind in [CustomKind::Serial, CustomKind::Identity, CustomKind::Partitioned] {
        let database = TestDatabase::create().await;
        database.custom(kind).await;
        let mut load = Load::new(Shape::Custom);
        (load.writers, load.events, load.pause) = (1, 5, Duration::ZERO);
        assert!(load.run(&database).await.len() >= 5, "{kind:?}");
    }
}

#[tokio::test]
async fn a_database_with_a_prepared_transaction_can_be_dropped() {
    let witness = TestDatabase::create().await;
    let database = TestDatabase::create().await;
    database.zitadel().await;
    let name = database.name().to_owned();
    database.execute("BEGIN; CREATE TABLE t (); PREPARE TRANSACTION 'it''s open'").await;
    database.close().await;
    let databases = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(witness.value(&databases).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn writers_outlive_a_crash_of_their_server_and_leave_nothing_prepared() {
    let mut server = PrivatePostgres::start().await;
    let database = server.database().await;
    database.zitadel().await;
    let mut load = Load::new(Shape::Zitadel(Stamp::Clock));
    (load.events, load.two_phase, load.per_second) = (600, 0.5, Some(1_000));
    let crash = async {
        while database.zitadel_events().await.len() < 200 {}
        server.crash();
        server.start_again().await;
    };
    let (written, ()) = tokio::join!(load.run(&database), crash);
    assert!(written.len() >= 500, "what was committed just before the crash may be gone: {}", written.len());
    assert_eq!(database.value("SELECT count(*) FROM pg_prepared_xacts").await.as_deref(), Some("0"));
}
