//! Every route of the table, asked by somebody of another instance, by somebody who may only look, and by nobody.

use axum::http::Method;
use domain::{Definitions, Role};
use serde_json::{Value, json};

use super::support::{Api, on_both};
use crate::zitadel::routes::{Route, routes};

/// The route with these ids in its path, and a body that names them wherever one may be named.
fn asked(route: &Route, target: &str) -> (String, Value) {
    let path = route.path.replace("{id}", target).replace("{targetId}", target).replace("{keyId}", "1");
    assert!(!path.contains('{'), "{path} has a parameter that this test does not know");
    let body = json!({
        "id": target,
        "targetId": target,
        "keyId": "1",
        "name": "stolen",
        "endpoint": "https://stolen.example.com/",
        "restAsync": {},
        "expirationSigningKey": "0s",
        "condition": { "event": { "all": true } },
        "targets": [target],
        "publicKey": "LS0t",
    });
    (format!("{} {path}", route.method), body)
}

/// What belongs to an instance.
async fn of_instance(api: &Api, instance: &str) -> Definitions {
    let mut definitions = api.state.definitions().await.expect("definitions can be read");
    definitions.revision = 0;
    definitions.targets.retain(|target| target.instance.as_ref().is_some_and(|of| of.as_str() == instance));
    definitions.executions.retain(|execution| execution.instance.as_ref().is_some_and(|of| of.as_str() == instance));
    definitions
}

#[tokio::test]
async fn a_stranger_is_told_nothing_and_changes_nothing_by_any_route() {
    on_both(async |api: &Api| {
        let id = api.target("admin@one", "crm").await;
        let every = json!({ "condition": { "event": { "all": true } }, "targets": [id] });
        let _ = api.ask_as("admin@one", "PUT /v2/actions/executions", &every).await.good();
        let before = of_instance(api, "one").await;
        assert_eq!((before.targets.len(), before.executions.len()), (1, 1));
        for route in routes() {
            let (asked, body) = asked(&route, &id);
            let answer = api.ask_as("admin@two", &asked, &body).await;
            assert!(!answer.body.contains(&id) && !answer.body.contains("crm"), "{asked}: {}", answer.body);
            assert!(answer.status < 500, "{asked}: {} {}", answer.status, answer.body);
            assert!(of_instance(api, "one").await == before, "{asked} changed something");
        }
    })
    .await;
}

#[tokio::test]
async fn who_may_only_look_changes_nothing_by_any_route_and_nobody_is_answered() {
    on_both(async |api: &Api| {
        let id = api.target("admin", "crm").await;
        let before = api.state.definitions().await.expect("definitions can be read");
        for route in routes() {
            let (asked, body) = asked(&route, &id);
            let nobody = api.send(&asked, None, &[("content-type", "application/json")], &body.to_string()).await;
            assert_eq!(nobody.status, 401, "{asked}: {}", nobody.body);
            for role in ["viewer", "operator"] {
                let answer = api.ask_as(role, &asked, &body).await;
                let denied = answer.status == 403;
                assert_eq!(denied, route.role == Role::Admin, "{role}, {asked}: {} {}", answer.status, answer.body);
                assert!(!denied || route.method != Method::GET, "{asked}");
            }
            let after = api.state.definitions().await.expect("definitions can be read");
            assert!(after == before, "{asked} changed something");
        }
    })
    .await;
}
