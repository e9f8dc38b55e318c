//! How much, how fast: `just bench`. Figures are printed beside those of an HTTP client alone, which makes the same calls in
//! the same run on the same machine; the ratio of the two says what the daemon costs.

use std::time::{Duration, Instant};

use test_support::{Push, Receiver, Stamp};
use tokio::time::interval;

use super::{
    bench_endpoint::Endpoint,
    bench_scene::{bare, event, house, postgres, sqlite},
    daemon::House,
};

const PATIENCE: Duration = Duration::from_mins(2);

/// What a process has used so far, in user and kernel mode.
fn cpu_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    // Counted behind the name, which may hold anything: the 12th and the 13th field, in hundredths of a second.
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let ticks = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// Delivers a backlog to so many targets, then has the same calls made by an HTTP client alone.
async fn check(store: &str, url: &str, targets: usize, backlog: usize) {
    let endpoint = Endpoint::start();
    let house = house(url, &endpoint, targets);
    let daemon = house.start();
    let delivered = endpoint.per_second(targets * backlog, PATIENCE).await;
    let busy = cpu_time(daemon.pid()) / u32::try_from(targets * backlog).expect("a number of events");
    assert_eq!(daemon.stop().await, 0);
    // One connection is served at two speeds, as the scheduler happens to place its two ends: hence several times.
    let sample = endpoint.sample();
    let mut alone = Vec::new();
    for _ in 0..3 {
        alone.push(bare(&sample, targets, backlog).await);
    }
    alone.sort_by(f64::total_cmp);
    println!(
        "{store}, {targets} targets: {delivered:.0} events delivered a second, {busy:.1?} of processor time each; the HTTP client \
         alone {:.0} ({:.0} to {:.0}); ratio {:.2}",
        alone[1],
        alone[0],
        alone[2],
        delivered / alone[1]
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures: `just bench`"]
async fn bench_a_backlog_in_sqlite() {
    for (targets, backlog) in [(1, 20_000), (64, 600)] {
        let folder = tempfile::tempdir().expect("there is room");
        let (_, url) = sqlite(folder.path(), backlog).await;
        check("SQLite", &url, targets, backlog).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures: `just bench`"]
async fn bench_a_backlog_in_postgres() {
    for (targets, backlog) in [(1, 20_000), (64, 600)] {
        let database = postgres(backlog).await;
        check("PostgreSQL", &database.url(), targets, backlog).await;
    }
}

/// Appends an event every 20 ms, and measures how long each takes from when it is committed until it has arrived.
async fn trickle(what: &str, house: &mut House, mut append: impl AsyncFnMut(usize)) {
    const EVENTS: usize = 250;
    let receiver = Receiver::ok();
    house.target("target", &receiver, "");
    house.execution("{ all = true }", &["target"]);
    let daemon = house.start();
    daemon.says("a courier sets out").await;
    let mut appended = Vec::new();
    let mut pace = interval(Duration::from_millis(20));
    for number in 0..EVENTS {
        pace.tick().await;
        append(number).await;
        appended.push(Instant::now());
    }
    receiver.wait_for(EVENTS + 1).await;
    assert_eq!(daemon.stop().await, 0);
    // The first to arrive was there before the daemon was.
    let arrivals = receiver.arrivals();
    let mut took: Vec<_> = arrivals
        .iter()
        .skip(1)
        .zip(appended)
        .map(|(arrival, append)| arrival.at.saturating_duration_since(append))
        .collect();
    took.sort();
    println!("{what}: from commit to arrival p50 {:.1?}, p99 {:.1?}", took[EVENTS / 2], took[EVENTS * 99 / 100]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures: `just bench`"]
async fn bench_a_live_trickle_from_sqlite() {
    let folder = tempfile::tempdir().expect("there is room");
    let (events, url) = sqlite(folder.path(), 1).await;
    trickle("SQLite", &mut House::new(&url), async |number| {
        events.append(&[event(number + 1)]).await.expect("an event is appended");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures: `just bench`"]
async fn bench_a_live_trickle_from_postgres() {
    for (stamp, horizon) in [(Stamp::Now, "tx_start"), (Stamp::Clock, "clock")] {
        let database = postgres(1).await;
        let mut house = House::new(&database.url());
        house.set("[delivery.egress]", &format!("horizon = \"{horizon}\"\n[delivery.egress]"));
        trickle(&format!("PostgreSQL, {horizon}"), &mut house, async |number| {
            let push = Push::to("user", &number.to_string()).on("312909075211878808").event("user.human.added");
            database.push(stamp, &push).await;
        })
        .await;
    }
}
