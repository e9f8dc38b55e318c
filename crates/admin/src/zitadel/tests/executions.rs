use domain::{Execution, ExecutionTarget, Source};
use serde_json::{Value, json};
use store::DefinitionsChange;

use super::{
    support::{Api, on_both, refused},
    targets::define_from_file,
};

const ADDED: &str = "event/user.human.added";

fn added() -> Value {
    json!({ "event": { "event": "user.human.added" } })
}

/// The executions in the state, each as its condition and its entries.
async fn stored(api: &Api) -> Vec<String> {
    let definitions = api.state.definitions().await.expect("definitions can be read");
    let told = definitions.executions.iter().map(|execution| {
        let entries = execution.targets.iter().map(|entry| match entry {
            ExecutionTarget::Target(name) => format!(" {name}"),
            ExecutionTarget::Include(condition) => format!(" ({condition})"),
        });
        format!("{}:{}", execution.condition, entries.collect::<String>())
    });
    told.collect()
}

async fn set(api: &Api, condition: Value, targets: Value) -> Value {
    let body = json!({ "condition": condition, "targets": targets });
    api.ask("PUT /v2/actions/executions", &body).await.good()
}

#[tokio::test]
async fn an_execution_is_set_listed_and_removed() {
    on_both(async |api: &Api| {
        let (crm, audit) = (api.target("admin", "crm").await, api.target("admin", "audit").await);
        let first = set(api, added(), json!([audit, crm])).await;
        assert_eq!(stored(api).await, [format!("{ADDED}: audit crm")]);
        let list = api.ask("POST /v2/actions/executions/search", &json!({})).await.good();
        let created = list["executions"][0]["creationDate"].clone();
        let whole = json!({
            "condition": added(), "creationDate": created, "changeDate": first["setDate"], "targets": [audit, crm],
        });
        let pagination = json!({ "totalResult": "1", "appliedLimit": "100" });
        assert_eq!(list, json!({ "pagination": pagination, "executions": [whole] }));

        let second = set(api, added(), json!([crm])).await;
        assert!(second["setDate"].as_str() > first["setDate"].as_str() && created.is_string(), "{second}");
        let list = api.ask("GET /v2/actions/executions", &Value::Null).await.good();
        assert_eq!(list["executions"][0]["creationDate"], created, "it was changed, and not made anew");

        let again = set(api, added(), json!([crm])).await;
        assert_eq!(again, second, "nothing was changed");
        for _ in 0..2 {
            let removed = set(api, added(), json!([])).await;
            assert!(removed["setDate"].as_str() > second["setDate"].as_str(), "{removed}");
            assert!(stored(api).await.is_empty(), "that there is none is as it was wanted");
        }
        let list = api.ask("POST /v2/actions/executions/search", &json!({})).await.good();
        assert_eq!(list, json!({ "pagination": { "appliedLimit": "100" } }));
    })
    .await;
}

#[tokio::test]
async fn every_kind_of_condition_is_kept_for_clients_to_find_again() {
    on_both(async |api: &Api| {
        let crm = api.target("admin", "crm").await;
        let conditions = [
            json!({ "request": { "method": "/zitadel.user.v2.UserService/AddHumanUser" } }),
            json!({ "request": { "service": "zitadel.user.v2.UserService" } }),
            json!({ "request": { "all": true } }),
            json!({ "response": { "method": "/zitadel.user.v2.UserService/AddHumanUser" } }),
            json!({ "response": { "service": "zitadel.user.v2.UserService" } }),
            json!({ "response": { "all": true } }),
            json!({ "function": { "name": "preuserinfo" } }),
            json!({ "event": { "event": "user.human.added" } }),
            json!({ "event": { "group": "user.human" } }),
            json!({ "event": { "all": true } }),
        ];
        for condition in &conditions {
            set(api, condition.clone(), json!([crm])).await;
        }
        let search = json!({ "pagination": { "asc": true }, "filters": [{ "targetFilter": { "targetId": crm } }] });
        let list = api.ask("POST /v2/actions/executions/search", &search).await.good();
        let found: Vec<_> =
            list["executions"].as_array().expect("a list").iter().map(|one| one["condition"].clone()).collect();
        assert_eq!(found, conditions, "in the order in which they were made");
        let filter = json!({ "filters": [{ "executionTypeFilter": { "executionType": "EXECUTION_TYPE_FUNCTION" } }] });
        let list = api.ask("POST /v2/actions/executions/_search", &filter).await.good();
        assert_eq!(list["executions"].as_array().map(Vec::len), Some(1));
    })
    .await;
}

#[tokio::test]
async fn v2beta_takes_targets_in_its_forms_and_finds_includes() {
    on_both(async |api: &Api| {
        let crm = api.target("admin", "crm").await;
        let group = json!({ "event": { "group": "user" } });
        let put = "PUT /v2beta/actions/executions";
        api.ask(put, &json!({ "condition": group, "targets": [{ "target": crm }] })).await.good();
        let entries = json!([{ "include": group }, crm]);
        api.ask("POST /v2beta/actions/executions", &json!({ "condition": added(), "targets": entries })).await.good();
        assert_eq!(stored(api).await, ["event/user.*: crm".to_owned(), format!("{ADDED}: (event/user.*) crm")]);

        let filter = json!({ "filters": [{ "includeFilter": { "include": group } }] });
        let found = api.ask("POST /v2beta/actions/executions/_search", &filter).await.good();
        let pagination = json!({ "totalResult": "1", "appliedLimit": "100" });
        assert_eq!((&found["details"], &found["pagination"]), (&pagination, &pagination));
        let found = &found["result"][0];
        assert_eq!((&found["condition"], &found["targets"]), (&added(), &json!([crm])), "ids only, as released");

        let missing = json!({ "condition": { "event": { "all": true } }, "targets": [{ "include": { "event": { "group": "org" } } }] });
        let answer = api.ask(put, &missing).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!(9)), "{}", answer.body);
        let other_kind = json!({ "condition": { "request": { "all": true } }, "targets": [{ "include": group }] });
        assert_eq!(api.ask(put, &other_kind).await.json()["code"], 9);
    })
    .await;
}

#[tokio::test]
async fn an_execution_that_cannot_be_is_refused() {
    on_both(async |api: &Api| {
        let put = "PUT /v2/actions/executions";
        let answer = api.ask(put, &json!({ "condition": added(), "targets": ["1"] })).await;
        refused(&answer, 404, 5, "targets[0]: there is no target of this id");
        refused(&api.ask(put, &json!({ "targets": [] })).await, 400, 3, "condition: it is needed");
        assert!(stored(api).await.is_empty());
        for caller in ["viewer", "operator"] {
            let answer = api.ask_as(caller, put, &json!({ "condition": added(), "targets": [] })).await;
            assert_eq!((answer.status, &answer.json()["code"]), (403, &json!(7)));
            api.ask_as(caller, "POST /v2/actions/executions/search", &json!({})).await.good();
        }
    })
    .await;
}

#[tokio::test]
async fn an_execution_that_belongs_to_a_file_is_shown_and_not_changed() {
    on_both(async |api: &Api| {
        define_from_file(api).await;
        let execution = Execution {
            condition: ADDED.parse().expect("a condition"),
            instance: None,
            targets: vec![ExecutionTarget::Target("from-file".into())],
            exclude: Vec::new(),
            source: Source::File,
        };
        let change = DefinitionsChange { executions: vec![execution], ..DefinitionsChange::default() };
        api.state.apply(&change, "test").await.expect("it is valid");
        let list = api.ask("GET /v2/actions/executions", &Value::Null).await.good();
        assert_eq!(list["executions"][0]["targets"], json!(["7"]));
        for targets in [json!([]), json!([api.target("admin", "crm").await])] {
            let body = json!({ "condition": added(), "targets": targets });
            let answer = api.ask("PUT /v2/actions/executions", &body).await;
            assert_eq!((answer.status, &answer.json()["code"]), (400, &json!(9)), "{}", answer.body);
        }
        assert_eq!(stored(api).await, [format!("{ADDED}: from-file")]);
    })
    .await;
}

#[tokio::test]
async fn what_an_operator_keeps_out_stays_out() {
    on_both(async |api: &Api| {
        let (crm, audit) = (api.target("admin", "crm").await, api.target("admin", "audit").await);
        let exclude = vec!["user.human.password.*".parse().expect("a pattern")];
        let execution = Execution {
            condition: "event/user.*".parse().expect("a condition"),
            instance: None,
            targets: vec![ExecutionTarget::Target("crm".into())],
            exclude: exclude.clone(),
            source: Source::Api,
        };
        let change = DefinitionsChange { executions: vec![execution], ..DefinitionsChange::default() };
        api.state.apply(&change, "test").await.expect("it is valid");
        set(api, json!({ "event": { "group": "user" } }), json!([crm, audit])).await;
        let definitions = api.state.definitions().await.expect("definitions can be read");
        assert_eq!((definitions.executions[0].targets.len(), &definitions.executions[0].exclude), (2, &exclude));
    })
    .await;
}

#[tokio::test]
async fn a_target_that_is_deleted_goes_out_of_its_executions() {
    on_both(async |api: &Api| {
        let (crm, audit) = (api.target("admin", "crm").await, api.target("admin", "audit").await);
        set(api, added(), json!([crm, audit])).await;
        set(api, json!({ "event": { "all": true } }), json!([crm])).await;
        api.ask(&format!("DELETE /v2/actions/targets/{crm}"), &Value::Null).await.good();
        let list = api.ask("POST /v2/actions/executions/search", &json!({})).await.good();
        assert_eq!(list["pagination"]["totalResult"], "1", "the one that calls nobody any more is not there");
        assert_eq!(list["executions"][0]["targets"], json!([audit]));
    })
    .await;
}
