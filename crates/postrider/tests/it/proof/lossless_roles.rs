//! A role that may read the table and nothing else, and text that the database orders in its own way.

use std::time::Duration;

use test_support::{Load, Receiver, Shape, Stamp, TestDatabase};

use super::{
    daemon::House,
    lossless_scene::{Trio, assert_exact},
};

const PATIENCE: Duration = Duration::from_secs(45);

/// 8 writers, some of them in two phases, are read by a role that sees next to nothing of them.
async fn check(house: &mut House, database: &TestDatabase, stamp: Stamp, horizon: &str) {
    house.set("[delivery.egress]", &format!("horizon = \"{horizon}\"\n[delivery.egress]"));
    let trio = Trio::at(house);
    let daemon = house.start();
    daemon.says("this daemon has joined").await;
    let mut load = Load::new(Shape::Zitadel(stamp));
    load.two_phase = 0.1;
    let written = load.run(database).await;
    trio.wait_for(&written, PATIENCE).await;
    assert_eq!(daemon.stop().await, 0);
    trio.assert_exact(&written);
}

#[tokio::test]
async fn a_role_with_select_alone_keeps_its_state_in_a_file() {
    for (stamp, horizon) in [(Stamp::Now, "tx_start"), (Stamp::Clock, "clock")] {
        let mut database = TestDatabase::create().await;
        database.zitadel().await;
        let role = database.create_reader().await;
        let mut house = House::new(&database.url_as(&role));
        let file = house.folder().join("state.db");
        house.add(&format!("[state]\nurl = \"sqlite://{}\"", file.display()));
        check(&mut house, &database, stamp, horizon).await;
    }
}

#[tokio::test]
async fn a_role_with_select_alone_keeps_its_state_in_a_database_of_its_own() {
    for (stamp, horizon) in [(Stamp::Now, "tx_start"), (Stamp::Clock, "clock")] {
        let mut database = TestDatabase::create().await;
        database.zitadel().await;
        let role = database.create_reader().await;
        // Dropped before the role is.
        let state = TestDatabase::create().await;
        state.execute(&format!("GRANT CREATE ON DATABASE {} TO {role}", state.name())).await;
        let mut house = House::new(&database.url_as(&role));
        house.add(&format!("[state]\nurl = \"{}\"", state.url_as(&role)));
        check(&mut house, &database, stamp, horizon).await;
    }
}

/// 120 events of 40 aggregates at two positions, in no order that people expect: only the rest of the key tells them apart.
fn ties(first: u32) -> String {
    format!(
        "INSERT INTO eventstore.events2
         SELECT 'i1', aggregate_type, aggregate_id, CASE n % 3 WHEN 0 THEN 'user.human.added' ELSE 'org.added' END, n, 2,
             now(), NULL, 'creator1', 'org1', {first} + n % 2, 1
         FROM unnest(ARRAY['a', 'B', 'b', 'A', 'ä', 'Z', 'z', '_', '-', 'a-b', 'aB', 'a_b', 'é', 'e', 'ss', 'ß', '1', '10', '9', '~'])
             AS aggregate_id,
         unnest(ARRAY['user', 'User']) AS aggregate_type, generate_series(1 + {first}, 3 + {first}) AS n"
    )
}

#[tokio::test]
async fn events_at_the_same_position_are_paged_through_whatever_the_collation() {
    let database = TestDatabase::create_icu().await;
    database.zitadel().await;
    let mut house = House::new(&database.url());
    house.set("[projection]", "[projection]\nbulk_limit = 3");
    database.execute(&ties(100)).await;
    let everything = Receiver::ok();
    house.target("everything", &everything, "");
    house.execution("{ all = true }", &["everything"]);

    // What was there before, and what comes while it runs.
    let daemon = house.start();
    everything.wait_for_within(120, PATIENCE).await;
    database.execute(&ties(200)).await;
    let written = database.zitadel_events().await;
    assert_eq!(written.len(), 240);
    everything.wait_for_within(240, PATIENCE).await;
    assert_eq!(daemon.stop().await, 0);
    assert_exact(&everything, &written);

    // A target that has to catch up reads pages of its own, of what concerns it.
    let late = Receiver::ok();
    house.target("late", &late, "");
    house.execution("{ event = \"user.human.added\" }", &["late", "everything"]);
    let daemon = house.start();
    let added: Vec<_> = written.iter().filter(|event| event.event_type.as_str() == "user.human.added").collect();
    late.wait_for_within(added.len(), PATIENCE).await;
    assert_eq!(daemon.stop().await, 0);
    assert_exact(&late, added.iter().copied());
    assert_exact(&everything, &written);
}
