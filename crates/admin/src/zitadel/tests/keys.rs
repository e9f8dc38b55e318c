//! Public keys of targets.

use serde_json::{Value, json};

use super::support::{Api, on_both, refused};

/// A public key as the API takes it: base64 of its PEM.
fn pem(name: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../store/src/state/public_keys/read/samples/");
    STANDARD.encode(std::fs::read(format!("{folder}{name}.pem")).expect("the sample is there"))
}

async fn check(api: &Api, ask: impl AsyncFn(&str, &str, Value) -> test_support::Answer) {
    let crm = api.target("admin", "crm").await;
    let named = |key: &Value| json!({ "targetId": crm, "keyId": key });
    let added = ask("AddPublicKey", "POST publickeys", json!({ "targetId": crm, "publicKey": pem("rsa2048") })).await;
    let first = added.good()["keyId"].clone();
    assert!(first.is_string() && added.good()["creationDate"].is_string(), "{}", added.good());
    let ec = json!({ "targetId": crm, "publicKey": pem("p256"), "expirationDate": "2099-01-01T00:00:00Z" });
    let second = ask("AddPublicKey", "POST publickeys", ec).await.good()["keyId"].clone();

    let listed =
        ask("ListPublicKeys", "POST publickeys/search", json!({ "targetId": crm, "pagination": { "asc": true } }))
            .await
            .good();
    let keys = listed["publicKeys"].as_array().expect("a list");
    assert_eq!(keys.iter().map(|key| &key["keyId"]).collect::<Vec<_>>(), [&first, &second]);
    assert!(keys.iter().all(|key| key.get("active").is_none()), "a new key is inactive: {listed}");
    assert!(keys[0]["fingerprint"].as_str().is_some_and(|text| text.starts_with("SHA256:")), "{listed}");

    for key in [&first, &second] {
        let changed = ask("ActivatePublicKey", "POST publickeys/{key}/activate", named(key)).await.good();
        assert!(changed["changeDate"].is_string(), "{changed}");
    }
    let listed =
        ask("ListPublicKeys", "POST publickeys/search", json!({ "targetId": crm, "pagination": { "asc": true } }))
            .await
            .good();
    assert_eq!((&listed["publicKeys"][0]["active"], &listed["publicKeys"][1]["active"]), (&Value::Null, &json!(true)));
    let active = ask("RemovePublicKey", "DELETE publickeys/{key}", named(&second)).await;
    assert_eq!(active.status, 400, "{}", active.body);
    let _ = ask("DeactivatePublicKey", "POST publickeys/{key}/deactivate", named(&second)).await.good();
    let removed = ask("RemovePublicKey", "DELETE publickeys/{key}", named(&second)).await.good();
    assert!(removed["deletionDate"].is_string(), "{removed}");
    for (call, path) in [
        ("RemovePublicKey", "DELETE publickeys/{key}"),
        ("ActivatePublicKey", "POST publickeys/{key}/activate"),
        ("DeactivatePublicKey", "POST publickeys/{key}/deactivate"),
    ] {
        assert_eq!(ask(call, path, named(&second)).await.status, 404, "{call}");
    }
    let private = json!({ "targetId": crm, "publicKey": "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCg==" });
    let refused = ask("AddPublicKey", "POST publickeys", private).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    let audit = api.state.audit(20).await.expect("the audit can be read");
    assert!(audit.iter().any(|act| act.act == "target.activate_public_key" && act.actor == "admin"), "{audit:?}");
}

#[tokio::test]
async fn public_keys_are_managed_over_connect() {
    on_both(async |api: &Api| {
        let ask = async |call: &str, _: &str, body: Value| {
            api.ask(&format!("POST /zitadel.action.v2.ActionService/{call}"), &body).await
        };
        check(api, ask).await;
    })
    .await;
}

#[tokio::test]
async fn public_keys_are_managed_over_rest() {
    on_both(async |api: &Api| {
        let ask = async |_: &str, path: &str, body: Value| {
            let (method, path) = path.split_once(' ').expect("a method and a path");
            let path = path.replace("{key}", body["keyId"].as_str().unwrap_or_default());
            let target = body["targetId"].as_str().expect("there is a target");
            api.ask(&format!("{method} /v2/actions/targets/{target}/{path}"), &body).await
        };
        check(api, ask).await;
    })
    .await;
}

#[tokio::test]
async fn keys_of_a_target_that_is_not_there_are_not_found() {
    on_both(async |api: &Api| {
        let one = api.target("admin@one", "crm").await;
        let body = json!({ "targetId": one, "publicKey": pem("rsa2048") });
        let answer = api.ask_as("admin@two", "POST /zitadel.action.v2.ActionService/AddPublicKey", &body).await;
        refused(&answer, 404, "not_found", "there is no target of this id");
    })
    .await;
}
