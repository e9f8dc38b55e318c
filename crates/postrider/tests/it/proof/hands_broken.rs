//! A row that cannot be decoded: who it concerns halts there, by name; nobody skips it, and an operator passes it.

use std::time::Duration;

use serde_json::json;
use test_support::{CustomKind, Push, Receiver, Stamp, TestDatabase, eventually};

use super::{
    daemon::House,
    hands_scene::{
        ADDED, IN_FORCE, accepted_keys, all_arrive, all_arrive_within, assert_exact, failed, failed_are, in_state,
        push, push_to, quiet_for, zitadel,
    },
};

const SESSION: &str = "session.added";

/// One target for users, one for sessions; a halted one looks at its row again every second.
fn house(database: &TestDatabase, users: &Receiver, sessions: &Receiver) -> House {
    let mut house = House::new(&database.url());
    house.set("[projection]", "[projection]\nrequeue_every = \"1s\"");
    house.target("users", users, "");
    house.target("sessions", sessions, "");
    house.execution("{ group = \"user\" }", &["users"]);
    house.execution("{ group = \"session\" }", &["sessions"]);
    house
}

/// Spoils the row of an aggregate.
async fn spoil(database: &TestDatabase, aggregate: &str) {
    let sql = format!("UPDATE eventstore.events2 SET created_at = 'infinity' WHERE aggregate_id = '{aggregate}'");
    database.execute(&sql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_a_time_halts_whom_it_concerns_until_it_is_mended_or_skipped() {
    let database = zitadel().await;
    let (users, sessions) = (Receiver::ok(), Receiver::ok());
    let house = house(&database, &users, &sessions);
    let mut of_users = Vec::new();
    for user in ["a", "broken", "b", "hopeless", "c"] {
        of_users.extend(push_to(&database, user, ADDED).await);
    }
    spoil(&database, "broken").await;
    spoil(&database, "hopeless").await;
    let mut of_sessions = push(&database, SESSION, 5).await;
    let daemon = house.start();
    all_arrive(&sessions, &of_sessions).await;
    let cursor = in_state(&house, "users", "halted").await;
    let reason = cursor["reason"].as_str().expect("a halt has a reason");
    eprintln!("the reason of a halt at a row that cannot be decoded: {reason}");
    let key = &of_users[1];
    for part in [ADDED, "broken#1", "created_at is infinity", &key.position.to_string()] {
        assert!(reason.contains(part), "{reason} does not name {part}");
    }
    assert_eq!(cursor["position"], of_users[0].position.to_string());
    of_sessions.extend(push(&database, SESSION, 5).await);
    all_arrive(&sessions, &of_sessions).await;
    quiet_for(&users, Duration::from_millis(1_500)).await;
    assert_exact(&users, &of_users[..1]);

    database.execute("UPDATE eventstore.events2 SET created_at = now() WHERE aggregate_id = 'broken'").await;
    all_arrive(&users, &of_users[..3]).await;
    assert_exact(&users, &of_users[..3]);

    eventually("the next one is what it halts at", async || {
        let cursor = in_state(&house, "users", "halted").await;
        cursor["reason"].as_str().is_some_and(|reason| reason.contains("hopeless#1")).then_some(())
    })
    .await;
    house.cli(&["cursor", "skip", "users"]);
    all_arrive_within(IN_FORCE, &users, &of_users[4..]).await;
    in_state(&house, "users", "live").await;
    failed_are(&house, &[("hopeless", "parked", 0)]).await;

    // Asked for again it is still no event: it is parked again, and in nobody's way.
    house.cli(&["failed", "retry", "users", "--all"]);
    failed_are(&house, &[("hopeless", "parked", 0)]).await;
    let more = push(&database, ADDED, 2).await;
    all_arrive(&users, &more).await;
    of_users.extend(more);

    database.execute("UPDATE eventstore.events2 SET created_at = now() WHERE aggregate_id = 'hopeless'").await;
    house.cli(&["failed", "retry", "users", "--all"]);
    all_arrive_within(IN_FORCE, &users, &of_users).await;
    failed_are(&house, &[]).await;
    assert_eq!(accepted_keys(&users).len(), of_users.len());
    assert_exact(&sessions, &of_sessions);
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_row_that_cannot_be_decoded_is_in_no_other_ones_way() {
    let database = zitadel().await;
    let sessions = Receiver::ok();
    let users = Receiver::start(
        |_, arrival| {
            if arrival.key().aggregate_id.as_str() == "refused" { 500.into() } else { 200.into() }
        },
    );
    let mut house = house(&database, &users, &sessions);
    house.set("[projection]", "[projection]\nmax_failure_count = 1");
    push_to(&database, "hopeless", ADDED).await;
    spoil(&database, "hopeless").await;
    let refused = push_to(&database, "refused", ADDED).await;
    let good = push_to(&database, "good", ADDED).await;
    let daemon = house.start();
    in_state(&house, "users", "halted").await;
    house.cli(&["cursor", "skip", "users"]);
    all_arrive(&users, &good).await;
    failed_are(&house, &[("hopeless", "parked", 0), ("refused", "parked", 1)]).await;
    users.behave(|_, _| 200.into());
    house.cli(&["failed", "retry", "users", "--all"]);
    all_arrive_within(IN_FORCE, &users, &refused).await;
    failed_are(&house, &[("hopeless", "parked", 0)]).await;
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(failed(&house).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_is_no_json_halts_by_name() {
    let database = TestDatabase::create().await;
    database.custom(CustomKind::Serial).await;
    database.execute("ALTER TABLE app.events ALTER COLUMN data TYPE text").await;
    database
        .execute(
            "INSERT INTO app.events (stream_type, stream_id, name, version, data) VALUES
             ('user', 'a', 'user.added', 1, '{}'), ('user', 'broken', 'user.added', 1, '{'),
             ('user', 'b', 'user.added', 1, NULL), ('session', 'c', 'session.added', 1, '{\"a\": 1}')",
        )
        .await;
    let written: Vec<_> = database.custom_events().await.into_iter().map(|event| event.key).collect();
    let (users, sessions) = (Receiver::ok(), Receiver::ok());
    let mut house = house(&database, &users, &sessions);
    house.set("[event_store]", "[event_store]\nprofile = \"custom\"\ntable = \"app.events\"");
    house.add(
        "[event_store.columns]\nposition = \"id\"\naggregate_type = \"stream_type\"\naggregate_id = \"stream_id\"\n\
         event_type = \"name\"\nsequence = \"version\"\ncreated_at = \"created\"\npayload = \"data\"",
    );
    let daemon = house.start();
    all_arrive(&sessions, &written[3..]).await;
    let cursor = in_state(&house, "users", "halted").await;
    let reason = cursor["reason"].as_str().expect("a halt has a reason");
    for part in ["user.added", "broken#1", "payload is no JSON", " 2/0"] {
        assert!(reason.contains(part), "{reason} does not name {part}");
    }
    database.execute("UPDATE app.events SET data = '{}' WHERE stream_id = 'broken'").await;
    all_arrive(&users, &written[..3]).await;
    assert_exact(&users, &written[..3]);
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_one_transaction_stop_at_the_broken_one() {
    let database = zitadel().await;
    let (users, sessions) = (Receiver::ok(), Receiver::ok());
    let house = house(&database, &users, &sessions);
    let transaction = (0..4).fold(Push::to("user", "one"), |push, number| push.event_with(ADDED, json!(number)));
    let keys: Vec<_> = database.push(Stamp::Now, &transaction).await.into_iter().map(|event| event.key).collect();
    database.execute("UPDATE eventstore.events2 SET created_at = '-infinity' WHERE sequence = 3").await;
    let daemon = house.start();
    let cursor = in_state(&house, "users", "halted").await;
    assert_eq!((&cursor["sequence"], &cursor["in_tx_order"]), (&json!(2), &json!(keys[1].in_tx_order)), "{cursor}");
    assert_exact(&users, &keys[..2]);
    house.cli(&["cursor", "skip", "users"]);
    all_arrive_within(IN_FORCE, &users, &keys[3..]).await;
    assert_eq!(accepted_keys(&users), [&keys[..2], &keys[3..]].concat());
    assert_eq!(daemon.stop().await, 0);
}
