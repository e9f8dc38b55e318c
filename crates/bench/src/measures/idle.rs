//! What a thousand idle targets cost, against one: statements, processor time, and what is written ahead.
//!
//! Each target is called for a type of its own. An event is written every second: one that concerns the first target, or one that
//! concerns nobody. What the writer's own events cost is measured without a daemon.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use test_support::{Push, Stamp};
use tokio::time::{interval, sleep};

use super::{Bench, tell};
use crate::{
    cpu,
    house::Daemon,
    receiver::Receiver,
    report::Figure,
    server::{INSTANCE, Store},
    statements::Role,
};

/// Of the first target, and of nobody.
const MATCHED: &str = "load.t0";
const UNMATCHED: &str = "load.none";

/// How long all couriers may take to set out, and how long what they do at first is left to itself.
const PATIENCE: Duration = Duration::from_mins(1);
const CALM: Duration = Duration::from_secs(5);

/// What happened while it was looked at.
struct Seen {
    statements_per_second: f64,
    /// Of one core, in hundredths.
    processor: f64,
    /// Written ahead, in MB an hour.
    wal: f64,
}

#[derive(Default)]
struct Column {
    statements: Vec<f64>,
    processor: Vec<f64>,
    wal: Vec<f64>,
}

impl Column {
    fn push(&mut self, seen: &Seen) {
        self.statements.push(seen.statements_per_second);
        self.processor.push(seen.processor);
        self.wal.push(seen.wal);
    }
}

/// One target, many, many with events that concern nobody, and the writer alone, in turn.
pub async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let targets = bench.options.size(1_000, 20);
    let seconds = bench.options.size(30, 2);
    // Cursors that only pass are written every 30 s: whole numbers of that.
    let longer = bench.options.size(60, 2);
    let [mut one, mut many, mut passing, mut alone] = [(); 4].map(|()| Column::default());
    for round in bench.options.rounds() {
        tell("idle", round, "one target");
        one.push(&with_daemon(bench, 1, seconds, MATCHED).await?);
        tell("idle", round, "many targets");
        many.push(&with_daemon(bench, targets, seconds, MATCHED).await?);
        tell("idle", round, "many targets, none of them concerned");
        passing.push(&with_daemon(bench, targets, longer, UNMATCHED).await?);
        tell("idle", round, "no daemon");
        let mut store = bench.server.store().await;
        store.append(1, "'load.first'").await;
        let role = Role::create(&mut store).await;
        alone.push(&look(&store, &role, None, seconds, UNMATCHED).await?);
        bench.server.remove(store).await;
    }
    let figure = |what: String, unit, samples: &[f64]| Figure::new("idle", what, unit, samples.to_vec());
    Ok(vec![
        figure("statements, 1 target".into(), "/s", &one.statements),
        figure(format!("statements, {targets} targets"), "/s", &many.statements),
        Figure::difference("idle", "statements more", "/s", &many.statements, &one.statements).at_most(30.0),
        figure("processor time, 1 target".into(), "% of a core", &one.processor),
        figure(format!("processor time, {targets} targets"), "% of a core", &many.processor).at_most(3.0),
        figure(format!("processor time, {targets} targets, none concerned"), "% of a core", &passing.processor),
        figure("written ahead for the writer's events".into(), "MB/h", &alone.wal),
        figure(format!("written ahead, {targets} targets, none concerned"), "MB/h", &passing.wal),
        Figure::difference("idle", "written ahead by the daemon", "MB/h", &passing.wal, &alone.wal).at_most(50.0),
    ])
}

async fn with_daemon(bench: &Bench, targets: usize, seconds: usize, event_type: &str) -> Result<Seen> {
    let mut store = bench.server.store().await;
    // An instance has couriers once it has an event.
    store.append(1, "'load.first'").await;
    let role = Role::create(&mut store).await;
    let mut receiver = Receiver::start().await?;
    let mut house = bench.house_at(role.url(), "")?;
    for number in 0..targets {
        let name = format!("target{number}");
        house.target(&name, &receiver.url(number), "start = \"now\"");
        house.execution(&format!("{{ event = \"load.t{number}\" }}"), &[name]);
    }
    let mut daemon = house.start()?;
    let began = Instant::now();
    while daemon.has_said("a courier sets out") < targets {
        daemon.alive()?;
        ensure!(began.elapsed() < PATIENCE, "not all couriers set out within {PATIENCE:?}");
        sleep(Duration::from_millis(100)).await;
    }
    sleep(CALM).await;
    let seen = look(&store, &role, Some(&daemon), seconds, event_type).await?;
    let expected = if event_type == MATCHED { seconds as u64 } else { 0 };
    receiver.until(expected, || daemon.alive()).await?;
    tokio::task::block_in_place(|| daemon.stop())?;
    receiver.check(&[expected]).await?;
    bench.server.remove(store).await;
    Ok(seen)
}

/// Writes an event every second, for so many seconds.
async fn look(store: &Store, role: &Role, daemon: Option<&Daemon>, seconds: usize, event_type: &str) -> Result<Seen> {
    const WAL: &str = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')";
    let used = || daemon.map_or(Ok(Duration::ZERO), |daemon| cpu::of(daemon.pid()));
    let mut pace = interval(Duration::from_secs(1));
    pace.tick().await;
    let began = Instant::now();
    let before = (role.statements(store).await?, used()?, store.number(WAL).await?);
    for number in 0..seconds {
        let push = Push::to("load", &format!("live-{number}")).on(INSTANCE).event(event_type);
        store.database.push(Stamp::Now, &push).await;
        pace.tick().await;
    }
    let took = began.elapsed().as_secs_f64();
    let after = (role.statements(store).await?, used()?, store.number(WAL).await?);
    Ok(Seen {
        statements_per_second: (after.0 - before.0) / took,
        processor: after.1.saturating_sub(before.1).as_secs_f64() / took * 100.0,
        wal: (after.2 - before.2) / took * 3_600.0 / 1e6,
    })
}
