//! What conditions can name, and public keys.

use serde_json::{Value, json};

use super::support::{Api, on_both, refused};

#[tokio::test]
async fn functions_methods_and_services_are_listed_for_whoever_may_look() {
    on_both(async |api: &Api| {
        for version in ["v2", "v2beta"] {
            let list = async |name: &str| {
                let path = format!("GET /{version}/actions/executions/{name}");
                api.ask_as("viewer@one", &path, &Value::Null).await.good()[name].clone()
            };
            assert_eq!(list("functions").await, json!(["preuserinfo", "preaccesstoken", "presamlresponse"]));
            let (methods, services) = (list("methods").await, list("services").await);
            let has = |list: &Value, name: &str| list.as_array().expect("a list").contains(&json!(name));
            assert!(has(&methods, "/zitadel.user.v2.UserService/AddHumanUser"));
            assert!(has(&services, "zitadel.user.v2.UserService"));
            let over_connect = format!("POST /zitadel.action.{version}.ActionService/ListExecutionServices");
            assert_eq!(api.ask_as("viewer", &over_connect, &json!({})).await.good(), json!({ "services": services }));
        }
    })
    .await;
}

#[tokio::test]
async fn public_keys_are_for_admins_and_their_messages_are_checked() {
    on_both(async |api: &Api| {
        let id = api.target("admin", "crm").await;
        let keys = format!("/v2/actions/targets/{id}/publickeys");
        for asked in
            [format!("POST {keys}/2/activate"), format!("POST {keys}/2/deactivate"), format!("DELETE {keys}/2")]
        {
            assert_eq!(api.ask_as("operator", &asked, &json!({})).await.status, 403, "{asked}");
            refused(&api.ask(&asked, &json!({})).await, 404, 5, "there is no public key of this id");
        }
        let none = api.ask_as("viewer", &format!("POST {keys}/search"), &json!({})).await.good();
        assert_eq!(none, json!({ "pagination": { "appliedLimit": "100" } }));
        let key = json!({ "publicKey": "LS0tLS1CRUdJTg==" });
        assert_eq!(api.ask(&format!("POST {keys}"), &key).await.status, 400, "it is no key");
        let elsewhere = api.ask("POST /v2/actions/targets/1/publickeys", &key).await;
        refused(&elsewhere, 404, 5, "there is no target of this id");
        let no_key = api.ask(&format!("POST {keys}"), &json!({})).await;
        refused(&no_key, 400, 3, "publicKey: it is needed");
        let no_target =
            api.ask("POST /zitadel.action.v2.ActionService/ActivatePublicKey", &json!({ "keyId": "2" })).await;
        refused(&no_target, 400, "invalid_argument", "targetId: it is needed");
    })
    .await;
}
