//! A whole daemon in this process: store, state and engine in a temporary folder.

use std::time::Duration;

use domain::{Condition, EventKey, EventType, Execution, ExecutionTarget, SigningKey, Source, Target};
use postrider_engine::{Engine, EngineError, Options, Parts};
use store::{DefinitionsChange, EventStore, NewEvent, State, StateOptions, WorkerId, WorkerInfo};
use tempfile::TempDir;
use test_support::Receiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use webhook::{Deliverer, DeliveryOptions};

/// The key that every target signs with.
pub fn key() -> SigningKey {
    SigningKey::from("a key for tests".to_owned())
}

/// A target at a receiver, in strict order.
pub fn target(name: &str, receiver: &Receiver) -> Target {
    let endpoint = receiver.url().parse().expect("a receiver has a URL");
    Target {
        timeout: Duration::from_secs(2),
        signing_keys: vec![key()],
        ..Target::new(format!("id-{name}").into(), name.into(), endpoint)
    }
}

/// See the module's head.
pub struct House {
    _folder: TempDir,
    pub events: EventStore,
    pub state: State,
    pub options: Options,
}

/// An engine that runs.
pub struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), EngineError>>,
}

impl Running {
    /// Stops it as SIGTERM would.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("the engine does not panic").expect("the engine stops as asked");
    }
}

impl House {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let events = EventStore::create_sqlite(&folder.path().join("events.db")).await.expect("a store is made");
        let url = format!("sqlite://{}", folder.path().join("state.db").display());
        let state = State::connect(&StateOptions::new(url)).await.expect("the state opens");
        state.migrate().await.expect("the state has its tables");
        let options = Options {
            retry_failed_after: Duration::from_millis(10),
            poll_interval: Duration::from_millis(10),
            ..Options::default()
        };
        Self { _folder: folder, events, state, options }
    }

    /// A target at a receiver, called for every event of a condition.
    pub async fn target(&self, name: &str, receiver: &Receiver, condition: Condition) {
        self.set(target(name, receiver), condition).await;
    }

    /// A target, called for every event of a condition after those that are called already.
    pub async fn set(&self, target: Target, condition: Condition) {
        let name = target.name.clone();
        let known = self.state.definitions().await.expect("definitions are read").executions;
        let mut targets = known
            .into_iter()
            .find(|execution| execution.condition == condition)
            .map(|execution| execution.targets)
            .unwrap_or_default();
        if !targets.contains(&ExecutionTarget::Target(name.clone())) {
            targets.push(ExecutionTarget::Target(name));
        }
        let execution = Execution { condition, instance: None, targets, exclude: Vec::new(), source: Source::File };
        let change = DefinitionsChange { targets: vec![target], executions: vec![execution], ..Default::default() };
        self.state.apply(&change, "test").await.expect("the target is set");
    }

    /// Many targets, all of them called for every event.
    pub async fn set_all(&self, targets: Vec<Target>) {
        let called = targets.iter().map(|target| ExecutionTarget::Target(target.name.clone())).collect();
        let execution = Execution {
            condition: Condition::All,
            instance: None,
            targets: called,
            exclude: Vec::new(),
            source: Source::File,
        };
        let change = DefinitionsChange { targets, executions: vec![execution], ..Default::default() };
        self.state.apply(&change, "test").await.expect("the targets are set");
    }

    /// Appends events of these types, one aggregate for all.
    pub async fn append(&self, types: &[&str]) -> Vec<EventKey> {
        self.append_to(&types.iter().map(|event_type| ("a", *event_type)).collect::<Vec<_>>()).await
    }

    /// Appends events of these aggregates and types.
    pub async fn append_to(&self, events: &[(&str, &str)]) -> Vec<EventKey> {
        self.append_on("i", events).await
    }

    /// The same, on an instance.
    pub async fn append_on(&self, instance: &str, events: &[(&str, &str)]) -> Vec<EventKey> {
        let events: Vec<_> = events
            .iter()
            .map(|(aggregate, event_type)| NewEvent {
                instance_id: instance.into(),
                aggregate_type: "user".into(),
                aggregate_id: (*aggregate).into(),
                event_type: EventType::from(*event_type),
                revision: Some(2),
                payload: Some("{\"a\":1}".into()),
                creator: "c".into(),
                owner: "o".into(),
            })
            .collect();
        match &self.events {
            EventStore::Sqlite(store) => store.append(&events).await.expect("events are appended"),
            EventStore::Postgres(_) => unreachable!("this house stands on SQLite"),
        }
    }

    pub fn start(&self) -> Running {
        let delivery =
            DeliveryOptions { egress: vec!["127.0.0.1".parse().expect("an address")], ..DeliveryOptions::default() };
        let parts = Parts {
            events: self.events.clone(),
            state: self.state.clone(),
            deliverer: Deliverer::new(&delivery).expect("calls can be made"),
            worker: WorkerId("w".to_owned()),
            info: WorkerInfo { host: "here".into(), pid: 1, version: "0".into() },
        };
        let stop = CancellationToken::new();
        let engine = Engine::new(parts, self.options.clone(), std::sync::Arc::default());
        #[expect(clippy::disallowed_methods, reason = "a test owns its tasks")]
        let task = tokio::spawn(engine.run(stop.clone()));
        Running { stop, task }
    }
}
