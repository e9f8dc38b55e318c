//! Transactions that stay open: writers that are idle, readers that only look.

use std::time::Duration;

use test_support::{Push, Stamp, TestDatabase, Written, eventually};

use super::{
    daemon::{Daemon, House},
    lossless_scene::Trio,
};

const PATIENCE: Duration = Duration::from_secs(30);
/// Both ways of stamping, each with the horizon that is made for it, and the newer one with that for both.
const STAMPS: [(Stamp, &str); 3] = [(Stamp::Now, "tx_start"), (Stamp::Clock, "clock"), (Stamp::Clock, "tx_start")];

/// A store of ZITADEL's shape, a config for it, three targets.
async fn house(horizon: &str) -> (TestDatabase, House, Trio) {
    let database = TestDatabase::create().await;
    database.zitadel().await;
    let mut house = House::new(&database.url());
    house.set("[delivery.egress]", &format!("horizon = \"{horizon}\"\n[delivery.egress]"));
    let trio = Trio::at(&mut house);
    (database, house, trio)
}

/// Some events for each target, each in a transaction of its own.
async fn push(database: &TestDatabase, stamp: Stamp, name: &str) {
    for event_type in ["user.human.added", "user.locked", "org.added", "user.human.email.changed"] {
        let aggregate_type = event_type.split('.').next().expect("there is a first word");
        database.push(stamp, &Push::to(aggregate_type, name).event(event_type)).await;
    }
}

/// Waits until the daemon has taken the horizon after this moment, and read up to it.
///
/// Its connection is found by the last statement on it; one that began after this moment and is over says so.
async fn has_looked(database: &TestDatabase) {
    let now = database.value("SELECT clock_timestamp()").await.expect("there is always a time");
    let looked = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'postrider' AND state = 'idle'
         AND query LIKE '%p_more%' AND query_start > '{now}'"
    );
    eventually("the daemon has looked", async || (database.value(&looked).await.as_deref() != Some("0")).then_some(()))
        .await;
}

/// Stops, and looks at what arrived.
async fn settle(database: &TestDatabase, trio: &Trio, daemon: Daemon) -> Vec<Written> {
    let written = database.zitadel_events().await;
    trio.wait_for(&written, PATIENCE).await;
    assert_eq!(daemon.stop().await, 0);
    trio.assert_exact(&written);
    written
}

#[tokio::test]
async fn a_writer_that_is_idle_while_the_daemon_is_killed_loses_nothing() {
    for (stamp, horizon) in STAMPS {
        let (database, house, trio) = house(horizon).await;
        let daemon = house.start();
        push(&database, stamp, "before").await;
        trio.wait_for(&database.zitadel_events().await, PATIENCE).await;
        trio.wait_until_committed(&house).await;

        let mut writer = database.pool().begin().await.expect("a transaction begins");
        let idle = Push::to("user", "idle").event("user.human.added").event("user.locked");
        idle.run(stamp, &mut writer).await.expect("it is pushed");
        push(&database, stamp, "behind").await;
        has_looked(&database).await;
        let before = [1, 2, 1];
        assert_eq!(trio.counts(), before, "{stamp:?} {horizon}: what lies behind an open writer waits");

        daemon.kill();
        let daemon = house.start();
        push(&database, stamp, "later").await;
        has_looked(&database).await;
        assert_eq!(trio.counts(), before, "{stamp:?} {horizon}: to a daemon that has just begun, too");

        writer.commit().await.expect("it is committed");
        let written = settle(&database, &trio, daemon).await;
        let at = written.iter().position(|event| event.key.aggregate_id.as_str() == "idle");
        assert_eq!((at, written.len()), (Some(4), 14), "the idle writer's events stand among the others");
    }
}

#[tokio::test]
async fn a_dump_stalls_what_is_stamped_with_the_start_of_the_transaction_and_is_named() {
    let (database, house, trio) = house("tx_start").await;
    let daemon = house.start();
    push(&database, Stamp::Now, "before").await;
    trio.wait_for(&database.zitadel_events().await, PATIENCE).await;

    let dump = "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL application_name = 'the nightly dump'; \
                SELECT count(*) FROM eventstore.events2";
    let dump = database.pool().begin_with(dump).await.expect("a transaction begins");
    push(&database, Stamp::Now, "behind").await;
    for command in [&["cursor", "list"][..], &["check"]] {
        eventually(&format!("{command:?} names the holder"), async || {
            house.cli(command).contains("the nightly dump").then_some(())
        })
        .await;
    }
    has_looked(&database).await;
    assert_eq!(trio.counts(), [1, 2, 1]);
    daemon.says("application=\"the nightly dump\"").await;

    dump.rollback().await.expect("it ends");
    settle(&database, &trio, daemon).await;
}

#[tokio::test]
async fn a_dump_stalls_nothing_that_is_stamped_with_the_clock_nor_one_whose_role_is_known_not_to_write() {
    for (stamp, horizon, ignored) in [(Stamp::Clock, "clock", "[]"), (Stamp::Now, "tx_start", "[\"postgres\"]")] {
        let (database, mut house, trio) = house(horizon).await;
        house.set("[delivery.egress]", &format!("ignore_roles = {ignored}\n[delivery.egress]"));
        let dump = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM eventstore.events2";
        let dump = database.pool().begin_with(dump).await.expect("a transaction begins");
        let daemon = house.start();
        push(&database, stamp, "beside").await;
        settle(&database, &trio, daemon).await;
        dump.rollback().await.expect("it was open all the time");
    }
}
