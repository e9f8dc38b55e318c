//! A backlog of many pages, read ahead on two sessions.

use std::time::Duration;

use test_support::{Account, Receiver};

use super::{
    daemon::House,
    hands_scene::{PATIENCE, zitadel},
};

/// Seven events share a position, and eight hundred do.
const BACKLOG: &str = "INSERT INTO eventstore.events2
    SELECT 'i1', 'user', 'a' || n % 11, 'user.human.added', n, 2, now(), jsonb_build_object('n', n), 'c', 'o',
        100 + CASE WHEN n BETWEEN 2000 AND 2799 THEN 2000 ELSE n / 7 * 7 END, n
    FROM generate_series(1, 6000) n";

/// The daemon's, of those that read events.
const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'postrider%' AND query LIKE '%events2%'";

async fn delivered(cuts: usize) {
    let database = zitadel().await;
    database.execute(BACKLOG).await;
    let expected: Vec<_> = database.zitadel_events().await.into_iter().map(|written| written.key).collect();
    assert_eq!(expected.len(), 6000);
    let receiver = Receiver::ok();
    let mut house = House::new(&database.url());
    // Pages of 40 rows ahead, so that the backlog is some eighty stretches.
    house.set("[projection]", "[projection]\nbulk_limit = 4");
    house.target("crm", &receiver, "");
    house.execution("{ all = true }", &["crm"]);
    let daemon = house.start();
    receiver.wait_for(1).await;
    for _ in 0..cuts {
        database.execute(CUT).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    receiver.wait_for_within(expected.len(), PATIENCE).await;
    assert_eq!(daemon.stop().await, 0);
    Account::of(&receiver.accepted(), &expected).assert_exact();
}

#[tokio::test(flavor = "multi_thread")]
async fn stretches_of_a_backlog_meet_whatever_shares_a_position() {
    delivered(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_cut_while_they_read_ahead_lose_nothing() {
    delivered(12).await;
}
