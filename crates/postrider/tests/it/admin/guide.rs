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
