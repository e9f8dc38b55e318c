//! A token of one instance sees and changes nothing of another.

use serde_json::{Value, json};
use test_support::{Receiver, eventually};

use super::{
    door::routes,
    scene::{Scene, on_both},
};

/// All that a stranger must leave as it is.
async fn everything(scene: &Scene) -> Vec<Value> {
    let mut all = Vec::new();
    for path in ["targets", "executions", "cursors", "failed", "deliveries", "tokens", "audit"] {
        let mut told = scene.get(&format!("/api/v1/{path}")).await.good();
        // What the daemon and the clock change.
        for line in told.as_array_mut().into_iter().flatten() {
            for moving in ["lag_seconds", "last_updated", "last_used_at"] {
                if let Some(line) = line.as_object_mut() {
                    line.remove(moving);
                }
            }
        }
        all.push(told);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_refuses_a_stranger_and_changes_nothing() {
    on_both("[delivery]\nlog = \"all\"\n", async |scene| {
        let receiver = Receiver::refusing("bad");
        let owner = scene.token(&["--name", "one", "--role", "admin", "--instance", "one"]);
        let stranger = scene.token(&["--name", "two", "--role", "admin", "--instance", "two"]);
        let body = json!({ "settings": { "name": "crm", "endpoint": receiver.url() }, "start": "beginning", "paused": true });
        let created = scene.ask_as(&owner, "POST /api/v1/targets", &body).await.good();
        let id = created["target_id"].as_str().expect("it has an id").to_owned();
        let set = json!({ "condition": "event", "targets": ["crm"] });
        let _ = scene.ask_as(&owner, "PUT /api/v1/executions", &set).await.good();
        let _ = scene.ask_as(&owner, "POST /api/v1/targets/crm/resume", &json!({})).await.good();
        scene.write("one", "user.human.added", &["a", "bad", "b"]).await;
        scene.write("two", "user.human.added", &["c"]).await;
        receiver.wait_until("the last has arrived", |all| all.iter().any(|one| one.key().aggregate_id.as_str() == "b")).await;
        scene.settled("crm").await;
        eventually("all attempts are written down", async || {
            let written = scene.get("/api/v1/deliveries").await.good();
            (written.as_array().map(Vec::len) == Some(7)).then_some(())
        })
        .await;
        let key = scene.ask_as(&owner, "GET /api/v1/events", &Value::Null).await.good()["events"][0]["key"].clone();
        let key = key.as_str().expect("it has a key");

        let own = scene.ask_as(&owner, "GET /api/v1/targets", &Value::Null).await.good();
        assert_eq!((own.as_array().map(Vec::len), &own[0]["instance"]), (Some(1), &json!("one")));
        let mut before = everything(scene).await;
        for target in [id.as_str(), "crm"] {
            for (method, path) in routes(scene, target).await {
                let path = path.replace("/events/W10", &format!("/events/{key}"));
                let asked = format!("{method} {path}");
                for body in [
                    json!({}),
                    json!({ "settings": {}, "to": "now", "all": true, "reason": "mine", "condition": "event", "targets": ["crm"], "instance": "one", "name": "x", "role": "admin" }),
                ] {
                    let path = match method.as_str() {
                        "GET" if path.ends_with("/explain") && path.contains("targets") => format!("{asked}?from=beginning&to=now"),
                        "GET" if path.ends_with("/explain") => format!("{asked}?event_type=user.human.added&instance=one"),
                        "DELETE" if path.ends_with("/executions") => format!("{asked}?condition=event&instance=one"),
                        _ => asked.clone(),
                    };
                    let answer = scene.ask_as(&stranger, &path, &body).await;
                    let told = &answer.body;
                    assert!(answer.status != 200 || method == "GET" || path.contains("/tokens"), "{path} {body}: {told}");
                    assert!(answer.status < 500, "{path}: {told}");
                    if answer.status == 200 {
                        for secret in [id.as_str(), "\"crm\"", "\"one\"", "\"bad\""] {
                            assert!(!told.contains(secret), "{path} tells {secret}: {told}");
                        }
                    }
                }
            }
        }
        let mut after = everything(scene).await;
        // What strangers made of their own: tokens of their own instance, and their acts.
        for told in [&mut before, &mut after] {
            for lines in told.iter_mut() {
                let lines = lines.as_array_mut().expect("a list");
                lines.retain(|line| line["instance"] != "two" && line["instance_id"] != "two");
            }
        }
        assert!(after == before, "something is otherwise");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_every_instance_is_not_an_instances_to_see_or_change() {
    on_both("", async |scene| {
        let receiver = Receiver::ok();
        scene.target("audit", &receiver).await;
        scene.write("one", "user.human.added", &["a"]).await;
        receiver.wait_for(1).await;
        let one = scene.token(&["--name", "one", "--role", "admin", "--instance", "one"]);
        for path in ["targets", "executions", "cursors", "failed", "deliveries", "workers", "audit"] {
            let told = scene.ask_as(&one, &format!("GET /api/v1/{path}"), &Value::Null).await.good();
            let told = told.as_array().expect("a list");
            assert!(told.iter().all(|line| line["instance_id"] == "one"), "{path}: {told:?}");
        }
        let set = json!({ "condition": "event", "targets": ["audit"] });
        let refused = scene.ask_as(&one, "PUT /api/v1/executions", &set).await;
        assert_eq!((refused.status, refused.body.contains("no target")), (409, true), "{}", refused.body);
        let made = scene.ask_as(&one, "POST /api/v1/tokens", &json!({ "name": "more", "role": "viewer" })).await.good();
        assert_eq!(made["instance"], "one", "its tokens are of its own instance");
        let wider = json!({ "name": "wider", "role": "viewer", "instance": "two" });
        assert_eq!(scene.ask_as(&one, "POST /api/v1/tokens", &wider).await.status, 404);
        assert_eq!(scene.ask_as(&one, "DELETE /api/v1/tokens/ada", &Value::Null).await.status, 404);
        assert_eq!(scene.get("/api/v1/whoami").await.status, 200);

        let own = json!({ "settings": { "name": "own", "endpoint": receiver.url() } });
        let _ = scene.ask_as(&one, "POST /api/v1/targets", &own).await.good();
        scene.write("two", "org.added", &["while nobody names it"]).await;
        let cursors_of_own = async || {
            let cursors = scene.get("/api/v1/targets/own/cursors").await;
            if cursors.status == 200 { cursors.json().as_array().cloned().unwrap_or_default() } else { Vec::new() }
        };
        eventually("it walks along", async || (!cursors_of_own().await.is_empty()).then_some(())).await;
        scene.settled_on("audit", "two").await;
        let set = json!({ "condition": "event/user.human.added", "targets": ["own"] });
        let _ = scene.ask_as(&one, "PUT /api/v1/executions", &set).await.good();
        scene.write("two", "user.human.added", &["b"]).await;
        scene.write("one", "user.human.added", &["c"]).await;
        receiver
            .wait_until("both arrive", |all| {
                ["b", "c"].iter().all(|one| all.iter().any(|all| all.key().aggregate_id.as_str() == *one))
            })
            .await;
        let cursors = scene.ask_as(&one, "GET /api/v1/cursors", &Value::Null).await.good();
        assert!(cursors.as_array().expect("a list").iter().all(|cursor| cursor["instance_id"] == "one"), "{cursors}");
        let of_own = cursors_of_own().await;
        assert!(of_own.len() == 1 && of_own[0]["instance_id"] == "one", "it has no place elsewhere: {of_own:?}");
    })
    .await;
}
