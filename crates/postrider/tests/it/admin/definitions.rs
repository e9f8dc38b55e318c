//! Targets and executions, defined over HTTP.

use serde_json::{Value, json};
use test_support::Receiver;

use super::scene::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_created_delivers_and_one_that_is_deleted_does_not() {
    on_both("", async |scene| {
        let receiver = Receiver::ok();
        let body = json!({ "settings": { "name": "crm", "endpoint": receiver.url(), "timeout": "3s" } });
        let planned =
            scene.post("/api/v1/targets", &json!({ "dry_run": true, "settings": body["settings"] })).await.good();
        assert_eq!((&planned["target_id"], &planned["dry_run"]), (&Value::Null, &json!(true)));
        assert!(planned.get("signing_key").is_none());

        let created = scene.post("/api/v1/targets", &body).await.good();
        let id = created["target_id"].as_str().expect("it has an id").to_owned();
        assert!(id.parse::<u64>().is_ok(), "{id} is a number, as ZITADEL's are");
        let key = created["signing_key"].as_str().expect("it is shown once").to_owned();
        let again = scene.post("/api/v1/targets", &body).await;
        assert_eq!((again.status, &again.json()["kind"]), (409, &json!("already_exists")));

        let set = json!({ "condition": "event/user.*", "targets": [id.as_str()] });
        assert_eq!(scene.ask("PUT /api/v1/executions", &set).await.good()["changes"][0]["change"], "create");
        assert_eq!(scene.get("/api/v1/executions").await.good()[0]["targets"], json!(["crm"]));
        scene.write("one", "user.human.added", &["a"]).await;
        receiver.wait_for(1).await;
        receiver.accepted()[0].verify(&[key.as_str().into()]).expect("it is signed with the key");

        let shown = scene.get(&format!("/api/v1/targets/{id}")).await.good();
        assert_eq!((&shown["timeout"], &shown["source"], &shown["id"]), (&json!("3s"), &json!("api"), &json!(id)));
        let text = scene.get("/api/v1/targets").await.body;
        assert!(!text.contains(&key), "the key is not told again");

        let update = json!({ "settings": { "name": "crm2", "ordering": "aggregate", "max_in_flight": 4 } });
        let _ = scene.ask("PATCH /api/v1/targets/crm", &update).await.good();
        assert_eq!(scene.get("/api/v1/targets/crm2").await.good()["ordering"], "aggregate");
        assert_eq!(scene.get("/api/v1/executions").await.good()[0]["targets"], json!(["crm2"]), "it is renamed there");

        let api = json!({ "condition": "request", "targets": ["crm2"] });
        let refused = scene.ask("PUT /api/v1/executions", &api).await;
        assert!(refused.status == 400 && refused.body.contains("request"), "it would never fire: {}", refused.body);
        let spaced = json!({ "settings": { "name": "my hook" } });
        let _ = scene.ask("PATCH /api/v1/targets/crm2", &spaced).await.good();
        let _ = scene.house.cli(&["target", "update", "my hook", "--timeout", "4s"]);
        assert_eq!(scene.get("/api/v1/targets/my%20hook").await.good()["timeout"], "4s");
        let back = json!({ "settings": { "name": "crm2" } });
        let _ = scene.ask("PATCH /api/v1/targets/my%20hook", &back).await.good();

        let deleted = scene.ask("DELETE /api/v1/targets/crm2", &Value::Null).await.good();
        assert_eq!(deleted["changes"].as_array().map(Vec::len), Some(2), "{deleted}");
        assert_eq!(scene.get(&format!("/api/v1/targets/{id}")).await.status, 404);
        let left = scene.ask("DELETE /api/v1/executions?condition=event/user.*", &Value::Null).await.good();
        assert_eq!(left["changes"][0]["change"], "remove");
        assert_eq!(scene.ask("DELETE /api/v1/executions?condition=event/user.*", &Value::Null).await.status, 404);
        let acts = scene.get("/api/v1/audit").await.good();
        let acts: Vec<_> = acts.as_array().expect("a list").iter().filter(|act| act["actor"] == "ada").collect();
        assert!(acts.len() >= 6, "each change is in the audit with the token's name: {acts:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_overlap_when_they_are_rotated() {
    on_both("", async |scene| {
        let receiver = Receiver::ok();
        scene.target("crm", &receiver).await;
        let rotated = scene.post("/api/v1/targets/crm/rotate-key", &json!({ "grace_seconds": 600 })).await.good();
        let new = rotated["signing_key"].as_str().expect("it is shown once").to_owned();
        scene.write("one", "user.human.added", &["a"]).await;
        receiver.wait_for(1).await;
        for key in [new.as_str(), crate::proof::daemon::KEY] {
            receiver.accepted()[0].verify(&[key.into()]).expect("both sign for a while");
        }
        let _ = scene.post("/api/v1/targets/crm/rotate-key", &json!({ "grace_seconds": 0 })).await.good();
        let mut sent = 1;
        test_support::eventually("the key before is no longer in force", async || {
            sent += 1;
            scene.write("one", "user.human.added", &[&format!("b{sent}")]).await;
            receiver.wait_for(sent).await;
            receiver.accepted()[sent - 1].verify(&[new.as_str().into()]).is_err().then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_defined_is_refused_with_its_reason() {
    let file = "[[target]]\nname = \"of-file\"\nendpoint = \"http://127.0.0.1:9/\"\nsigning_key = \"k\"\n\
                [[execution]]\ncondition = { event = \"org.added\" }\ntargets = [\"of-file\"]\n";
    on_both(file, async |scene| {
        let settings = |name: &str, endpoint: &str| json!({ "settings": { "name": name, "endpoint": endpoint } });
        for (asked, body, status, kind, part) in [
            ("POST /api/v1/targets", json!({ "settings": { "name": "x" } }), 400, "invalid", "endpoint"),
            ("POST /api/v1/targets", settings("x", "ftp://x"), 400, "invalid", "scheme"),
            ("POST /api/v1/targets", settings("of-file", "http://127.0.0.1:9/"), 409, "already_exists", "of-file"),
            ("POST /api/v1/targets", json!({}), 422, "invalid", "settings"),
            ("PATCH /api/v1/targets/of-file", json!({ "settings": { "timeout": "3s" } }), 409, "precondition", "apply"),
            ("DELETE /api/v1/targets/of-file", Value::Null, 409, "precondition", "apply"),
            ("PATCH /api/v1/targets/nobody", json!({ "settings": {} }), 404, "not_found", "nobody"),
            (
                "PUT /api/v1/executions",
                json!({ "condition": "event", "targets": ["nobody"] }),
                409,
                "precondition",
                "nobody",
            ),
            ("PUT /api/v1/executions", json!({ "condition": "evnt", "targets": [] }), 422, "invalid", "evnt"),
            (
                "PUT /api/v1/executions",
                json!({ "condition": "event/org.added", "targets": [] }),
                409,
                "precondition",
                "file",
            ),
            ("DELETE /api/v1/executions?condition=event", Value::Null, 404, "not_found", "no execution"),
        ] {
            let refused = scene.ask(asked, &body).await;
            let told = refused.json();
            assert_eq!((refused.status, &told["kind"]), (status, &json!(kind)), "{asked} {body}: {told}");
            assert!(told["detail"].as_str().is_some_and(|detail| detail.contains(part)), "{asked} {body}: {told}");
            assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        }
        let broken = scene
            .send(
                "POST /api/v1/targets",
                &[("authorization", &format!("Bearer {}", scene.admin)), ("content-type", "application/json")],
                "{",
            )
            .await;
        assert_eq!((broken.status, &broken.json()["kind"]), (400, &json!("invalid")));
        let unlabelled =
            scene.send("POST /api/v1/targets", &[("authorization", &format!("Bearer {}", scene.admin))], "{}").await;
        assert_eq!(unlabelled.status, 415);
    })
    .await;
}
