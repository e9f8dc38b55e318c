//! Every test of the state runs on both databases, through [`on_both`].

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use domain::{
    Cursor, CursorState, Definitions, EventKey, Execution, ExecutionTarget, FailedEvent, FailedStatus, InstanceId,
    Limits, PayloadEncoding, Position, Settlement, Source, Target, TargetId, Timestamp,
};
use postrider_store::{DefinitionsChange, MasterKeys, Session, State, StateOptions, Worker, WorkerId, WorkerInfo};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};
use test_support::TestDatabase;

enum Keeper {
    Postgres(TestDatabase),
    Sqlite { _folder: tempfile::TempDir },
}

/// A state of the test's own, not migrated.
pub struct Fixture {
    pub state: State,
    pub url: String,
    keeper: Keeper,
}

impl Fixture {
    async fn postgres() -> Self {
        let database = TestDatabase::create_icu().await;
        Self::new(database.url(), Keeper::Postgres(database)).await
    }

    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let url = format!("sqlite://{}/state.db", folder.path().display());
        Self::new(url, Keeper::Sqlite { _folder: folder }).await
    }

    async fn new(url: String, keeper: Keeper) -> Self {
        Self { state: connect(&url).await, url, keeper }
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.keeper, Keeper::Postgres(_))
    }

    /// The database, where the state is in PostgreSQL.
    pub fn postgres_database(&self) -> Option<&TestDatabase> {
        match &self.keeper {
            Keeper::Postgres(database) => Some(database),
            Keeper::Sqlite { .. } => None,
        }
    }

    /// Runs SQL behind the state's back.
    pub async fn execute(&self, sql: &str) {
        match &self.keeper {
            Keeper::Postgres(database) => database.execute(&format!("SET search_path TO postrider; {sql}")).await,
            Keeper::Sqlite { .. } => {
                let mut conn = SqliteConnection::connect(&self.url).await.expect("the state's file is there");
                sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.expect("the test's SQL is right");
            }
        }
    }

    /// A number behind the state's back; tables are found in the schema of the state.
    pub async fn number(&self, sql: &str) -> i64 {
        match &self.keeper {
            Keeper::Postgres(database) => {
                let mut conn = database.pool().acquire().await.expect("the server takes connections");
                sqlx::raw_sql("SET search_path TO postrider").execute(&mut *conn).await.expect("the schema is there");
                let row = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_one(&mut *conn).await;
                row.expect("the test's SQL is right").get(0)
            }
            Keeper::Sqlite { .. } => {
                let mut conn = SqliteConnection::connect(&self.url).await.expect("the state's file is there");
                let row = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_one(&mut conn).await;
                row.expect("the test's SQL is right").get(0)
            }
        }
    }

    /// Defines targets of these names, each with id `<name>-id` and an execution for everything.
    pub async fn define(&self, names: &[&str]) {
        let change = DefinitionsChange {
            targets: names.iter().map(|name| target(name)).collect(),
            executions: vec![execution("event", None, names)],
            ..DefinitionsChange::default()
        };
        self.state.apply(&change, "test").await.expect("the definitions are valid");
    }

    /// A cursor of a target that was defined.
    pub async fn cursor(&self, name: &str, instance: &str) -> Cursor {
        let (target, instance) = (id(name), InstanceId::from(instance));
        let wanted = [(target.clone(), instance.clone(), EventKey::before(Position::from_integer(100)))];
        self.state.ensure_cursors(&wanted).await.expect("cursors can be made");
        self.state.cursor(&target, &instance).await.expect("cursors can be read").expect("it was just made")
    }

    /// A worker of this name joins.
    pub async fn join(&self, worker: &str) -> Session {
        join(&self.state, worker).await
    }

    /// A worker of this name joins and leases these targets.
    pub async fn lease(&self, worker: &str, targets: &[&str]) -> Session {
        let session = self.join(worker).await;
        let wanted: Vec<TargetId> = targets.iter().map(|name| id(name)).collect();
        let taken = self.state.take(&session, &wanted).await.expect("targets can be leased");
        assert_eq!(taken.len(), wanted.len(), "somebody else has them");
        session
    }

    /// A worker as the state has it.
    pub async fn worker(&self, name: &str) -> Worker {
        let workers = self.state.workers().await.expect("workers can be read");
        workers.into_iter().find(|worker| worker.id.0 == name).expect("it has joined")
    }

    /// Lets the lease of a worker run out.
    pub async fn expire(&self, worker: &str) {
        self.execute(&format!("UPDATE workers SET expires_at = 1 WHERE id = '{worker}'")).await;
    }

    /// Lets the lease of a worker run out, and has it buried.
    pub async fn bury(&self, worker: &str) {
        self.expire(worker).await;
        let dead = self.worker(worker).await;
        assert!(self.state.bury(&dead).await.expect("workers can be buried"), "its lease has run out");
    }

    pub async fn definitions(&self) -> Definitions {
        self.state.definitions().await.expect("definitions can be read")
    }
}

/// The same state, with these master keys.
pub async fn connect_with(url: &str, masters: MasterKeys) -> State {
    let options = StateOptions { url: url.to_owned(), masters };
    State::connect(&options).await.expect("the test's database takes connections")
}

pub async fn connect(url: &str) -> State {
    State::connect(&StateOptions::new(url)).await.expect("the test's database takes connections")
}

pub async fn join(state: &State, worker: &str) -> Session {
    let info = WorkerInfo { host: "here".to_owned(), pid: 1, version: "0.1.0".to_owned() };
    state.join(&WorkerId(worker.to_owned()), Duration::from_mins(1), &info).await.expect("workers can be joined")
}

/// Runs a test on both databases, migrated.
pub async fn on_both(test: impl AsyncFn(&Fixture)) {
    on_both_empty(async |fixture: &Fixture| {
        fixture.state.migrate().await.expect("an empty database can be migrated");
        test(fixture).await;
    })
    .await;
}

/// Runs a test on both databases as they are before anything was done.
pub async fn on_both_empty(test: impl AsyncFn(&Fixture)) {
    println!("on SQLite");
    test(&Fixture::sqlite().await).await;
    println!("on PostgreSQL");
    test(&Fixture::postgres().await).await;
}

pub fn id(name: &str) -> TargetId {
    format!("{name}-id").into()
}

pub fn target(name: &str) -> Target {
    let endpoint = "https://crm.example.com/zitadel?token=t0ken".parse().expect("it is a URL");
    Target {
        timeout: Duration::from_millis(10_500),
        interrupt_on_error: true,
        signing_keys: vec!["first key".into(), "second key".into()],
        max_in_flight: 8,
        limits: Limits {
            rate: Some("90/m".parse().expect("it is a rate")),
            burst: NonZeroU32::new(3),
            max_request: Some(256 * 1024),
            max_answer: Some(u64::from(u32::MAX) + 1),
        },
        headers: BTreeMap::from([("X-Tenant".to_owned(), "acme \"quoted\"".to_owned())]),
        exclude: vec!["user.human.password.*".parse().expect("it is a pattern")],
        payload_encoding: PayloadEncoding::Json,
        ..Target::new(id(name), name.into(), endpoint)
    }
}

pub fn execution(condition: &str, instance: Option<&str>, targets: &[&str]) -> Execution {
    Execution {
        condition: condition.parse().expect("it is a condition"),
        instance: instance.map(Into::into),
        targets: targets.iter().map(|name| ExecutionTarget::Target((*name).into())).collect(),
        exclude: vec!["session.*".parse().expect("it is a pattern")],
        source: Source::Api,
    }
}

/// The key of an event at a whole position.
pub fn key(position: i64) -> EventKey {
    EventKey {
        position: Position::from_integer(position),
        in_tx_order: 1,
        instance_id: "one".into(),
        aggregate_type: "user".into(),
        aggregate_id: format!("u{position}").as_str().into(),
        sequence: position,
    }
}

pub fn failed(position: i64, status: FailedStatus, count: u32) -> FailedEvent {
    FailedEvent {
        key: key(position),
        event_type: "user.human.added".into(),
        failure_count: count,
        status,
        error: format!("answered 500, {count} times"),
        first_failed: at(i64::from(count)),
        last_failed: at(i64::from(count) + 1),
    }
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_743_070_963 + seconds).expect("it is a time of this century")
}

pub fn settlement(position: i64) -> Settlement {
    Settlement {
        key: key(position),
        event_date: Some(at(position)),
        delivered: Some((Position::from_integer(position), 1)),
        parked_in_a_row: 2,
        state: CursorState::Live,
        reason: Some("a\0reason".to_owned()),
        failed: Vec::new(),
        ahead: None,
        denied: Vec::new(),
    }
}
