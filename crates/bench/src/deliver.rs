//! One run of the daemon over a backlog.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::{cpu, house::House, numbers::float, receiver::Receiver, server::Server};

/// What a run came to: of the daemon, or of the bare client.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Calls a second at the endpoint, from the first to the last.
    pub per_second: f64,
    /// How many calls the processor times are of.
    pub calls: u64,
    /// Processor time of whoever calls.
    pub caller: Duration,
    /// Of the endpoint.
    pub endpoint: Duration,
    /// Of PostgreSQL.
    pub postgres: Duration,
    /// The most that whoever calls had resident, in bytes.
    pub peak_memory: u64,
}

impl Run {
    /// A processor time in microseconds a call.
    pub fn micros(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / float(self.calls)
    }
}

/// The runs of one kind, round by round.
#[derive(Default)]
pub struct Runs(pub Vec<Run>);

impl Runs {
    /// Calls a second.
    pub fn per_second(&self) -> Vec<f64> {
        self.0.iter().map(|run| run.per_second).collect()
    }

    /// Processor time of whoever calls, in microseconds a call.
    pub fn caller(&self) -> Vec<f64> {
        self.0.iter().map(|run| run.micros(run.caller)).collect()
    }

    /// That of the endpoint.
    pub fn endpoint(&self) -> Vec<f64> {
        self.0.iter().map(|run| run.micros(run.endpoint)).collect()
    }

    /// That of PostgreSQL.
    pub fn postgres(&self) -> Vec<f64> {
        self.0.iter().map(|run| run.micros(run.postgres)).collect()
    }
}

/// Starts the daemon, waits until each target was called so often, stops it, and makes sure that nothing was lost or came twice.
///
/// Processor time counts from when calls have begun, so that starting is no part of it.
pub async fn deliver(house: &House, receiver: &mut Receiver, server: Option<&Server>, expected: &[u64]) -> Result<Run> {
    let wanted: u64 = expected.iter().sum();
    let mut daemon = house.start()?;
    let pid = daemon.pid();
    let endpoint = receiver.pid()?;
    let used = || -> Result<[Duration; 3]> {
        Ok([cpu::of(pid)?, cpu::of(endpoint)?, server.map_or(Ok(Duration::ZERO), Server::cpu)?])
    };
    let begun = receiver.until(1, || daemon.alive()).await.context("the first call")?;
    let before = used()?;
    let done = receiver.until(wanted, || daemon.alive()).await?;
    let after = used()?;
    let peak_memory = cpu::peak_memory(pid)?;
    tokio::task::block_in_place(|| daemon.stop())?;
    receiver.check(expected).await?;
    let [caller, endpoint, postgres] = [0, 1, 2].map(|part| after[part].saturating_sub(before[part]));
    Ok(Run { per_second: done.per_second(), calls: done.calls - begun.calls, caller, endpoint, postgres, peak_memory })
}
