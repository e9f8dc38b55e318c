//! From commit to arrival, at 50 events a second.
//!
//! The clock starts when the writer has been told that its event is committed, and stops when the endpoint has read the call;
//! both read the machine's one monotonic clock. Events are written one after the other, so they arrive in the order in which
//! they were written.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use test_support::{Push, Stamp};
use tokio::time::interval;

use super::{Bench, tell};
use crate::{
    house::House,
    numbers::{monotonic, nanos, percentile},
    receiver::Receiver,
    report::Figure,
    server::{INSTANCE, PAYLOAD, Store},
};

const PACE: Duration = Duration::from_millis(20);
/// Delivered before anything is measured: the daemon is there, and has a connection.
const WARMING: usize = 10;

/// How the daemon learns of an event, and where its horizon lies.
#[derive(Clone, Copy)]
struct Way {
    notified: bool,
    horizon: &'static str,
    stamp: Stamp,
    /// For p50 and p99, in milliseconds.
    bars: Option<(f64, f64)>,
}

const WAYS: [Way; 4] = [
    Way { notified: false, horizon: "clock", stamp: Stamp::Clock, bars: Some((60.0, 150.0)) },
    Way { notified: false, horizon: "tx_start", stamp: Stamp::Now, bars: None },
    Way { notified: true, horizon: "clock", stamp: Stamp::Clock, bars: Some((5.0, 15.0)) },
    Way { notified: true, horizon: "tx_start", stamp: Stamp::Now, bars: None },
];

impl Way {
    fn name(self) -> String {
        format!("{}, {}", if self.notified { "notified" } else { "polling" }, self.horizon)
    }
}

/// p50 and p99 of a way, round by round, in milliseconds.
#[derive(Default, Clone)]
struct Delays {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

/// All ways, in turn.
pub async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let events = bench.options.size(500, 50);
    let can_notify = can_notify(&bench.house_at("postgres://nobody@localhost/none", "")?)?;
    let ways: Vec<Way> = WAYS.into_iter().filter(|way| can_notify || !way.notified).collect();
    let mut delays = vec![Delays::default(); ways.len()];
    for round in bench.options.rounds() {
        for (way, delays) in ways.iter().zip(&mut delays) {
            tell("latency", round, &way.name());
            let store = bench.server.store().await;
            let mut took = one(bench, &store, *way, events).await?;
            bench.server.remove(store).await;
            let mut milliseconds = |hundredths| percentile(&mut took, hundredths).map(|time| time.as_secs_f64() * 1e3);
            delays.p50.extend(milliseconds(50));
            delays.p99.extend(milliseconds(99));
        }
    }
    let mut figures = Vec::new();
    for (way, delays) in ways.iter().zip(&delays) {
        let figure =
            |what, samples: &Vec<f64>| Figure::new("latency", format!("{}, {what}", way.name()), "ms", samples.clone());
        let (p50, p99) = (figure("p50", &delays.p50), figure("p99", &delays.p99));
        figures.extend(match way.bars {
            Some((bar50, bar99)) => [p50.at_most(bar50), p99.at_most(bar99)],
            None => [p50, p99],
        });
    }
    for pair in delays.chunks(2).zip(ways.chunks(2)) {
        let ([clock, tx_start], [way, _]) = pair else { continue };
        let what =
            if way.notified { "notified, p50: tx_start less clock" } else { "polling, p50: tx_start less clock" };
        figures.push(Figure::difference("latency", what, "ms", &tx_start.p50, &clock.p50).at_most(300.0));
    }
    if !can_notify {
        figures.push(Figure::absent("latency", "notified", "not there"));
    }
    Ok(figures)
}

/// Whether this daemon can add a trigger that notifies it.
fn can_notify(house: &House) -> Result<bool> {
    let help = house.command(&["migrate", "--help"])?;
    Ok(String::from_utf8_lossy(&help.stdout).contains("--notify-trigger"))
}

/// How long each event took.
async fn one(bench: &Bench, store: &Store, way: Way, events: usize) -> Result<Vec<Duration>> {
    let mut receiver = Receiver::start_with_times().await?;
    let mut house = bench.house_at(&store.database.url(), &format!("horizon = \"{}\"", way.horizon))?;
    house.target("target", &receiver.url(0), "");
    house.execution("{ all = true }", &["target".to_owned()]);
    if way.notified {
        let added = house.command(&["migrate", "--notify-trigger"])?;
        ensure!(added.status.success(), "no trigger: {}", String::from_utf8_lossy(&added.stderr));
    }
    let payload: Value = serde_json::from_str(PAYLOAD).context("the payload is JSON")?;
    let write = async |number: usize| {
        let id = format!("3129090752{number:08}");
        let push = Push::to("user", &id).on(INSTANCE).event_with("user.human.added", payload.clone());
        store.database.push(way.stamp, &push).await;
        Ok(())
    };
    trickle(&house, &mut receiver, events, write).await
}

/// Writes events at a steady pace, and says how long each took to this receiver, which keeps times; in their order.
pub async fn trickle(
    house: &House,
    receiver: &mut Receiver,
    events: usize,
    write: impl AsyncFn(usize) -> Result<()>,
) -> Result<Vec<Duration>> {
    let mut daemon = house.start()?;
    for number in 0..WARMING {
        write(number).await?;
    }
    receiver.until(WARMING as u64, || daemon.alive()).await?;
    let mut committed = Vec::with_capacity(events);
    let mut pace = interval(PACE);
    for number in 0..events {
        pace.tick().await;
        write(WARMING + number).await?;
        committed.push(nanos(monotonic()));
    }
    let all = WARMING + events;
    receiver.until(all as u64, || daemon.alive()).await?;
    tokio::task::block_in_place(|| daemon.stop())?;
    receiver.check(&[all as u64]).await?;
    let arrived = receiver.times().await?;
    // An event may arrive before its writer hears that it is committed.
    let took = arrived.iter().skip(WARMING).zip(committed);
    Ok(took.map(|(arrived, committed)| Duration::from_nanos(arrived.saturating_sub(committed))).collect())
}
