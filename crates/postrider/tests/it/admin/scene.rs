//! A daemon with its admin interface, an event store to write into, and somebody who asks.

use domain::EventKey;
use serde_json::Value;
use store::{EventStore, NewEvent};
use test_support::{Answer, Push, Receiver, Stamp, TestDatabase, ask, eventually};

use crate::proof::daemon::{Daemon, House};

/// See the module.
pub struct Scene {
    pub house: House,
    pub daemon: Daemon,
    pub address: String,
    /// An admin's token, to whom everything belongs.
    pub admin: String,
    writer: Writer,
}

enum Writer {
    Postgres(TestDatabase),
    Sqlite(EventStore),
}

/// With a daemon that serves these lines of config, on each database.
pub async fn on_both(config: &str, test: impl AsyncFn(&Scene)) {
    println!("on SQLite");
    test(&Scene::sqlite(config).await).await;
    println!("on PostgreSQL");
    test(&Scene::postgres(config).await).await;
}

impl Scene {
    pub async fn sqlite(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("there is room").keep();
        let file = folder.join("events.db");
        let store = EventStore::create_sqlite(&file).await.expect("a store can be made");
        Self::of(&format!("sqlite://{}", file.display()), config, Writer::Sqlite(store)).await
    }

    pub async fn postgres(config: &str) -> Self {
        let database = TestDatabase::create_icu().await;
        database.zitadel().await;
        Self::of(&database.url(), config, Writer::Postgres(database)).await
    }

    async fn of(url: &str, config: &str, writer: Writer) -> Self {
        let mut house = House::new(url);
        house.set("listen = \"\"", "listen = \"127.0.0.1:0\"");
        house.add(config);
        let _ = house.cli(&["migrate"]);
        let admin = token(&house, &["--name", "ada", "--role", "admin"]);
        let daemon = house.start();
        let address = address(&daemon).await;
        let scene = Self { house, daemon, address, admin, writer };
        eventually("the daemon is ready", async || (scene.get("/readyz").await.status == 200).then_some(())).await;
        scene
    }

    /// A token for somebody.
    pub fn token(&self, arguments: &[&str]) -> String {
        token(&self.house, arguments)
    }

    /// Asks with the admin's token.
    pub async fn ask(&self, asked: &str, body: &Value) -> Answer {
        self.ask_as(&self.admin, asked, body).await
    }

    /// Asks with a token.
    pub async fn ask_as(&self, token: &str, asked: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.send(asked, &headers, &body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &Value::Null).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(&format!("POST {path}"), body).await
    }

    /// With these headers only.
    pub async fn send(&self, asked: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        ask(&self.address, asked, headers, body).await.expect("the daemon answers")
    }

    /// One event after the other, each of its own aggregate.
    pub async fn write(&self, instance: &str, event_type: &str, aggregates: &[&str]) -> Vec<EventKey> {
        let mut keys = Vec::new();
        for aggregate in aggregates {
            match &self.writer {
                Writer::Postgres(database) => {
                    let payload = serde_json::json!({ "of": aggregate });
                    let push = Push::to("user", aggregate).on(instance).event_with(event_type, payload);
                    keys.extend(database.push(Stamp::Clock, &push).await.into_iter().map(|written| written.key));
                }
                Writer::Sqlite(store) => {
                    let event = NewEvent {
                        instance_id: instance.into(),
                        aggregate_type: "user".into(),
                        aggregate_id: (*aggregate).into(),
                        event_type: event_type.into(),
                        revision: Some(2),
                        payload: Some(serde_json::json!({ "of": aggregate }).to_string().into()),
                        creator: "creator".to_owned(),
                        owner: "owner".to_owned(),
                    };
                    keys.extend(store.append(&[event]).await.expect("events can be appended"));
                }
            }
        }
        keys
    }

    /// Creates a target at a receiver and an execution for everything that calls it. Returns the target's id.
    pub async fn target(&self, name: &str, receiver: &Receiver) -> String {
        let body = serde_json::json!({
            "settings": { "name": name, "endpoint": receiver.url() },
            "start": "beginning",
            "paused": true,
            "signing_key": crate::proof::daemon::KEY,
        });
        let created = self.post("/api/v1/targets", &body).await.good();
        let set = serde_json::json!({ "condition": "event", "targets": [name] });
        let _ = self.ask("PUT /api/v1/executions", &set).await.good();
        let _ = self.post(&format!("/api/v1/targets/{name}/resume"), &serde_json::json!({})).await.good();
        created["target_id"].as_str().expect("it has an id").to_owned()
    }

    /// Waits until nothing is left for the target's only cursor, as committed.
    pub async fn settled(&self, target: &str) {
        eventually(&format!("{target} has settled everything"), async || {
            let cursors = self.get(&format!("/api/v1/targets/{target}/cursors?count=true")).await;
            let cursors = (cursors.status == 200).then(|| cursors.json())?;
            (cursors[0]["lag_events"] == 0).then_some(())
        })
        .await;
    }

    /// Waits until nothing is left for the target's cursor on an instance.
    pub async fn settled_on(&self, target: &str, instance: &str) {
        eventually(&format!("{target} has settled everything on {instance}"), async || {
            let cursors = self.get(&format!("/api/v1/targets/{target}/cursors?count=true")).await;
            let cursors = (cursors.status == 200).then(|| cursors.json())?;
            let there = cursors.as_array()?.iter().find(|cursor| cursor["instance_id"] == instance)?;
            (there["lag_events"] == 0).then_some(())
        })
        .await;
    }

    /// Waits until the target's only cursor is in a state.
    pub async fn in_state(&self, target: &str, state: &str) -> Value {
        eventually(&format!("{target} is {state}"), async || {
            let cursors = self.get(&format!("/api/v1/targets/{target}/cursors")).await;
            let cursors = (cursors.status == 200).then(|| cursors.json())?;
            (cursors[0]["state"] == state).then(|| cursors[0].clone())
        })
        .await
    }
}

fn token(house: &House, arguments: &[&str]) -> String {
    let made = house.json(&[&["token", "create"], arguments].concat());
    made["token"].as_str().expect("it is shown once").to_owned()
}

/// Where the daemon says that it listens.
pub async fn address(daemon: &Daemon) -> String {
    eventually("the daemon says where it listens", async || {
        let log = daemon.log();
        let line = log.lines().rfind(|line| line.contains("health and metrics are here"))?;
        Some(line.split("address=").nth(1)?.split_whitespace().next()?.to_owned())
    })
    .await
}
