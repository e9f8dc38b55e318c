//! The same with SQLite: backlogs against the bare client, and a trickle. Nothing must hold of them.

use std::path::Path;

use anyhow::{Context as _, Result};
use store::{EventStore, NewEvent};

use super::{Bench, latency, tell};
use crate::{
    caller::bare,
    cli::Client,
    deliver::deliver,
    numbers::percentile,
    receiver::Receiver,
    report::Figure,
    server::{INSTANCE, PAYLOAD},
};

/// How many events are appended at a time.
const CHUNK: usize = 1_000;

/// One target, many, and the trickle.
pub async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let mut figures = backlog(bench, 1, bench.options.size(20_000, 500)).await?;
    figures.extend(backlog(bench, 64, bench.options.size(600, 20)).await?);
    figures.extend(trickle(bench).await?);
    Ok(figures)
}

async fn backlog(bench: &Bench, targets: usize, events: usize) -> Result<Vec<Figure>> {
    let (mut delivered, mut alone) = (Vec::new(), Vec::new());
    for round in bench.options.rounds() {
        tell("sqlite", round, &format!("{targets} targets"));
        let folder = tempfile::tempdir().context("there is room for a folder")?;
        let (store, url) = create(folder.path()).await?;
        append(&store, 0, events).await?;
        drop(store);
        let mut receiver = Receiver::start().await?;
        let mut house = bench.house_at(&url, "")?;
        let names: Vec<_> = (0..targets).map(|number| format!("target{number}")).collect();
        for (number, name) in names.iter().enumerate() {
            house.target(name, &receiver.url(number), "");
        }
        house.execution("{ all = true }", &names);
        delivered.push(deliver(&house, &mut receiver, None, &vec![events as u64; targets]).await?.per_second);
        alone.push(bare(Client::Reqwest, &receiver.sample().await?, targets, events).await?.per_second);
    }
    Ok(vec![
        Figure::new("sqlite", format!("delivered, {targets} targets"), "/s", delivered.clone()),
        Figure::new("sqlite", format!("reqwest alone, loops: {targets}"), "/s", alone.clone()),
        Figure::ratio("sqlite", "delivered over reqwest alone", &delivered, &alone),
    ])
}

async fn trickle(bench: &Bench) -> Result<Vec<Figure>> {
    let events = bench.options.size(500, 50);
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for round in bench.options.rounds() {
        tell("sqlite", round, "a trickle");
        let folder = tempfile::tempdir().context("there is room for a folder")?;
        let (store, url) = create(folder.path()).await?;
        let mut receiver = Receiver::start_with_times().await?;
        let mut house = bench.house_at(&url, "")?;
        house.target("target", &receiver.url(0), "");
        house.execution("{ all = true }", &["target".to_owned()]);
        let mut took =
            latency::trickle(&house, &mut receiver, events, async |number| append(&store, number, 1).await).await?;
        let mut milliseconds = |hundredths| percentile(&mut took, hundredths).map(|time| time.as_secs_f64() * 1e3);
        p50.extend(milliseconds(50));
        p99.extend(milliseconds(99));
    }
    Ok(vec![
        Figure::new("sqlite", "from commit to arrival, polling, p50", "ms", p50),
        Figure::new("sqlite", "from commit to arrival, polling, p99", "ms", p99),
    ])
}

/// An event store in a file, and its URL.
async fn create(folder: &Path) -> Result<(EventStore, String)> {
    let path = folder.join("events.db");
    let store = EventStore::create_sqlite(&path).await.context("the folder takes a file")?;
    Ok((store, format!("sqlite://{}", path.display())))
}

async fn append(store: &EventStore, first: usize, events: usize) -> Result<()> {
    let numbers: Vec<_> = (first..first + events).collect();
    for chunk in numbers.chunks(CHUNK) {
        let chunk: Vec<_> = chunk.iter().map(|number| event(*number)).collect();
        store.append(&chunk).await.context("events are appended")?;
    }
    Ok(())
}

/// One more event, of an aggregate of its own.
fn event(number: usize) -> NewEvent {
    NewEvent {
        instance_id: INSTANCE.into(),
        aggregate_type: "user".into(),
        aggregate_id: format!("3129090752{number:08}").into(),
        event_type: "user.human.added".into(),
        revision: Some(2),
        payload: Some(PAYLOAD.into()),
        creator: "312909075212468632".to_owned(),
        owner: "312909075211944344".to_owned(),
    }
}
