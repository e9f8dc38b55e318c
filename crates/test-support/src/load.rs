//! Writers that make life hard for whoever reads along: many at a time, committing out of order, rolling back.
//!
//! A transaction pushes to one to three aggregates, pausing for a random time after each, so that positions are taken
//! in one order and become visible in another. Which writer does what follows from the seed; how the writers
//! interleave does not.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::{task::JoinSet, time::sleep};

use crate::{CUSTOM_TABLE, EVENT_TYPES, Push, Stamp, TestDatabase, Written};

/// The environment variable that repeats the random choices of a failed test.
pub const SEED: &str = "POSTRIDER_TEST_SEED";

/// How long a writer goes on trying to reach a server that is away.
const AWAY: Duration = Duration::from_mins(1);

/// Where the writers write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Into `eventstore.events2`, see [`TestDatabase::zitadel`].
    Zitadel(Stamp),
    /// Into [`CUSTOM_TABLE`], see [`TestDatabase::custom`].
    Custom,
}

/// What the writers do. Shares are of transactions, from 0 to 1.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where.
    pub shape: Shape,
    /// How many at a time.
    pub writers: usize,
    /// They stop once at least this many events are committed.
    pub events: usize,
    /// At most this many events a second, of all writers together.
    pub per_second: Option<u32>,
    /// On which instances.
    pub instances: Vec<String>,
    /// The longest pause within a transaction; one in twenty is ten times as long.
    pub pause: Duration,
    /// How many are rolled back.
    pub rollbacks: f64,
    /// How many push within a savepoint; every second of those is rolled back to it.
    pub savepoints: f64,
    /// How many are prepared first, and committed or rolled back after one more pause.
    pub two_phase: f64,
    /// What the random choices begin with.
    pub seed: u64,
}

impl Load {
    /// 8 writers, 2,000 events of one instance, pauses up to 5 ms, a tenth rolled back, a tenth with savepoints.
    ///
    /// The seed is random, or that of [`SEED`].
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        let seed = env::var(SEED).map(|text| text.parse().unwrap_or_else(|_| panic!("{SEED}={text} is no number")));
        Self {
            shape,
            writers: 8,
            events: 2_000,
            per_second: None,
            instances: vec!["i1".to_owned()],
            pause: Duration::from_millis(5),
            rollbacks: 0.1,
            savepoints: 0.1,
            two_phase: 0.0,
            seed: seed.unwrap_or_else(|_| rand::random()),
        }
    }

    /// Writes, and returns everything that is in the table afterwards, in the order of the key.
    ///
    /// A server that goes away meanwhile is waited for, for a minute.
    pub async fn run(&self, database: &TestDatabase) -> Vec<Written> {
        eprintln!("writers begin with {SEED}={}", self.seed);
        let load = Arc::new(self.clone());
        let committed = Arc::new(AtomicUsize::new(0));
        let started = Instant::now();
        let mut writers = JoinSet::new();
        for number in 0..self.writers {
            let writer = Writer {
                number,
                load: Arc::clone(&load),
                committed: Arc::clone(&committed),
                started,
                url: database.url(),
                rng: StdRng::seed_from_u64(self.seed.wrapping_add(number as u64)),
                transactions: 0,
            };
            writers.spawn(writer.run());
        }
        while let Some(done) = writers.join_next().await {
            done.expect("a writer ends without panic");
        }
        match self.shape {
            Shape::Zitadel(_) => database.zitadel_events().await,
            Shape::Custom => database.custom_events().await,
        }
    }
}

struct Writer {
    number: usize,
    load: Arc<Load>,
    committed: Arc<AtomicUsize>,
    started: Instant,
    url: String,
    rng: StdRng,
    transactions: u64,
}

impl Writer {
    async fn run(mut self) {
        let mut connection = self.connect().await;
        while self.committed.load(Ordering::Relaxed) < self.load.events {
            self.keep_pace().await;
            match self.transaction(&mut connection).await {
                Ok(events) => {
                    self.committed.fetch_add(events, Ordering::Relaxed);
                }
                Err(error) if is_conflict(&error) => {
                    let rolled_back = execute(&mut connection, "ROLLBACK").await;
                    if rolled_back.is_err() {
                        connection = self.connect().await;
                    }
                }
                Err(error) if is_away(&error) => connection = self.connect().await,
                Err(error) => panic!("writer {} failed: {error}", self.number),
            }
        }
    }

    /// The number of events that were committed.
    async fn transaction(&mut self, connection: &mut PgConnection) -> Result<usize, sqlx::Error> {
        self.transactions += 1;
        let commit = !self.rng.random_bool(self.load.rollbacks);
        let two_phase = self.rng.random_bool(self.load.two_phase);
        let savepoint = self.rng.random_bool(self.load.savepoints);

        execute(connection, "BEGIN").await?;
        let mut events = 0;
        for _ in 0..self.rng.random_range(1..=3) {
            events += self.push(connection).await?;
            self.pause().await;
        }
        if savepoint {
            execute(connection, "SAVEPOINT here").await?;
            let more = self.push(connection).await?;
            self.pause().await;
            if self.rng.random_bool(0.5) {
                execute(connection, "ROLLBACK TO SAVEPOINT here").await?;
            } else {
                events += more;
            }
        }
        let committed = if two_phase {
            self.two_phase(connection, commit).await?
        } else {
            execute(connection, if commit { "COMMIT" } else { "ROLLBACK" }).await?;
            commit
        };
        Ok(if committed { events } else { 0 })
    }

    async fn push(&mut self, connection: &mut PgConnection) -> Result<usize, sqlx::Error> {
        let push = self.random_push();
        match self.load.shape {
            Shape::Zitadel(stamp) => push.run(stamp, connection).await.map(|written| written.len()),
            Shape::Custom => insert(&push, connection).await,
        }
    }

    /// One to four events; now and then to an aggregate that other writers push to as well.
    fn random_push(&mut self) -> Push {
        let rng = &mut self.rng;
        let (aggregate_type, _) = EVENT_TYPES.choose(rng).expect("there are event types");
        let of_it: Vec<_> = EVENT_TYPES.iter().filter(|(of, _)| of == aggregate_type).collect();
        let owner = if rng.random_bool(0.05) { "shared".to_owned() } else { self.number.to_string() };
        let mut push = Push::to(aggregate_type, &format!("{owner}-{}", rng.random_range(0..20))).on(self
            .load
            .instances
            .choose(rng)
            .expect("a load has an instance at least"));
        for number in 0..rng.random_range(1..=4) {
            let (_, event_type) = of_it.choose(rng).expect("the chosen one is there");
            push = if rng.random_bool(0.2) {
                push.event(event_type)
            } else {
                push.event_with(event_type, json!({ "writer": self.number, "number": number }))
            };
        }
        push
    }

    async fn pause(&mut self) {
        let longest = if self.rng.random_bool(0.05) { self.load.pause * 10 } else { self.load.pause };
        let pause = longest.mul_f64(self.rng.random());
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }

    /// Prepares, pauses, and decides. What was prepared is decided even if the connection is lost between.
    async fn two_phase(&mut self, connection: &mut PgConnection, commit: bool) -> Result<bool, sqlx::Error> {
        let id = format!("writer_{}_{}_{:x}", self.number, self.transactions, self.rng.random::<u64>());
        let prepared = execute(connection, &format!("PREPARE TRANSACTION '{id}'")).await;
        let commit = match &prepared {
            Ok(()) => commit,
            // Perhaps it was prepared, and would hold its locks for ever.
            Err(error) if is_away(error) => false,
            Err(_) => return prepared.map(|()| false),
        };
        self.pause().await;
        let decision = format!("{} PREPARED '{id}'", if commit { "COMMIT" } else { "ROLLBACK" });
        let mut decided = match prepared {
            Ok(()) => execute(connection, &decision).await,
            lost => lost,
        };
        while decided.as_ref().is_err_and(is_away) {
            decided = execute(&mut self.connect().await, &decision).await;
            // It was decided before the connection was lost, or never prepared.
            if decided.as_ref().is_err_and(|error| code(error).as_deref() == Some("42704")) {
                decided = Ok(());
            }
        }
        decided.map(|()| commit)
    }

    async fn keep_pace(&self) {
        let Some(per_second) = self.load.per_second else { return };
        loop {
            let due = self.started.elapsed().as_secs_f64() * f64::from(per_second);
            let done = u32::try_from(self.committed.load(Ordering::Relaxed)).map_or(f64::MAX, f64::from);
            if done <= due {
                return;
            }
            sleep(Duration::from_secs_f64(((done - due) / f64::from(per_second)).clamp(0.001, 1.0))).await;
        }
    }

    async fn connect(&self) -> PgConnection {
        let url = format!("{}?application_name=writer%20{}", self.url, self.number);
        let started = Instant::now();
        loop {
            match PgConnection::connect(&url).await {
                Ok(connection) => return connection,
                Err(error) if started.elapsed() > AWAY => panic!("writer {} cannot connect: {error}", self.number),
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

async fn execute(connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.map(drop)
}

async fn insert(push: &Push, connection: &mut PgConnection) -> Result<usize, sqlx::Error> {
    let sql = format!(
        "INSERT INTO {CUSTOM_TABLE} (stream_type, stream_id, name, version, data)
         SELECT $1, $2, $3, COALESCE(MAX(version), 0) + 1, $4::jsonb FROM {CUSTOM_TABLE} WHERE stream_id = $2"
    );
    for (event_type, payload) in &push.events {
        sqlx::query(AssertSqlSafe(sql.clone()))
            .bind(&push.aggregate_type)
            .bind(&push.aggregate_id)
            .bind(event_type)
            .bind(payload.as_ref().map(ToString::to_string))
            .execute(&mut *connection)
            .await?;
    }
    Ok(push.events.len())
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(Into::into)
}

/// Another writer was faster, or each waited for the other: what ZITADEL, too, answers with another attempt.
fn is_conflict(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("23505" | "40001" | "40P01"))
}

/// The server stops, starts, or is gone.
fn is_away(error: &sqlx::Error) -> bool {
    match code(error) {
        Some(code) => code.starts_with("57P") || code.starts_with("08"),
        None => true,
    }
}
