//! What is the same for all calls, and what is different between the two protocols.

use serde_json::{Value, json};

use super::support::{Api, on_both, refused};
use crate::zitadel::{errors::Protocol, routes::routes};

const V2: &str = "/zitadel.action.v2.ActionService";

#[tokio::test]
async fn the_whole_of_it_over_connect() {
    on_both(async |api: &Api| {
        for service in [V2, "/zitadel.action.v2beta.ActionService"] {
            let call = async |name: &str, body: Value| api.ask(&format!("POST {service}/{name}"), &body).await;
            let target = json!({ "name": "crm", "rest_async": {}, "endpoint": "https://hooks.example.com/" });
            let created = call("CreateTarget", target.clone()).await.good();
            let id = &created["id"];
            refused(
                &call("CreateTarget", target).await,
                409,
                "already_exists",
                "there is a target \"crm\" already; `postrider target update` changes it",
            );
            let got = call("GetTarget", json!({ "id": id })).await.good();
            assert_eq!((&got["target"]["restAsync"], &got["target"]["id"]), (&json!({}), id));
            call("UpdateTarget", json!({ "id": id, "timeout": "20s" })).await.good();
            let listed = call("ListTargets", json!({})).await.good();
            assert_eq!((&listed["targets"][0]["timeout"], listed.get("result")), (&json!("20s"), None));
            let set = json!({ "condition": { "event": { "all": true } }, "targets": [id] });
            assert!(call("SetExecution", set).await.good()["setDate"].is_string());
            let listed = call("ListExecutions", json!({})).await.good();
            assert_eq!(listed["executions"][0]["targets"], json!([id]));
            assert!(call("DeleteTarget", json!({ "id": id })).await.good()["deletionDate"].is_string());
            assert_eq!(call("ListExecutions", json!({})).await.good().get("executions"), None);
            let gone = call("GetTarget", json!({ "id": id })).await;
            refused(&gone, 404, "not_found", "there is no target of this id");
            assert_eq!(gone.json().as_object().map(serde_json::Map::len), Some(2));
            refused(&call("GetTarget", json!({})).await, 400, "invalid_argument", "id: it is needed");
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_is_answered_without_being_known() {
    on_both(async |api: &Api| {
        for route in routes() {
            let path = route.path.replace("{id}", "1").replace("{targetId}", "1").replace("{keyId}", "2");
            let asked = format!("{} {path}", route.method);
            let answer = api.send(&asked, None, &[("content-type", "application/json")], "{}").await;
            let code = if Protocol::of(&path) == Some(Protocol::Rest) { json!(16) } else { json!("unauthenticated") };
            refused(&answer, 401, code, "a token is needed that is in force: Authorization: Bearer pr_…");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    })
    .await;
}

#[tokio::test]
async fn each_route_is_for_its_role_and_those_above_it() {
    on_both(async |api: &Api| {
        for route in routes() {
            let path = route.path.replace("{id}", "1").replace("{targetId}", "1").replace("{keyId}", "2");
            for role in [domain::Role::Viewer, domain::Role::Operator, domain::Role::Admin] {
                let asked = format!("{} {path}", route.method);
                let answer = api.ask_as(role.as_str(), &asked, &json!({})).await;
                assert_eq!(answer.status == 403, role < route.role, "{asked} as {role}: {}", answer.body);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn connect_says_what_it_does_not_speak() {
    on_both(async |api: &Api| {
        let post = async |headers: &[(&str, &str)], body: &str| {
            api.send(&format!("POST {V2}/ListTargets"), Some("viewer"), headers, body).await
        };
        let json_type = ("content-type", "application/json");
        let binary = post(&[("content-type", "application/proto")], "").await;
        assert_eq!(
            (binary.status, binary.header("accept-post"), binary.body.as_str()),
            (415, Some("application/json"), "")
        );
        let compressed = post(&[json_type, ("content-encoding", "gzip")], "x").await;
        assert_eq!((compressed.status, &compressed.json()["code"]), (501, &json!("unimplemented")));
        assert_eq!(compressed.header("accept-encoding"), Some("identity"));
        let version = post(&[json_type, ("connect-protocol-version", "2")], "{}").await;
        refused(&version, 400, "invalid_argument", "only version 1 of Connect's protocol is spoken");
        let broken = post(&[json_type], "{").await;
        assert_eq!((broken.status, &broken.json()["code"]), (400, &json!("invalid_argument")));
        let good = post(&[json_type, ("connect-protocol-version", "1"), ("connect-timeout-ms", "60000")], "{}").await;
        good.good();
        let late = post(&[json_type, ("connect-timeout-ms", "0")], "{}").await;
        refused(&late, 504, "deadline_exceeded", "the client's time was over");
    })
    .await;
}

#[tokio::test]
async fn what_changes_nothing_can_be_asked_with_get() {
    on_both(async |api: &Api| {
        let id = api.target("admin", "crm").await;
        let asked = format!("GET {V2}/GetTarget?connect=v1&encoding=json&message=%7B%22id%22%3A%22{id}%22%7D");
        assert_eq!(api.send(&asked, Some("viewer"), &[], "").await.good()["target"]["name"], "crm");
        let changing = format!("GET {V2}/DeleteTarget?encoding=json&message=%7B%22id%22%3A%22{id}%22%7D");
        let answer = api.send(&changing, Some("admin"), &[], "").await;
        refused(&answer, 405, "unimplemented", "this path is not asked with this method");
        assert_eq!(answer.header("allow"), Some("POST"));
    })
    .await;
}

#[tokio::test]
async fn the_wrong_method_is_told_in_the_words_of_the_protocol() {
    on_both(async |api: &Api| {
        let answer = api.ask("DELETE /v2/actions/targets", &Value::Null).await;
        refused(&answer, 405, 12, "this path is not asked with this method");
        assert_eq!(api.ask("GET /v2/actions/nothing", &Value::Null).await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_the_clients_trouble() {
    on_both(async |api: &Api| {
        let broken = api.send("POST /v2/actions/targets", Some("admin"), &[], "{\"name\": secret}").await;
        refused(&broken, 400, 3, "the body is no JSON: expected value at line 1 column 10");
        let large = format!("{{\"name\": \"{}\"}}", "x".repeat(1024 * 1024));
        let large = api.send("POST /v2/actions/targets", Some("admin"), &[], &large).await;
        refused(&large, 400, 3, "the body did not come whole, or is larger than 1 MiB");
        let deep = "[".repeat(100_000);
        assert_eq!(api.send("POST /v2/actions/targets", Some("admin"), &[], &deep).await.status, 400);
        let path = api.send("GET /v2/actions/targets/%ff", Some("viewer"), &[], "").await;
        refused(&path, 400, 3, "the path is not UTF-8");
    })
    .await;
}

#[tokio::test]
async fn no_answer_is_kept_by_those_in_between() {
    on_both(async |api: &Api| {
        for asked in ["GET /v2/actions/targets", "GET /v2/actions/targets/1"] {
            assert_eq!(api.ask(asked, &Value::Null).await.header("cache-control"), Some("no-store"));
        }
    })
    .await;
}
