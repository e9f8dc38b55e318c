//! Callers who are bound to an instance.

use serde_json::{Value, json};

use super::support::{Api, on_both, refused};

fn all_events(targets: &[&str]) -> Value {
    json!({ "condition": { "event": { "all": true } }, "targets": targets })
}

#[tokio::test]
async fn what_a_bound_caller_makes_belongs_to_its_instance() {
    on_both(async |api: &Api| {
        let one = api.target("admin@one", "crm").await;
        api.ask_as("admin@one", "PUT /v2/actions/executions", &all_events(&[&one])).await.good();
        let definitions = api.state.definitions().await.expect("definitions can be read");
        let of = |instance: &Option<domain::InstanceId>| instance.as_ref().map(ToString::to_string);
        assert_eq!(of(&definitions.targets[0].instance).as_deref(), Some("one"));
        assert_eq!(of(&definitions.executions[0].instance).as_deref(), Some("one"));
    })
    .await;
}

#[tokio::test]
async fn what_others_own_is_not_there() {
    on_both(async |api: &Api| {
        let (one, two) = (api.target("admin@one", "crm-one").await, api.target("admin@two", "crm-two").await);
        let every = api.target("admin", "crm").await;
        for (caller, targets) in [("admin@one", vec![&one]), ("admin@two", vec![&two])] {
            let list = api.ask_as(caller, "GET /v2/actions/targets", &Value::Null).await.good();
            let ids: Vec<_> = list["targets"].as_array().expect("a list").iter().map(|target| &target["id"]).collect();
            assert_eq!(ids, targets);
        }
        let all = api.ask("GET /v2/actions/targets", &Value::Null).await.good();
        assert_eq!(all["pagination"]["totalResult"], "3");
        let no_target = "there is no target of this id";
        for id in [&two, &every] {
            let path = format!("/v2/actions/targets/{id}");
            refused(&api.ask_as("admin@one", &format!("GET {path}"), &Value::Null).await, 404, 5, no_target);
            refused(
                &api.ask_as("admin@one", &format!("POST {path}"), &json!({ "name": "x" })).await,
                404,
                5,
                no_target,
            );
            let deleted = api.ask_as("admin@one", &format!("DELETE {path}"), &Value::Null).await.good();
            assert_eq!(deleted, json!({}), "it is not there, as it was wanted");
            let answer = api.ask_as("admin@one", "PUT /v2/actions/executions", &all_events(&[id])).await;
            refused(&answer, 404, 5, "targets[0]: there is no target of this id");
        }
        let still = api.ask("GET /v2/actions/targets", &Value::Null).await.good();
        assert_eq!(still["pagination"]["totalResult"], "3", "nothing was deleted");
    })
    .await;
}

#[tokio::test]
async fn each_sets_and_sees_an_execution_of_its_own() {
    on_both(async |api: &Api| {
        let (one, every) = (api.target("admin@one", "crm-one").await, api.target("admin", "crm").await);
        api.ask_as("admin@one", "PUT /v2/actions/executions", &all_events(&[&one])).await.good();
        api.ask("PUT /v2/actions/executions", &all_events(&[&every])).await.good();
        for (caller, id) in [("viewer@one", &one), ("viewer", &every)] {
            let list = api.ask_as(caller, "POST /v2/actions/executions/search", &Value::Null).await.good();
            let targets: Vec<_> =
                list["executions"].as_array().expect("a list").iter().map(|one| &one["targets"]).collect();
            assert_eq!(targets, [&json!([id])], "{caller}");
        }
        let nothing = api.ask_as("viewer@two", "GET /v2/actions/executions", &Value::Null).await.good();
        assert_eq!(nothing, json!({ "pagination": { "appliedLimit": "100" } }));
        api.ask_as("admin@one", "PUT /v2/actions/executions", &all_events(&[])).await.good();
        let definitions = api.state.definitions().await.expect("definitions can be read");
        assert_eq!(definitions.executions.len(), 1, "the one for every instance stays");
    })
    .await;
}

#[tokio::test]
async fn what_was_deleted_on_another_instance_has_no_date() {
    on_both(async |api: &Api| {
        let one = api.target("admin@one", "crm").await;
        let path = format!("DELETE /v2/actions/targets/{one}");
        let deleted = api.ask_as("admin@one", &path, &Value::Null).await.good();
        assert!(deleted["deletionDate"].is_string());
        assert_eq!(api.ask_as("admin@two", &path, &Value::Null).await.good(), json!({}));
    })
    .await;
}
