//! Whether it gets slower with the number of targets, and with what else is in the table.

use anyhow::Result;

use super::{Bench, tell};
use crate::{
    caller::bare,
    cli::Client,
    deliver::{Run, Runs, deliver},
    receive::Sample,
    receiver::Receiver,
    report::Figure,
    server::Store,
    statements::Role,
};

/// How much slower, at most.
const WITHIN: f64 = 0.2;

/// As many deliveries to few targets and to many; and as many calls of the bare client over as many connections, which is what
/// the machine itself makes of more of them.
pub async fn with_targets(bench: &Bench) -> Result<Vec<Figure>> {
    const NAME: &str = "growth-targets";
    let few = (64, bench.options.size(3_000, 20));
    let many = (bench.options.size(1_000, 128), bench.options.size(192, 10));
    let (mut delivered, mut alone) = ([Runs::default(), Runs::default()], [Runs::default(), Runs::default()]);
    for round in bench.options.rounds() {
        for (number, (targets, events)) in [few, many].into_iter().enumerate() {
            tell(NAME, round, &format!("{targets} targets"));
            let (run, sample) = to_all(bench, targets, events).await?;
            delivered[number].0.push(run);
            tell(NAME, round, &format!("reqwest alone, loops: {targets}"));
            alone[number].0.push(bare(Client::Reqwest, &sample, targets, events).await?);
        }
    }
    let figure = |what: String, unit, samples| Figure::new(NAME, what, unit, samples);
    let mut figures = Vec::new();
    for (number, (targets, _)) in [few, many].into_iter().enumerate() {
        let (daemon, reqwest) = (&delivered[number], &alone[number]);
        figures.extend([
            figure(format!("delivered, {targets} targets"), "/s", daemon.per_second()),
            figure(format!("reqwest alone, loops: {targets}"), "/s", reqwest.per_second()),
            figure(format!("processor time of the daemon a delivery, {targets} targets"), "us", daemon.caller()),
            figure(format!("of reqwest alone a call, loops: {targets}"), "us", reqwest.caller()),
            figure(format!("of the endpoint a delivery, {targets} targets"), "us", daemon.endpoint()),
            figure(format!("of PostgreSQL a delivery, {targets} targets"), "us", daemon.postgres()),
        ]);
    }
    let ratio =
        |what: &str, over: &Runs, under: &Runs| Figure::ratio(NAME, what, &over.per_second(), &under.per_second());
    let ([fast, slow], [alone_fast, alone_slow]) = (&delivered, &alone);
    figures.extend([
        ratio("many targets over few", slow, fast).at_least(1.0 - WITHIN),
        ratio("many loops of reqwest over few", alone_slow, alone_fast),
        ratio("many targets over as many loops", slow, alone_slow),
    ]);
    Ok(figures)
}

/// Delivers a backlog of which every event concerns every target.
pub async fn to_all(bench: &Bench, targets: usize, events: usize) -> Result<(Run, Sample)> {
    let mut store = bench.server.store().await;
    store.append(events, "'user.human.added'").await;
    store.settle().await;
    let run = all(bench, &store, &store.database.url(), targets, events, "").await?;
    bench.server.remove(store).await;
    Ok(run)
}

async fn all(
    bench: &Bench,
    store: &Store,
    url: &str,
    targets: usize,
    events: usize,
    more: &str,
) -> Result<(Run, Sample)> {
    store.forget_state().await;
    let mut receiver = Receiver::start().await?;
    let mut house = bench.house_at(url, "")?;
    let names: Vec<_> = (0..targets).map(|number| format!("target{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        house.target(name, &receiver.url(number), more);
    }
    house.execution("{ all = true }", &names);
    let run = deliver(&house, &mut receiver, Some(&bench.server), &vec![events as u64; targets]).await?;
    Ok((run, receiver.sample().await?))
}

/// A table and what was seen of it, round by round.
struct Table {
    events: usize,
    store: Store,
    role: Role,
    rates: Vec<f64>,
    pages: Vec<f64>,
}

/// As many deliveries of the last events of tables of several sizes.
pub async fn with_events(bench: &Bench) -> Result<Vec<Figure>> {
    const NAME: &str = "growth-events";
    const TARGETS: usize = 64;
    // Several pages, so that what one of them takes is no accident.
    let delivered = bench.options.size(8_000, 50);
    let mut sizes = vec![bench.options.size(10_000, 500), bench.options.size(1_000_000, 5_000)];
    sizes.extend(bench.options.long.then_some(10_000_000));
    let mut tables = Vec::new();
    for events in sizes {
        tell(NAME, 1, &format!("writing {events} events"));
        let mut store = bench.server.store().await;
        store.append(events, "'user.human.added'").await;
        store.settle().await;
        let role = Role::create(&mut store).await;
        tables.push(Table { events, store, role, rates: Vec::new(), pages: Vec::new() });
    }
    for round in bench.options.rounds() {
        for table in &mut tables {
            let Table { events, store, role, rates, pages } = table;
            tell(NAME, round, &format!("{events} events"));
            role.forget(store).await;
            let start = format!("start = \"{}\"", Store::behind(*events - delivered));
            rates.push(all(bench, store, role.url(), TARGETS, delivered, &start).await?.0.per_second);
            pages.push(role.page_time(store).await?);
        }
    }
    let mut figures = Vec::new();
    for table in &tables {
        let Table { events, rates, pages, .. } = table;
        figures.push(Figure::new(NAME, format!("delivered, {events} events in the table"), "/s", rates.clone()));
        figures.push(Figure::new(NAME, format!("a page, {events} events in the table"), "ms", pages.clone()));
    }
    for table in &tables[1..] {
        let (small, events) = (&tables[0], table.events);
        let rate =
            Figure::ratio(NAME, format!("delivered, {events} over {}", small.events), &table.rates, &small.rates);
        let page = Figure::ratio(NAME, format!("a page, {events} over {}", small.events), &table.pages, &small.pages);
        figures.extend([rate.at_least(1.0 - WITHIN), page.at_most(1.0 + WITHIN)]);
    }
    for table in tables {
        bench.server.remove(table.store).await;
    }
    Ok(figures)
}
