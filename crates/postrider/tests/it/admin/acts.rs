//! Acts on a running daemon, over HTTP.

use serde_json::{Value, json};
use test_support::{Receiver, eventually};

use super::scene::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_paused_sought_and_resumed_within_a_second() {
    on_both("", async |scene| {
        let receiver = Receiver::ok();
        scene.target("crm", &receiver).await;
        let keys = scene.write("one", "user.human.added", &["a", "b", "c"]).await;
        receiver.wait_for(3).await;
        scene.settled("crm").await;

        let rehearsed = scene.post("/api/v1/targets/crm/pause", &json!({ "dry_run": true })).await.good();
        assert_eq!((&rehearsed["result"]["changed"], &rehearsed["result"]["dry_run"]), (&json!(false), &json!(true)));
        let _ = scene.post("/api/v1/targets/crm/pause", &json!({ "reason": "the CRM moves" })).await.good();
        scene.in_state("crm", "paused").await;
        let to = keys[1].position.to_string();
        let would = scene.post("/api/v1/targets/crm/seek", &json!({ "to": to, "dry_run": true })).await.good();
        assert_eq!((&would["moved"][0]["would_send"], &would["moved"][0]["dry_run"]), (&json!(2), &json!(true)));
        let moved = scene.post("/api/v1/targets/crm/seek", &json!({ "to": to, "instance": "one" })).await.good();
        assert_eq!(moved["moved"][0]["direction"], "back");
        let _ = scene.post("/api/v1/targets/crm/resume", &json!({})).await.good();
        receiver.wait_for(5).await;
        let sent = receiver.accepted().iter().map(|arrival| arrival.key().aggregate_id.to_string()).collect::<Vec<_>>();
        assert_eq!(sent, ["a", "b", "c", "b", "c"]);
        scene.settled("crm").await;

        for (path, body, status, part) in [
            ("seek", json!({ "to": "9999999999" }), 400, "beyond the horizon"),
            ("seek", json!({ "to": "now", "instance": "none" }), 404, "no cursor on instance"),
            ("seek", json!({ "to": "yesterday" }), 422, "no place in the store"),
            ("skip", json!({}), 409, "nothing to skip"),
            ("halt", json!({}), 400, "say why"),
            ("failed/retry", json!({ "all": true }), 409, "no failed event"),
            ("failed/retry", json!({}), 400, "say which"),
            ("failed/discard", json!({ "all": true }), 400, "say why"),
        ] {
            let refused = scene.post(&format!("/api/v1/targets/crm/{path}"), &body).await;
            assert_eq!(refused.status, status, "{path} {body}: {}", refused.body);
            assert!(refused.body.contains(part), "{path} {body}: {}", refused.body);
        }
        let paused = scene.get("/api/v1/audit?act=pause").await.good();
        assert_eq!((&paused[0]["actor"], &paused[0]["reason"]), (&json!("ada"), &json!("the CRM moves")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_events_are_listed_retried_and_discarded() {
    on_both("", async |scene| {
        let receiver = Receiver::start(|_, arrival| {
            if arrival.key().aggregate_id.as_str().starts_with("bad") { 500.into() } else { 200.into() }
        });
        scene.target("crm", &receiver).await;
        scene.write("one", "user.human.added", &["a", "bad1", "b", "bad2"]).await;
        let parked = eventually("both are parked", async || {
            let failed = scene.get("/api/v1/failed?target=crm&status=parked").await.good();
            (failed.as_array().map(Vec::len) == Some(2)).then_some(failed)
        })
        .await;
        assert_eq!((&parked[0]["aggregate_id"], &parked[0]["failure_count"]), (&json!("bad1"), &json!(5)));
        let attempts = scene.get("/api/v1/deliveries?target=crm&outcome=failed&limit=3").await.good();
        assert_eq!(attempts.as_array().map(Vec::len), Some(3), "{attempts}");
        let attempt = scene.get(&format!("/api/v1/deliveries/{}", attempts[0]["id"])).await.good();
        assert_eq!(attempt["status"], 500);

        receiver.behave(|_, _| 200.into());
        let one = json!({ "aggregate": "bad1", "sequence": 1, "reason": "mended" });
        let would = json!({ "aggregate": "bad1", "sequence": 1, "dry_run": true });
        let rehearsed = scene.post("/api/v1/targets/crm/failed/retry", &would).await.good();
        assert_eq!(rehearsed["result"]["would_send"], 1);
        assert_eq!(scene.post("/api/v1/targets/crm/failed/retry", &one).await.good()["result"]["retried"], 1);
        receiver
            .wait_until("it arrives", |all| {
                all.iter().any(|one| one.is_accepted() && one.key().aggregate_id.as_str() == "bad1")
            })
            .await;
        eventually("that is committed", async || {
            let left = scene.get("/api/v1/failed").await.good();
            (left.as_array().map(Vec::len) == Some(1)).then_some(())
        })
        .await;
        let rest = json!({ "all": true, "reason": "not needed" });
        assert_eq!(scene.post("/api/v1/targets/crm/failed/discard", &rest).await.good()["result"]["discarded"], 1);
        eventually("none is left", async || {
            let left = scene.get("/api/v1/failed").await.good();
            left.as_array().is_some_and(Vec::is_empty).then_some(())
        })
        .await;

        let path = format!("/api/v1/deliveries/{}/resend", attempts[0]["id"]);
        let resent = scene.post(&path, &json!({ "dry_run": true })).await.good();
        assert_eq!(resent["result"]["would_send"], 1);
        assert_eq!(scene.get("/api/v1/deliveries/999999").await.status, 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_halted_skipped_and_let_go_on_and_an_endpoint_is_tried() {
    on_both("", async |scene| {
        let receiver =
            Receiver::start(
                |_, arrival| if arrival.key().aggregate_id.as_str() == "b" { 503.into() } else { 200.into() },
            );
        scene.target("crm", &receiver).await;
        scene.write("one", "user.human.added", &["a", "b", "c"]).await;
        scene.in_state("crm", "holding").await;
        let _ = scene.post("/api/v1/targets/crm/halt", &json!({ "reason": "a look is taken" })).await.good();
        let halted = scene.in_state("crm", "halted").await;
        assert_eq!(halted["reason"], "a look is taken");
        let skipped = scene.post("/api/v1/targets/crm/skip", &json!({ "reason": "b is not needed" })).await.good();
        assert_eq!(skipped["result"]["aggregate_id"], "b");
        let _ = scene.post("/api/v1/targets/crm/unhalt", &json!({})).await.good();
        receiver.wait_until("c arrives", |all| all.iter().any(|one| one.key().aggregate_id.as_str() == "c")).await;
        scene.settled("crm").await;
        let account = scene.get("/api/v1/targets/crm/account").await.good();
        assert_eq!((&account[0]["parked"], &account[0]["inconsistent"]), (&json!(1), &json!([])));

        let tested = scene.post("/api/v1/targets/crm/test", &json!({})).await.good();
        assert_eq!(tested["result"]["outcome"], "delivered");
        receiver.behave(|_, _| 418.into());
        let tested = scene.post("/api/v1/targets/crm/test", &json!({ "event_type": "user.human.added" })).await.good();
        assert_eq!((&tested["result"]["outcome"], &tested["result"]["status"]), (&json!("failed"), &json!(418)));
        assert_eq!(scene.post("/api/v1/targets/nobody/test", &Value::Null).await.status, 400, "a body is needed");
    })
    .await;
}
