//! What goes wrong below, and what happens at the same time.

use std::net::SocketAddr;

use serde_json::{Value, json};
use test_support::{Proxy, ProxyMode, TestDatabase};

use super::support::{Api, connect, events_of, on_both, refused};

#[tokio::test]
async fn a_database_that_is_away_is_told_as_such_and_no_more() {
    let database = TestDatabase::create().await;
    database.zitadel().await;
    let (before, after) =
        database.url().split_once("127.0.0.1:").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a URL");
    let (port, name) = after.split_once('/').expect("a database's URL");
    let server: SocketAddr = ([127, 0, 0, 1], port.parse().expect("a port")).into();
    let wire = Proxy::to(server);
    let url = format!("{before}{}/{name}", wire.address());
    let api = Api::serve(connect(&url).await, events_of(&url).await).await;
    let id = api.target("admin", "crm").await;
    wire.set(ProxyMode::Drop);
    let sentence = "a database does not answer at the moment; try again";
    refused(&api.ask(&format!("GET /v2/actions/targets/{id}"), &Value::Null).await, 503, 14, sentence);
    let delete = api.ask("POST /zitadel.action.v2.ActionService/DeleteTarget", &json!({ "id": id })).await;
    refused(&delete, 503, "unavailable", sentence);
    wire.set(ProxyMode::Pass);
    api.ask(&format!("GET /v2/actions/targets/{id}"), &Value::Null).await.good();
}

#[tokio::test]
async fn changes_that_are_made_at_the_same_time_are_all_made() {
    on_both(async |api: &Api| {
        let names = ["one", "two", "three"];
        let [one, two, three] = names.map(|name| api.target("admin", name));
        let ids = tokio::join!(one, two, three);
        let update = async |id: &str| {
            let path = format!("POST /v2/actions/targets/{id}");
            api.ask(&path, &json!({ "timeout": "77s" })).await.good()
        };
        tokio::join!(update(&ids.0), update(&ids.1), update(&ids.2));
        let definitions = api.state.definitions().await.expect("definitions can be read");
        assert_eq!(definitions.targets.iter().filter(|target| target.timeout.as_secs() == 77).count(), 3);
    })
    .await;
}
