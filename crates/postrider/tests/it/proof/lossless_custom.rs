//! Tables of somebody else's making, with positions from a sequence.

use std::{fmt::Write as _, time::Duration};

use test_support::{CUSTOM_TABLE, CustomKind, Load, Shape, TestDatabase, eventually};

use super::{
    daemon::House,
    lossless_scene::{Naive, Trio, cursors, percent},
};

/// The table as the config describes it.
const DESCRIBED: &str = "profile = \"custom\"\ntable = \"app.events\"\n[event_store.columns]\nposition = \"id\"\n\
    aggregate_type = \"stream_type\"\naggregate_id = \"stream_id\"\nevent_type = \"name\"\nsequence = \"version\"\n\
    created_at = \"created\"\npayload = \"data\"\n[delivery.egress]";

const NAIVE: Naive = Naive { table: CUSTOM_TABLE, position: "id", rows: "true" };
const PATIENCE: Duration = Duration::from_secs(45);

async fn house(kind: CustomKind) -> (TestDatabase, House, Trio) {
    let database = TestDatabase::create().await;
    database.custom(kind).await;
    let mut house = House::new(&database.url());
    house.set("[delivery.egress]", DESCRIBED);
    let trio = Trio::at(&mut house);
    (database, house, trio)
}

/// A daemon delivers while 16 writers write.
async fn check(kind: CustomKind, two_phase: f64) {
    let (database, house, trio) = house(kind).await;
    let daemon = house.start();
    daemon.says("this daemon has joined").await;
    let mut load = Load::new(Shape::Custom);
    (load.writers, load.events, load.two_phase) = (16, 4_000, two_phase);
    let (written, missed) = NAIVE.beside(&database, load.run(&database)).await;
    println!(
        "{kind:?}: {} events; a reader without horizon misses {missed} of them, {}",
        written.len(),
        percent(missed, written.len())
    );
    trio.wait_for(&written, PATIENCE).await;
    assert_eq!(daemon.stop().await, 0);
    trio.assert_exact(&written);
    assert!(missed > 0, "the writers were too easy: nobody would have lost anything");
    let last = &written.last().expect("something was written").key;
    let cursors = cursors(&house);
    assert_eq!(cursors.len(), 3, "{cursors:?}");
    assert!(cursors.values().any(|cursor| cursor == last), "one of them had the last event: {cursors:?}");
    assert!(cursors.values().all(|cursor| cursor <= last), "{cursors:?}");
}

#[tokio::test]
async fn nothing_is_lost_of_a_table_with_a_bigserial() {
    check(CustomKind::Serial, 0.0).await;
}

#[tokio::test]
async fn nothing_is_lost_of_a_table_with_an_identity() {
    check(CustomKind::Identity, 0.0).await;
}

#[tokio::test]
async fn nothing_is_lost_of_a_partitioned_table() {
    check(CustomKind::Partitioned, 0.0).await;
}

#[tokio::test]
async fn nothing_is_lost_of_a_table_with_transactions_in_two_phases() {
    check(CustomKind::Serial, 0.3).await;
    check(CustomKind::Partitioned, 0.3).await;
}

/// Takes its position first, then waits until it may go on, and only then touches the table.
const SLOW: &str = "
    CREATE TABLE app.may_go_on ();
    CREATE FUNCTION app.slow(stream TEXT) RETURNS VOID LANGUAGE plpgsql AS $$
    DECLARE taken BIGINT := nextval('app.events_id_seq');
    BEGIN
        WHILE NOT EXISTS (SELECT FROM app.may_go_on) LOOP PERFORM pg_sleep(0.01); END LOOP;
        INSERT INTO app.events (id, stream_type, stream_id, name, version) VALUES (taken, 'user', stream, 'user.locked', 1);
    END $$";

#[tokio::test]
async fn a_position_that_is_taken_long_before_its_row_is_written_is_waited_for() {
    let (database, house, trio) = house(CustomKind::Serial).await;
    database.execute(SLOW).await;
    let daemon = house.start();
    daemon.says("this daemon has joined").await;
    let insert = |from: usize, to: usize| {
        let mut sql = "INSERT INTO app.events (stream_type, stream_id, name, version) VALUES ".to_owned();
        for number in from..to {
            let comma = if number == from { "" } else { ", " };
            write!(sql, "{comma}('org', 'o{number}', 'org.added', 1)").expect("a string takes it");
        }
        sql
    };
    database.execute(&insert(0, 20)).await;
    trio.wait_for(&database.custom_events().await, PATIENCE).await;

    let rest = async {
        let taken = "SELECT last_value FROM app.events_id_seq";
        eventually("its position is taken", async || {
            (database.value(taken).await.as_deref() == Some("21")).then_some(())
        })
        .await;
        database.execute(&insert(20, 40)).await;
        // Whoever holds the horizon up is told about once that takes a second.
        eventually("the slow writer is named", async || {
            house.cli(&["cursor", "list"]).contains("held below").then_some(())
        })
        .await;
        assert_eq!(trio.counts(), [0, 0, 20], "what was written behind the position that is taken waits");
        database.execute("INSERT INTO app.may_go_on DEFAULT VALUES").await;
    };
    tokio::join!(database.execute("SELECT app.slow('s1')"), rest);

    let written = database.custom_events().await;
    assert_eq!(written[20].event_type.as_str(), "user.locked", "its position is among the others'");
    trio.wait_for(&written, PATIENCE).await;
    assert_eq!(daemon.stop().await, 0);
    trio.assert_exact(&written);
}
