//! A thousand targets in the middle of a backlog, and the daemon is started anew: how fast it goes on.

use anyhow::Result;

use super::{Bench, memory, tell};
use crate::{numbers::float, receiver::Receiver, report::Figure};

/// What is delivered a second before and after, from the first call to the last.
pub async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let targets = bench.options.size(1_000, 20);
    let events = bench.options.size(400_000, 4_000);
    let wanted = events as u64;
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for round in bench.options.rounds() {
        tell("restart", round, "the daemon");
        let store = memory::backlog(bench, targets, events).await;
        let mut receiver = Receiver::start().await?;
        let house = memory::house(bench, &store, &receiver, targets)?;
        let mut daemon = house.start()?;
        let half = receiver.until(wanted / 2, || daemon.alive()).await?;
        before.push(half.per_second());
        tokio::task::block_in_place(|| daemon.stop())?;
        let stood = receiver.count().await?.calls;
        let mut daemon = house.start()?;
        let begun = receiver.until(stood + 1, || daemon.alive()).await?;
        let done = receiver.until(wanted, || daemon.alive()).await?;
        after.push(float(done.calls - begun.calls) * 1e9 / float(done.last - begun.last));
        tokio::task::block_in_place(|| daemon.stop())?;
        receiver.check(&memory::expected(targets, events)).await?;
        bench.server.remove(store).await;
    }
    let ratio = Figure::ratio("restart", "after over before", &after, &before).at_least(0.8);
    Ok(vec![
        Figure::new("restart", format!("delivered before, {targets} targets, a type each"), "/s", before),
        Figure::new("restart", "delivered after", "/s", after),
        ratio,
    ])
}
