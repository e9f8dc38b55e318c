//! A backlog of many pages, read ahead on two sessions.

use test_support::{Account, Receiver, TestDatabase, eventually_within};

use super::{
    daemon::House,
    hands_scene::{PATIENCE, zitadel},
};

/// Seven events share a position, and eight hundred do.
const BACKLOG: &str = "INSERT INTO eventstore.events2
    SELECT 'i1', 'user', 'a' || n % 11, 'user.human.added', n, 2, now(), jsonb_build_object('n', n), 'c', 'o',
        100 + CASE WHEN n BETWEEN 2000 AND 2799 THEN 2000 ELSE n / 7 * 7 END, n
    FROM generate_series(1, 6000) n";

/// The daemon's that read pages.
const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'postrider%' AND query LIKE '%p_more%'";

struct Scene {
    database: TestDatabase,
    receiver: Receiver,
    house: House,
}

impl Scene {
    async fn new() -> Self {
        let database = zitadel().await;
        database.execute(BACKLOG).await;
        let receiver = Receiver::ok();
        let mut house = House::new(&database.url());
        // Pages of 40 rows ahead, so that the backlog is some eighty stretches.
        house.set("[projection]", "[projection]\nbulk_limit = 4");
        house.target("crm", &receiver, "");
        house.execution("{ all = true }", &["crm"]);
        Self { database, receiver, house }
    }

    async fn arrives_exactly(&self) {
        let expected: Vec<_> = self.database.zitadel_events().await.into_iter().map(|written| written.key).collect();
        self.receiver.wait_for_within(expected.len(), PATIENCE).await;
        Account::of(&self.receiver.accepted(), &expected).assert_exact();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stretches_of_a_backlog_meet_whatever_shares_a_position() {
    let scene = Scene::new().await;
    let daemon = scene.house.start();
    scene.arrives_exactly().await;
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_cut_while_they_read_ahead_lose_nothing() {
    let scene = Scene::new().await;
    let daemon = scene.house.start();
    scene.receiver.wait_for(1).await;
    let mut cuts = 0;
    // A backlog again and again, until some page was cut for certain.
    eventually_within(PATIENCE, "a page was cut", async || {
        cuts += 1;
        scene.database.execute(&more(cuts)).await;
        scene.database.execute(CUT).await;
        daemon.log().contains("event_store.unreadable").then_some(())
    })
    .await;
    scene.arrives_exactly().await;
    assert_eq!(daemon.stop().await, 0);
}

/// Five hundred more events, behind all that there are.
fn more(part: u32) -> String {
    format!(
        "INSERT INTO eventstore.events2
         SELECT 'i1', 'user', 'b' || n % 11, 'user.human.added', {part} * 1000 + n, 2, now(), NULL, 'c', 'o',
             {part} * 1000 + 10000 + n / 7, n
         FROM generate_series(1, 500) n"
    )
}
