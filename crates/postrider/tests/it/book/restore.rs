//! `operations/restore.md`: a state that is older than the event store sends again, and skips nothing.

use domain::EventKey;
use test_support::{PrivatePostgres, Receiver};

use super::{at, block, shell, statements};
use crate::proof::{
    daemon::House,
    hands_scene::{ADDED, accepted_keys, all_arrive, assert_one_id_each, cursor_at, push},
};

const PAGE: &str = "operations/restore.md";

/// Runs a block of the page in a shell.
fn follow(name: &str, house: &House, server: &PrivatePostgres) -> String {
    shell(&block(PAGE, name).replace("@db/", &at(server)), house)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_from_a_backup_sends_again_what_came_after_it_and_skips_nothing() {
    let server = PrivatePostgres::start().await;
    let events = server.database().await;
    events.zitadel().await;
    server.execute("CREATE DATABASE postrider").await;
    let state = server.database_called("postrider");
    let receiver = Receiver::ok();
    let mut house = House::new(&events.url());
    house.add(&format!("[state]\nurl = \"{}\"", state.url()));
    house.target("crm", &receiver, "");
    house.execution("{ all = true }", &["crm"]);

    let before: Vec<EventKey> = push(&events, ADDED, 5).await;
    let daemon = house.start();
    all_arrive(&receiver, &before).await;
    cursor_at(&house, "crm", &before[4]).await;
    follow("backup-state", &house, &server);
    let after = push(&events, ADDED, 5).await;
    all_arrive(&receiver, &after).await;
    cursor_at(&house, "crm", &after[4]).await;
    assert_eq!(daemon.stop().await, 0);

    follow("restore-state", &house, &server);
    let looked = follow("look-before", &house, &server);
    assert!(looked.contains("crm"), "{looked}");
    assert_eq!(house.json(&["cursor", "list", "--count"])[0]["lag_events"], 5, "{looked}");
    let daemon = house.start();
    let more = push(&events, ADDED, 3).await;
    all_arrive(&receiver, &more).await;
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(accepted_keys(&receiver), [before, after.clone(), after, more].concat());
    assert_one_id_each(&receiver.accepted());
}

/// `operations/removing.md`.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_forgotten_leaves_the_others_as_they_are() {
    const PAGE: &str = "operations/removing.md";
    let server = PrivatePostgres::start().await;
    let events = server.database().await;
    events.zitadel().await;
    let receiver = Receiver::ok();
    let mut house = House::new(&events.url());
    house.target("crm", &receiver, "");
    house.execution("{ all = true }", &["crm"]);
    let written = push(&events, ADDED, 3).await;
    let gone = test_support::Push::to("user", "u").on("i2").event(ADDED);
    events.push(test_support::Stamp::Clock, &gone).await;
    let daemon = house.start();
    receiver.wait_for(4).await;
    cursor_at(&house, "crm", &written[2]).await;
    assert_eq!(daemon.stop().await, 0);
    let instances = || {
        let cursors = house.json(&["cursor", "list"]);
        let cursors = cursors.as_array().expect("a list").clone();
        cursors.iter().map(|cursor| cursor["instance_id"].as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(instances(), ["i1", "i2"]);

    events.execute("DELETE FROM eventstore.events2 WHERE instance_id = 'i2'").await;
    for statement in statements(&block(PAGE, "forget-instance")) {
        events.execute(&statement).await;
    }
    assert_eq!(instances(), ["i1"]);
    let daemon = house.start();
    let more = push(&events, ADDED, 2).await;
    all_arrive(&receiver, &more).await;
    assert_eq!(receiver.accepted().len(), 6);
    assert_eq!(daemon.stop().await, 0);

    for statement in statements(&block(PAGE, "remove-all")) {
        events.execute(&statement).await;
    }
    let left =
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'postrider'";
    assert_eq!(events.value(left).await.as_deref(), Some("0"));
}
