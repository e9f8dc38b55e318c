//! `start.md` and `custom-stores.md`: what a first reader copies.

use std::fs;

use test_support::{PrivatePostgres, Receiver, TestDatabase, repository};

use super::{at, block, statements};
use crate::{
    process::Place,
    proof::{
        daemon::House,
        hands_scene::{ADDED, all_arrive, push},
    },
};

fn shipped(path: &str) -> String {
    fs::read_to_string(repository().join(path)).expect("it is in the repository")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grants_that_are_shipped_are_enough_for_one_role() {
    let server = PrivatePostgres::start().await;
    server.execute("CREATE DATABASE zitadel").await;
    let events = server.database_called("zitadel");
    events.zitadel().await;
    for statement in statements(&shipped("deploy/grants.sql")) {
        events.execute(&statement).await;
    }
    let url = format!("postgres://postrider{}zitadel", at(&server));
    let place = Place::new();
    place.write("postrider.toml", &block("start.md", "start-config"));
    let environment = [("ZITADEL_URL", url.as_str()), ("CRM_SIGNING_KEY", "a key for tests")];
    let command = block("start.md", "start-check");
    let arguments: Vec<_> = command.split_whitespace().skip(1).collect();
    let check = place.run_with(&arguments, &environment);
    assert_eq!(check.code, 0, "{}{}", check.out, check.err);
    assert!(check.out.contains("postrider sees what other sessions do"), "{}", check.out);

    let receiver = Receiver::ok();
    let mut house = House::new(&url);
    house.target("crm", &receiver, "");
    house.execution("{ all = true }", &["crm"]);
    let written = push(&events, ADDED, 2).await;
    let daemon = house.start();
    all_arrive(&receiver, &written).await;
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_custom_table_of_the_page_is_delivered_from() {
    const PAGE: &str = "custom-stores.md";
    let database = TestDatabase::create().await;
    database.execute(&block(PAGE, "custom-table")).await;
    database
        .execute(
            "INSERT INTO app.events (tenant, stream_type, stream_id, version, name, data)
             SELECT 't' || n % 2, 'order', 'o' || n, 1, 'order.line.added', '{}' FROM generate_series(1, 10) n",
        )
        .await;
    let receiver = Receiver::ok();
    let mut house = House::new(&database.url());
    let config = block(PAGE, "custom-config").replace("[event_store]\nurl_env = \"EVENTS_URL\"\n", "");
    house.set("[delivery.egress]", &format!("{config}\n[delivery.egress]"));
    house.target("crm", &receiver, "");
    house.execution("{ group = \"order\" }", &["crm"]);
    let check = house.cli(&["check"]);
    assert!(check.contains("there is one on (tenant, id)") && check.contains("has CACHE 1"), "{check}");
    let daemon = house.start();
    receiver.wait_for(10).await;
    assert_eq!(daemon.stop().await, 0);
}
