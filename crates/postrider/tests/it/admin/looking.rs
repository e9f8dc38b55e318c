//! How things stand, over HTTP.

use serde_json::{Value, json};
use test_support::{Receiver, eventually};

use super::scene::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_browsed_from_its_end_with_what_became_of_each_event() {
    on_both("[delivery]\nlog = \"all\"\n", async |scene| {
        let receiver = Receiver::ok();
        scene.target("crm", &receiver).await;
        scene.write("one", "user.human.added", &["a", "b", "c"]).await;
        scene.write("two", "org.added", &["d"]).await;
        receiver.wait_for(4).await;

        assert_eq!(scene.get("/api/v1/instances").await.good(), json!(["one", "two"]));
        assert_eq!(scene.get("/api/v1/events").await.status, 400, "there are several instances");
        let page = scene.get("/api/v1/events?instance=one&limit=2").await.good();
        let names = |page: &Value| -> Vec<String> {
            let events = page["events"].as_array().expect("a list").iter();
            events.map(|event| event["aggregate_id"].as_str().expect("a text").to_owned()).collect()
        };
        assert_eq!(names(&page), ["c", "b"]);
        let next = page["next"].as_str().expect("there is more");
        assert_eq!(names(&scene.get(&format!("/api/v1/events?instance=one&limit=2&page={next}")).await.good()), ["a"]);
        assert_eq!(names(&scene.get("/api/v1/events?instance=one&aggregate_id=b").await.good()), ["b"]);
        assert_eq!(names(&scene.get("/api/v1/events?instance=one&type=org.*").await.good()), Vec::<String>::new());
        assert_eq!(names(&scene.get("/api/v1/events?instance=two&type=org.*").await.good()), ["d"]);
        assert_eq!(scene.get("/api/v1/events?instance=three").await.status, 404);

        eventually("it is committed", async || {
            let cursors = scene.get("/api/v1/cursors?count=true").await.good();
            cursors.as_array()?.iter().all(|cursor| cursor["lag_events"] == 0).then_some(())
        })
        .await;
        let key = page["events"][0]["key"].as_str().expect("it has a key");
        let event = scene.get(&format!("/api/v1/events/{key}")).await.good();
        assert_eq!((&event["payload"]["of"], &event["receipts"][0]["target"]), (&json!("c"), &json!("crm")));
        let state = event["receipts"][0]["state"].as_str().expect("a word");
        assert!(["delivered", "settled"].contains(&state), "{event}");
        assert_eq!(scene.get("/api/v1/events/nokey").await.status, 400);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hears_of_what_is_explained_and_the_daemons_are_listed() {
    on_both("", async |scene| {
        let receiver = Receiver::ok();
        scene.target("crm", &receiver).await;
        scene.write("one", "user.human.added", &["a", "b"]).await;
        receiver.wait_for(2).await;
        scene.settled("crm").await;
        let explained = scene.get("/api/v1/explain?event_type=user.human.added&instance=one").await.good();
        assert_eq!(
            (&explained["matched"]["condition"], &explained["targets"][0]["target"]),
            (&json!("event"), &json!("crm"))
        );
        let range = scene.get("/api/v1/targets/crm/explain?from=beginning&to=now&limit=1").await.good();
        assert_eq!((&range["would_receive"], range["events"].as_array().map(Vec::len)), (&json!(2), Some(1)));
        assert_eq!(scene.get("/api/v1/targets/crm/explain?from=now&to=beginning").await.status, 400);

        let workers = scene.get("/api/v1/workers").await.good();
        assert_eq!((&workers[0]["state"], &workers[0]["pid"]), (&json!("live"), &json!(scene.daemon.pid())));
        let horizon = scene.get("/api/v1/horizon").await.good();
        assert!(horizon["head"].is_string() && horizon["writers"].is_array(), "{horizon}");
        let cursors = scene.get("/api/v1/cursors?count=true").await.good();
        assert_eq!((&cursors[0]["target"], &cursors[0]["lag_events"]), (&json!("crm"), &json!(0)));
        let whoami = scene.get("/api/v1/whoami").await.good();
        assert_eq!(whoami, json!({ "name": "ada", "role": "admin", "instance": null }));
    })
    .await;
}
