use domain::{SigningKey, Source, Target};
use serde_json::{Value, json};
use store::DefinitionsChange;

use super::support::{Api, on_both, refused};

const NO_TARGET: &str = "there is no target of this id";

fn webhook(name: &str) -> Value {
    json!({ "name": name, "restWebhook": { "interruptOnError": true }, "endpoint": "https://hooks.example.com/?a=b" })
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is no text: {value}"))
}

/// The target in the state.
async fn stored(api: &Api, id: &str) -> Target {
    let definitions = api.state.definitions().await.expect("definitions can be read");
    definitions.targets.into_iter().find(|target| target.id.as_str() == id).expect("it is there")
}

async fn keys(api: &Api, id: &str) -> Vec<SigningKey> {
    stored(api, id).await.signing_keys
}

/// Defines a target that belongs to a file.
pub(super) async fn define_from_file(api: &Api) {
    let endpoint = "https://hooks.example.com/".parse().expect("a URL");
    let target = Target { source: Source::File, ..Target::new("7".into(), "from-file".into(), endpoint) };
    let change = DefinitionsChange { targets: vec![target], ..DefinitionsChange::default() };
    api.state.apply(&change, "test").await.expect("it is valid");
}

#[tokio::test]
async fn a_target_is_created_shown_changed_and_deleted() {
    on_both(async |api: &Api| {
        for prefix in ["/v2/actions", "/v2beta/actions"] {
            let created = api.ask(&format!("POST {prefix}/targets"), &webhook("local webhook")).await.good();
            let (id, key) = (text(&created, "id"), text(&created, "signingKey"));
            let date = text(&created, "creationDate");
            assert!(id.parse::<u64>().is_ok() && date.ends_with('Z') && key.len() >= 32, "{created}");
            assert_eq!(keys(api, id).await, [SigningKey::from(key)]);

            let path = format!("{prefix}/targets/{id}");
            let got = api.ask(&format!("GET {path}"), &Value::Null).await.good();
            let mut whole = json!({
                "id": id, "creationDate": date, "changeDate": got["target"]["changeDate"], "name": "local webhook",
                "restWebhook": { "interruptOnError": true }, "timeout": "10s",
                "endpoint": "https://hooks.example.com/?a=b", "signingKey": key,
            });
            if prefix == "/v2/actions" {
                whole["payloadType"] = json!("PAYLOAD_TYPE_JSON");
            }
            assert_eq!(got, json!({ "target": whole }));

            let change = json!({ "name": "renamed", "timeout": "2.5s", "restCall": {} });
            let changed = api.ask(&format!("POST {path}"), &change).await.good();
            let changed_at = text(&changed, "changeDate");
            assert!(changed_at > date && changed.get("signingKey").is_none(), "{changed}");
            whole.as_object_mut().expect("an object").remove("restWebhook");
            whole["restCall"] = json!({});
            (whole["name"], whole["timeout"]) = (json!("renamed"), json!("2.500s"));
            whole["changeDate"] = json!(changed_at);
            assert_eq!(api.ask(&format!("GET {path}"), &Value::Null).await.good(), json!({ "target": whole }));

            let deleted = api.ask(&format!("DELETE {path}"), &Value::Null).await.good();
            assert!(text(&deleted, "deletionDate") > changed_at, "{deleted}");
            let again = api.ask(&format!("DELETE {path}"), &Value::Null).await.good();
            assert_eq!(again, deleted, "that it is gone is what was wanted");
            refused(&api.ask(&format!("GET {path}"), &Value::Null).await, 404, 5, NO_TARGET);
            refused(&api.ask(&format!("POST {path}"), &change).await, 404, 5, NO_TARGET);
        }
        let never_there = api.ask("DELETE /v2/actions/targets/1", &Value::Null).await;
        assert_eq!(never_there.good(), json!({}));
    })
    .await;
}

#[tokio::test]
async fn an_update_may_come_with_any_of_three_methods_and_its_id_is_that_of_the_path() {
    on_both(async |api: &Api| {
        let id = api.target("admin", "crm").await;
        for (method, timeout) in [("POST", "11s"), ("PUT", "12s"), ("PATCH", "13s")] {
            let body = json!({ "id": "another", "timeout": timeout });
            api.ask(&format!("{method} /v2/actions/targets/{id}"), &body).await.good();
            assert_eq!(stored(api, &id).await.timeout.as_secs().to_string() + "s", timeout);
        }
    })
    .await;
}

#[tokio::test]
async fn an_update_that_changes_nothing_leaves_the_date_as_it_was() {
    on_both(async |api: &Api| {
        let path = format!("/v2/actions/targets/{}", api.target("admin", "crm").await);
        let before = api.ask(&format!("GET {path}"), &Value::Null).await.good();
        for change in [json!({}), Value::Null, json!({ "name": "crm", "payloadType": "PAYLOAD_TYPE_UNSPECIFIED" })] {
            let changed = api.ask(&format!("POST {path}"), &change).await.good();
            assert_eq!(changed, json!({ "changeDate": before["target"]["changeDate"] }));
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_signing_key_ends_the_old_one_at_once_or_after_a_while() {
    on_both(async |api: &Api| {
        let created = api.ask("POST /v2/actions/targets", &webhook("crm")).await.good();
        let id = text(&created, "id");
        let path = format!("POST /v2/actions/targets/{id}");

        let beside = api.ask(&path, &json!({ "expirationSigningKey": "3600s" })).await.good();
        let both = keys(api, id).await;
        assert_eq!(
            both.iter().map(SigningKey::expose).collect::<Vec<_>>(),
            [text(&created, "signingKey"), text(&beside, "signingKey")]
        );
        assert!(both[0].expires_at().is_some() && both[1].expires_at().is_none(), "the old one ends");
        let shown = api.ask(&format!("GET /v2/actions/targets/{id}"), &Value::Null).await.good();
        assert_eq!(shown["target"]["signingKey"], beside["signingKey"], "the newest is shown");

        let alone = api.ask(&path, &json!({ "expiration_signing_key": "0s" })).await.good();
        assert_eq!(keys(api, id).await, [SigningKey::from(text(&alone, "signingKey"))]);
        let too_long = api.ask(&path, &json!({ "expirationSigningKey": "315576000000s" })).await;
        refused(&too_long, 400, 3, "expirationSigningKey: it is longer than there are dates");
        assert_eq!(keys(api, id).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused() {
    on_both(async |api: &Api| {
        api.target("admin", "crm").await;
        let other = api.target("admin", "audit").await;
        let again = api.ask("POST /v2/actions/targets", &webhook("crm")).await;
        assert_eq!((again.status, &again.json()["code"]), (409, &json!(6)), "{}", again.body);
        let renamed = api.ask(&format!("POST /v2/actions/targets/{other}"), &json!({ "name": "crm" })).await;
        assert_eq!((renamed.status, &renamed.json()["code"]), (409, &json!(6)), "{}", renamed.body);
        let of_the_file = api.ask("POST /v2/actions/targets", &webhook("from-file")).await;
        assert_eq!((of_the_file.status, &of_the_file.json()["code"]), (409, &json!(6)), "{}", of_the_file.body);
    })
    .await;
}

#[tokio::test]
async fn what_belongs_to_a_file_is_shown_and_not_changed() {
    on_both(async |api: &Api| {
        define_from_file(api).await;
        let shown = api.ask("GET /v2/actions/targets/7", &Value::Null).await.good();
        assert_eq!(shown["target"]["name"], "from-file");
        let sentence = "the target came from a definitions file and belongs to it; edit the file and apply it";
        refused(&api.ask("POST /v2/actions/targets/7", &json!({ "name": "mine" })).await, 400, 9, sentence);
        refused(&api.ask("DELETE /v2/actions/targets/7", &Value::Null).await, 400, 9, sentence);
    })
    .await;
}

#[tokio::test]
async fn a_target_that_cannot_be_is_refused_and_nothing_is_stored() {
    on_both(async |api: &Api| {
        let mut no_kind = webhook("crm");
        no_kind.as_object_mut().expect("an object").remove("restWebhook");
        let answer = api.ask("POST /v2/actions/targets", &no_kind).await;
        let sentence = "one of restWebhook, restCall and restAsync is needed: how the target's answer is used";
        refused(&answer, 400, 3, sentence);
        assert_eq!(answer.json()["details"], json!([]));
        let answer = api.ask("POST /v2/actions/targets", &json!([])).await;
        refused(&answer, 400, 3, "the body: an object is needed");
        let definitions = api.state.definitions().await.expect("definitions can be read");
        assert!(definitions.targets.is_empty());
    })
    .await;
}

#[tokio::test]
async fn targets_are_listed_in_pages_in_the_shape_of_each_version() {
    on_both(async |api: &Api| {
        for name in ["crm", "audit", "crm-eu"] {
            api.target("admin", name).await;
        }
        let search = json!({
            "pagination": { "limit": 1, "asc": true },
            "sortingColumn": "TARGET_FIELD_NAME_NAME",
            "filters": [{ "targetNameFilter": { "targetName": "crm", "method": "TEXT_FILTER_METHOD_STARTS_WITH" } }],
        });
        let names = |list: &Value| {
            let names: Vec<_> =
                list.as_array().expect("a list").iter().map(|target| text(target, "name").to_owned()).collect();
            names.join(" ")
        };
        let pagination = json!({ "totalResult": "2", "appliedLimit": "1" });
        for path in ["/v2/actions/targets/search", "/v2/actions/targets/_search", "/v2beta/actions/targets/search"] {
            let found = api.ask(&format!("POST {path}"), &search).await.good();
            assert_eq!((names(&found["targets"]).as_str(), &found["pagination"]), ("crm", &pagination), "{path}");
            assert_eq!(found.as_object().expect("an object").len(), 2, "{found}");
        }
        let old = api.ask("POST /v2beta/actions/targets/_search", &search).await.good();
        assert_eq!(
            (names(&old["result"]).as_str(), &old["details"], &old["pagination"]),
            ("crm", &pagination, &pagination)
        );

        let all = api.ask("GET /v2/actions/targets", &Value::Null).await.good();
        assert_eq!(names(&all["targets"]), "crm-eu audit crm", "the newest comes first");
        assert_eq!(all["pagination"], json!({ "totalResult": "3", "appliedLimit": "100" }));
        let asked =
            "GET /v2/actions/targets?pagination.asc=true&pagination.limit=2&sortingColumn=TARGET_FIELD_NAME_NAME";
        assert_eq!(names(&api.ask(asked, &Value::Null).await.good()["targets"]), "audit crm");
        let too_many = api.ask("POST /v2/actions/targets/search", &json!({ "pagination": { "limit": 1001 } })).await;
        refused(&too_many, 400, 3, "pagination.limit: at most 1000 are given at once");
    })
    .await;
}

#[tokio::test]
async fn who_may_not_see_secrets_is_not_shown_them_and_changes_nothing() {
    on_both(async |api: &Api| {
        let created = api.ask("POST /v2/actions/targets", &webhook("crm")).await.good();
        let path = format!("/v2/actions/targets/{}", text(&created, "id"));
        for caller in ["viewer", "operator"] {
            let one = api.ask_as(caller, &format!("GET {path}"), &Value::Null).await.good()["target"].clone();
            let list = api.ask_as(caller, "POST /v2/actions/targets/search", &Value::Null).await.good();
            for shown in [&one, &list["targets"][0]] {
                assert_eq!((&shown["endpoint"], shown.get("signingKey")), (&json!("https://hooks.example.com/"), None));
            }
            for asked in ["POST /v2/actions/targets", &format!("POST {path}"), &format!("DELETE {path}")] {
                let answer = api.ask_as(caller, asked, &webhook("mine")).await;
                assert_eq!((answer.status, &answer.json()["code"]), (403, &json!(7)), "{asked}");
            }
        }
        assert_eq!(keys(api, text(&created, "id")).await.len(), 1);
    })
    .await;
}
