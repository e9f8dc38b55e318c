//! What ZITADEL's guide has people type, with postrider at the other end.

use std::time::Duration;

use domain::Position;
use serde_json::json;
use test_support::{Receiver, eventually};
use tokio::time::Instant;

use super::scene::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn a_target_of_the_guide_has_the_next_event_within_a_second() {
    on_both("", async |scene| {
        let receiver = Receiver::ok();
        // Before anything is defined there is nobody to hear of it.
        let before = scene.write("one", "user.human.added", &["before"]).await[0].position;
        // A new target begins at the horizon, which lags a little behind where positions are times.
        eventually("the horizon is past it", async || {
            let horizon = scene.get("/api/v1/horizon").await.good();
            let head: Position = horizon["head"].as_str()?.parse().ok()?;
            (head >= before).then_some(())
        })
        .await;
        let target = json!({
            "name": "local webhook",
            "restWebhook": { "interruptOnError": true },
            "endpoint": receiver.url(),
            "timeout": "10s",
        });
        let created = scene.post("/v2beta/actions/targets", &target).await.good();
        let (id, key) = (created["id"].as_str().expect("an id"), created["signingKey"].as_str().expect("a key"));
        let execution = json!({
            "condition": { "event": { "event": "user.human.added" } },
            "targets": [{ "target": id }],
        });
        let set = scene.ask("PUT /v2beta/actions/executions", &execution).await.good();
        assert!(set["setDate"].is_string(), "{set}");

        let began = Instant::now();
        scene.write("one", "user.human.added", &["next"]).await;
        receiver.wait_for(1).await;
        let took = began.elapsed();
        println!("the next event arrived {took:?} after it was written");
        assert!(took < Duration::from_secs(1), "{took:?}");
        let arrival = &receiver.accepted()[0];
        assert_eq!(arrival.key().aggregate_id.as_str(), "next");
        arrival.verify(&[key.into()]).expect("it is signed with the key that was shown");

        let listed = scene.post("/v2/actions/executions/search", &json!({})).await.good();
        assert_eq!(listed["executions"][0]["targets"], json!([id]));
        let renamed = scene.post(&format!("/v2/actions/targets/{id}"), &json!({ "expirationSigningKey": "0s" })).await;
        assert!(renamed.good()["signingKey"].is_string());
    })
    .await;
}

/// The `kid` of a compact JWS or JWE.
fn kid(token: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let head = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap_or_default()).expect("a head is base64");
    let head: serde_json::Value = serde_json::from_slice(&head).expect("a head is JSON");
    head["kid"].as_str().expect("it names its key").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_wants_jwts_gets_them_by_keys_that_are_published_through_a_rotation() {
    on_both("", async |scene| {
        let receiver = Receiver::ok();
        let target = json!({
            "name": "signed",
            "restWebhook": {},
            "endpoint": receiver.url(),
            "payloadType": "PAYLOAD_TYPE_JWT",
        });
        let created = scene.post("/v2/actions/targets", &target).await.good();
        let execution = json!({ "condition": { "event": { "all": true } }, "targets": [created["id"]] });
        let _ = scene.ask("PUT /v2/actions/executions", &execution).await.good();
        let published = async || -> Vec<String> {
            let keys = scene.send("GET /oauth/v2/keys", &[], "").await.good();
            let keys = keys["keys"].as_array().expect("a list").iter();
            keys.map(|key| key["kid"].as_str().expect("a text").to_owned()).collect()
        };
        let sent = async |aggregate: &str, count: usize| {
            scene.write("one", "user.human.added", &[aggregate]).await;
            receiver.wait_for(count).await;
            let arrival = receiver.accepted()[count - 1].clone();
            assert_eq!(arrival.header("content-type"), Some("application/jwt"));
            kid(std::str::from_utf8(&arrival.body).expect("a token is text"))
        };
        let first = sent("a", 1).await;
        assert_eq!(published().await, [first.as_str()], "without a token, for whoever receives");
        let rotated = scene.post("/api/v1/web-keys/rotate", &json!({ "grace_seconds": 0 })).await.good();
        let second = rotated["id"].as_str().expect("it has an id").to_owned();
        let both = published().await;
        assert!(both.contains(&first) && both.contains(&second), "{both:?}");
        let mut count = 1;
        eventually("the new key signs", async || {
            count += 1;
            (sent(&format!("b{count}"), count).await == second).then_some(())
        })
        .await;
    })
    .await;
}
