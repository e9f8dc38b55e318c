//! What operators see of attempts, what a state that does not take them costs, and what goes with time.

use serde_json::{Value, json};
use test_support::{Behaviour, Push, Receiver, Stamp, TestDatabase, eventually_within};

use super::{
    daemon::House,
    hands_scene::{
        ADDED, PATIENCE, all_arrive, assert_exact, cursor, cursor_at, failed, failed_are, push, push_to, zitadel,
    },
};

fn house(database: &TestDatabase, receiver: &Receiver) -> House {
    let mut house = House::new(&database.url());
    house.target("crm", receiver, "");
    house.execution("{ all = true }", &["crm"]);
    house
}

/// Waits until so many attempts are listed, the latest first.
async fn listed(house: &House, arguments: &[&str], count: usize) -> Vec<Value> {
    let arguments = [&["delivery", "list"], arguments].concat();
    eventually_within(PATIENCE, &format!("{arguments:?} shows {count} attempts"), async || {
        house.json(&arguments).as_array().filter(|all| all.len() == count).cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_targets_attempts_are_listed_shown_and_sent_again() {
    let database = zitadel().await;
    let receiver = Receiver::start(|_, _| Behaviour::from(500).with_body("no such\ntenant"));
    let mut house = house(&database, &receiver);
    house.add("[delivery]\nlog = \"all\"");
    let mut written = push_to(&database, "ada", ADDED).await;
    let daemon = house.start();
    failed_are(&house, &[("ada", "parked", 5)]).await;
    let attempts = listed(&house, &[], 5).await;
    for (attempt, number) in attempts.iter().rev().zip(1..) {
        assert_eq!(
            (
                &attempt["target"],
                &attempt["attempt"],
                &attempt["outcome"],
                &attempt["status"],
                &attempt["aggregate_id"]
            ),
            (&json!("crm"), &json!(number), &json!("failed"), &json!(500), &json!("ada")),
        );
        assert!(attempt["duration_ms"].as_f64().is_some_and(|took| took > 0.0), "{attempt}");
    }
    let id = attempts[0]["id"].to_string();
    let shown = house.json(&["delivery", "show", &id]);
    assert_eq!(shown["answer"], "no such\ntenant");
    assert!(shown["error"].as_str().is_some_and(|error| error.contains("answered 500")), "{shown}");

    receiver.behave(|_, _| 200.into());
    written.extend(push_to(&database, "ben", ADDED).await);
    cursor_at(&house, "crm", &written[1]).await;
    assert_eq!(listed(&house, &["crm", "--outcome", "delivered"], 1).await[0]["aggregate_id"], "ben");
    let before = cursor(&house, "crm");
    let would = house.json(&["delivery", "resend", &id, "--dry-run"]);
    assert_eq!((&would["resent"], &would["delivery"]["aggregate_id"]), (&json!(false), &json!("ada")));
    assert_eq!(failed(&house).len(), 1);
    let said = house.cli(&["delivery", "resend", &id]);
    assert!(said.contains("is sent to crm again"), "{said}");
    eventually_within(PATIENCE, "it is no failed event any more", async || failed(&house).is_empty().then_some(()))
        .await;
    assert_eq!(receiver.accepted().last().expect("it arrived").key(), written[0]);
    let after = cursor(&house, "crm");
    for field in ["position", "aggregate_id", "sequence"] {
        assert_eq!(after[field], before[field], "the cursor does not move");
    }
    assert_eq!(listed(&house, &["--limit", "2"], 2).await[0]["outcome"], "delivered");

    let nobody = house.command(&["delivery", "show", "4711"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("postrider delivery list"));
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_does_not_take_attempts_keeps_nobody_from_delivering() {
    let database = zitadel().await;
    let receiver = Receiver::ok();
    let mut house = house(&database, &receiver);
    house.add("[delivery]\nlog = \"all\"\n[retention]\ndeliveries_per_target = 100000");
    // In a database of its own: an open transaction beside the events would hold the horizon.
    let state = TestDatabase::create().await;
    house.add(&format!("[state]\nurl = \"{}\"", state.url()));
    let first = push(&database, ADDED, 1).await;
    let daemon = house.start();
    cursor_at(&house, "crm", &first[0]).await;
    listed(&house, &[], 1).await;

    let held = state.lock_table("postrider.deliveries").await;
    let mut written = Vec::new();
    let hundred = (0..100).fold(Push::to("user", "ada"), |push, number| push.event_with(ADDED, json!({ "n": number })));
    for _ in 0..26 {
        written.extend(database.push(Stamp::Clock, &hundred).await.into_iter().map(|written| written.key));
    }
    all_arrive(&receiver, &written).await;
    cursor_at(&house, "crm", &written[2599]).await;
    held.rollback().await.expect("it ends");
    // What is bounded was kept, the rest was dropped and is told.
    daemon.says("attempts came faster than the state took them").await;
    eventually_within(PATIENCE, "what was kept is written down", async || {
        let kept = house.json(&["delivery", "list", "--limit", "10000"]).as_array().map_or(0, Vec::len);
        (2000..2601).contains(&kept).then_some(())
    })
    .await;
    assert_exact(&receiver, &[first, written].concat());
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_no_longer_is_removed_and_the_daemon_says_so() {
    let database = zitadel().await;
    let receiver = Receiver::start(|_, _| 500.into());
    let mut house = house(&database, &receiver);
    let written = push_to(&database, "ada", ADDED).await;
    let daemon = house.start();
    failed_are(&house, &[("ada", "parked", 5)]).await;
    listed(&house, &[], 5).await;
    assert_eq!(daemon.stop().await, 0);

    house.add("[retention]\nparked = \"1ms\"\ndeliveries_per_target = 2");
    house.set("level = \"info\"", "level = \"info,postrider_engine=debug\"");
    let daemon = house.start();
    failed_are(&house, &[]).await;
    listed(&house, &[], 2).await;
    daemon.says("removed what is kept no longer what=\"failed_events\" removed=1").await;
    daemon.says("removed what is kept no longer what=\"deliveries\" removed=3").await;
    cursor_at(&house, "crm", &written[0]).await;
    assert_eq!(daemon.stop().await, 0);
}
