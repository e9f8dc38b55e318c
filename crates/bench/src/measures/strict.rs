//! Backlogs in PostgreSQL against the bare client: one loop for each call that the daemon may have under way.

use anyhow::Result;

use super::{Bench, tell};
use crate::{
    caller::bare,
    cli::Client,
    deliver::{Runs, deliver},
    receiver::Receiver,
    report::Figure,
};

/// What is delivered, and what must hold.
struct Backlog {
    measure: &'static str,
    targets: usize,
    /// More lines of TOML about each target.
    more: &'static str,
    events: usize,
    loops: usize,
    /// Deliveries a second over those of the bare client, at least.
    bar: f64,
    /// Whether processor times are held to theirs.
    judge_processor: bool,
}

/// One target in strict order.
pub async fn one(bench: &Bench) -> Result<Vec<Figure>> {
    let events = bench.options.size(50_000, 1_000);
    let backlog =
        Backlog { measure: "strict-1", targets: 1, more: "", events, loops: 1, bar: 0.80, judge_processor: false };
    run(bench, &backlog).await
}

/// 64 targets in strict order, all of them called for everything.
pub async fn many(bench: &Bench) -> Result<Vec<Figure>> {
    let events = bench.options.size(2_000, 50);
    let backlog =
        Backlog { measure: "strict-64", targets: 64, more: "", events, loops: 64, bar: 0.75, judge_processor: true };
    run(bench, &backlog).await
}

/// One target with 64 calls at a time, each for an aggregate of its own.
pub async fn side_by_side(bench: &Bench) -> Result<Vec<Figure>> {
    let backlog = Backlog {
        measure: "aggregate-64",
        targets: 1,
        more: "ordering = \"aggregate\"\nmax_in_flight = 64",
        events: bench.options.size(50_000, 1_000),
        loops: 64,
        bar: 0.75,
        judge_processor: false,
    };
    run(bench, &backlog).await
}

async fn run(bench: &Bench, backlog: &Backlog) -> Result<Vec<Figure>> {
    let mut store = bench.server.store().await;
    store.append(backlog.events, "'user.human.added'").await;
    store.settle().await;
    let (mut daemon, mut reqwest, mut hyper_util) = (Runs::default(), Runs::default(), Runs::default());
    let mut bytes = 0;
    for round in bench.options.rounds() {
        tell(backlog.measure, round, "the daemon");
        store.forget_state().await;
        let mut receiver = Receiver::start().await?;
        let mut house = bench.house(&store)?;
        let names: Vec<_> = (0..backlog.targets).map(|number| format!("target{number}")).collect();
        for (number, name) in names.iter().enumerate() {
            house.target(name, &receiver.url(number), backlog.more);
        }
        house.execution("{ all = true }", &names);
        let expected = vec![backlog.events as u64; backlog.targets];
        daemon.0.push(deliver(&house, &mut receiver, Some(&bench.server), &expected).await?);
        let sample = receiver.sample().await?;
        bytes = sample.body.len();
        let each = backlog.events * backlog.targets / backlog.loops;
        for (client, runs) in [(Client::Reqwest, &mut reqwest), (Client::HyperUtil, &mut hyper_util)] {
            tell(backlog.measure, round, client.name());
            runs.0.push(bare(client, &sample, backlog.loops, each).await?);
        }
    }
    bench.server.remove(store).await;
    Ok(figures(backlog, bytes, &daemon, &reqwest, &hyper_util))
}

fn figures(backlog: &Backlog, bytes: usize, daemon: &Runs, reqwest: &Runs, hyper_util: &Runs) -> Vec<Figure> {
    let Backlog { measure, loops, .. } = *backlog;
    let figure = |what: String, unit, samples| Figure::new(measure, what, unit, samples);
    let ratio = |what: &str, over: &[f64], under: &[f64]| Figure::ratio(measure, what, over, under);
    let rate = daemon.per_second();
    let processor = ratio("processor time over reqwest", &daemon.caller(), &reqwest.caller());
    let postgres = ratio("PostgreSQL's processor time over the daemon's", &daemon.postgres(), &daemon.caller());
    vec![
        figure(format!("delivered, {} targets, {bytes} bytes each", backlog.targets), "/s", rate.clone()),
        figure(format!("reqwest alone, loops: {loops}"), "/s", reqwest.per_second()),
        figure(format!("hyper-util alone, loops: {loops}"), "/s", hyper_util.per_second()),
        ratio("delivered over reqwest alone", &rate, &reqwest.per_second()).at_least(backlog.bar),
        ratio("delivered over hyper-util alone", &rate, &hyper_util.per_second()),
        figure("processor time of the daemon a delivery".into(), "us", daemon.caller()),
        figure("of reqwest alone a call".into(), "us", reqwest.caller()),
        figure("of hyper-util alone a call".into(), "us", hyper_util.caller()),
        figure("of the endpoint a delivery".into(), "us", daemon.endpoint()),
        figure("of PostgreSQL a delivery".into(), "us", daemon.postgres()),
        if backlog.judge_processor { processor.at_most(1.4) } else { processor },
        if backlog.judge_processor { postgres.at_most(0.15) } else { postgres },
    ]
}
