//! A thousand targets behind a backlog of a million events, each of which concerns one of them.

use anyhow::Result;

use super::{Bench, tell};
use crate::{
    deliver::{Run, deliver},
    house::House,
    numbers::float,
    receiver::Receiver,
    report::Figure,
    server::Store,
};

/// What the daemon had resident at most, from its start until everything was delivered.
pub async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let targets = bench.options.size(1_000, 20);
    let events = bench.options.size(1_000_000, 2_000);
    let mut runs = Vec::new();
    for round in bench.options.rounds() {
        tell("memory", round, "the daemon");
        runs.push(spread(bench, targets, events).await?);
    }
    let figure =
        |what: String, unit, of: fn(&Run) -> f64| Figure::new("memory", what, unit, runs.iter().map(of).collect());
    Ok(vec![
        figure(format!("resident at most, {targets} targets, {events} events"), "MB", |run| {
            float(run.peak_memory) / 1e6
        })
        .at_most(250.0),
        figure(format!("delivered, {targets} targets, a type each"), "/s", |run| run.per_second),
        figure("processor time of the daemon a delivery".into(), "us", |run| run.micros(run.caller)),
    ])
}

/// Delivers a backlog of which each event concerns one of the targets.
pub async fn spread(bench: &Bench, targets: usize, events: usize) -> Result<Run> {
    let store = backlog(bench, targets, events).await;
    let mut receiver = Receiver::start().await?;
    let house = house(bench, &store, &receiver, targets)?;
    let run = deliver(&house, &mut receiver, Some(&bench.server), &expected(targets, events)).await?;
    bench.server.remove(store).await;
    Ok(run)
}

/// A store of so many events, of one type after the other.
pub async fn backlog(bench: &Bench, targets: usize, events: usize) -> Store {
    let mut store = bench.server.store().await;
    store.append(events, &format!("'load.t' || (n - 1) % {targets}")).await;
    store.settle().await;
    store
}

/// A daemon with a target for each type.
pub fn house(bench: &Bench, store: &Store, receiver: &Receiver, targets: usize) -> Result<House> {
    let mut house = bench.house(store)?;
    for number in 0..targets {
        let name = format!("target{number}");
        house.target(&name, &receiver.url(number), "");
        house.execution(&format!("{{ event = \"load.t{number}\" }}"), &[name]);
    }
    Ok(house)
}

/// How often each target is called.
pub fn expected(targets: usize, events: usize) -> Vec<u64> {
    (0..targets).map(|number| (events / targets + usize::from(number < events % targets)) as u64).collect()
}
