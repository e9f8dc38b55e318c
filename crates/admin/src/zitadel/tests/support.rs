//! The admin interface over loopback, with a token for everybody who calls.

use std::{collections::HashMap, future::pending, net::SocketAddr, sync::Arc, time::Duration};

use engine::Status;
use operate::{Files, Operator};
use serde_json::Value;
use store::{EventStore, EventStoreOptions, NewToken, State, StateOptions, Table};
use tempfile::TempDir;
use test_support::{Answer, TestDatabase, ask};
use tokio::{sync::Mutex, task::JoinSet};
use webhook::{Deliverer, DeliveryOptions};

use crate::{Admin, AdminOptions};

/// What a test's databases live in.
#[expect(dead_code, reason = "it is kept for as long as the test takes")]
enum Keeper {
    Postgres(TestDatabase),
    Sqlite(TempDir),
}

/// The API, served.
pub(super) struct Api {
    pub(super) state: State,
    address: SocketAddr,
    tokens: Mutex<HashMap<String, String>>,
    _server: JoinSet<()>,
    _keeper: Option<Keeper>,
}

impl Api {
    /// Of a state and an event store that are there.
    pub(super) async fn serve(state: State, events: EventStore) -> Self {
        Self::of(state, events, None).await
    }

    async fn of(state: State, events: EventStore, keeper: Option<Keeper>) -> Self {
        let files =
            Files { origin: "postrider.toml".to_owned(), targets: ["from-file".into()].into(), executions: Vec::new() };
        let operator = Operator {
            state: state.clone(),
            events,
            deliverer: Deliverer::new(&DeliveryOptions::default()).expect("there can be a client"),
            files: Arc::new(files),
            default_timeout: Duration::from_secs(10),
            default_max_in_flight: 16,
            max_event_age: None,
        };
        let here = AdminOptions { listen: ([127, 0, 0, 1], 0).into(), tls: None, open_metrics: false };
        let admin = Admin::bind(&here, Arc::new(Status::default())).await.expect("there is a port");
        let address = admin.address().expect("a listener has an address");
        admin.opening().open(operator);
        let mut server = JoinSet::new();
        server.spawn(async move { admin.serve(pending()).await.expect("it serves until the test is over") });
        Self { state, address, tokens: Mutex::default(), _server: server, _keeper: keeper }
    }

    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let state = connect(&format!("sqlite://{}/state.db", folder.path().display())).await;
        let events = EventStore::create_sqlite(&folder.path().join("events.db")).await.expect("a store can be made");
        Self::of(state, events, Some(Keeper::Sqlite(folder))).await
    }

    async fn postgres() -> Self {
        let database = TestDatabase::create_icu().await;
        database.zitadel().await;
        let events = events_of(&database.url()).await;
        let state = connect(&database.url()).await;
        Self::of(state, events, Some(Keeper::Postgres(database))).await
    }

    /// As an admin to whom everything belongs.
    pub(super) async fn ask(&self, asked: &str, body: &Value) -> Answer {
        self.ask_as("admin", asked, body).await
    }

    /// As somebody: `viewer`, or `admin@one` who is bound to an instance. `asked` is a method and a path.
    pub(super) async fn ask_as(&self, caller: &str, asked: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(asked, Some(caller), &[("content-type", "application/json")], &body).await
    }

    /// With these headers only.
    pub(super) async fn send(&self, asked: &str, caller: Option<&str>, headers: &[(&str, &str)], body: &str) -> Answer {
        let bearer = match caller {
            Some(caller) => Some(format!("Bearer {}", self.token(caller).await)),
            None => None,
        };
        let mut all = headers.to_vec();
        all.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        ask(&self.address.to_string(), asked, &all, body).await.expect("the server answers")
    }

    /// The token of somebody: `viewer`, or `admin@one` who is bound to an instance.
    async fn token(&self, caller: &str) -> String {
        let mut tokens = self.tokens.lock().await;
        if let Some(known) = tokens.get(caller) {
            return known.clone();
        }
        let (role, instance) = caller.split_once('@').map_or((caller, None), |(role, of)| (role, Some(of.into())));
        let role = role.parse().expect("it is a role");
        let new = NewToken { name: caller.to_owned(), role, instance, expires_at: None };
        let (_, text) = self.state.create_token(&new, "test").await.expect("tokens can be made");
        let text = text.expose().to_owned();
        tokens.insert(caller.to_owned(), text.clone());
        text
    }

    /// Creates a webhook of this name, and returns its id.
    pub(super) async fn target(&self, caller: &str, name: &str) -> String {
        let body = serde_json::json!({ "name": name, "restWebhook": {}, "endpoint": "https://hooks.example.com/" });
        let created = self.ask_as(caller, "POST /v2/actions/targets", &body).await.good();
        created["id"].as_str().expect("it has an id").to_owned()
    }
}

/// ZITADEL's table.
pub(super) async fn events_of(url: &str) -> EventStore {
    let options =
        EventStoreOptions { url: url.to_owned(), table: Table::Zitadel, horizon: None, ignore_roles: Vec::new() };
    EventStore::connect(&options).await.expect("the test's database takes connections")
}

/// A migrated state.
pub(super) async fn connect(url: &str) -> State {
    let state = State::connect(&StateOptions::new(url)).await.expect("the test's database takes connections");
    state.migrate().await.expect("an empty database can be migrated");
    state
}

/// Runs a test on both databases.
pub(super) async fn on_both(test: impl AsyncFn(&Api)) {
    println!("on SQLite");
    test(&Api::sqlite().await).await;
    println!("on PostgreSQL");
    test(&Api::postgres().await).await;
}

/// What an error says, whichever protocol it came over: the code, and the sentence.
#[track_caller]
pub(super) fn refused(answer: &Answer, status: u16, code: impl Into<Value>, sentence: &str) {
    let told = answer.json();
    assert_eq!((answer.status, &told["code"], &told["message"]), (status, &code.into(), &Value::from(sentence)));
}
