//! What is measured, and in which order.

mod catch_up;
mod growth;
mod idle;
mod latency;
mod memory;
mod restart;
mod sqlite;
mod strict;

use std::{panic::AssertUnwindSafe, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, anyhow};
use clap::ValueEnum as _;
use futures_util::FutureExt as _;

use crate::{
    cli::{Measure, Options},
    house::House,
    plot,
    report::{Figure, Machine, Problem, Report},
    server::{Server, Store},
};

pub use growth::to_all;
pub use memory::spread;

/// What every measure is given.
pub struct Bench {
    pub options: Options,
    pub server: Server,
    daemon: PathBuf,
}

impl Bench {
    /// A daemon for this store, as superuser.
    pub fn house(&self, store: &Store) -> Result<House> {
        self.house_at(&store.database.url(), "")
    }

    /// A daemon for the store at this URL, with more lines of TOML about it.
    pub fn house_at(&self, url: &str, more: &str) -> Result<House> {
        House::new(&self.daemon, url, more)
    }
}

/// Takes the measures that are asked for, one after the other, and tells what came out.
pub async fn run(options: Options) -> Result<ExitCode> {
    let chosen = if options.only.is_empty() { Measure::value_variants().to_vec() } else { options.only.clone() };
    let daemon = match &options.daemon {
        Some(path) => path.clone(),
        None => std::env::current_exe().context("this process has a binary")?.with_file_name("postrider"),
    };
    let count_statements = chosen.iter().any(|measure| matches!(measure, Measure::Idle | Measure::GrowthEvents));
    let server = Server::start(count_statements).await;
    let bench = Bench { options, server, daemon };
    let mut report = Report {
        machine: machine(&bench).await?,
        rounds: *bench.options.rounds().end(),
        quick: bench.options.quick,
        figures: Vec::new(),
        problems: Vec::new(),
    };
    for measure in chosen {
        match taken(measure, &bench).await {
            Ok(figures) => report.add(figures),
            Err(error) => report.problems.push(Problem { measure: measure.name(), error: format!("{error:#}") }),
        }
        // What is had is kept, should the rest be cut short.
        if let Some(path) = &bench.options.json {
            report.write(path)?;
        }
    }
    if let Some(path) = &bench.options.plot {
        match plot::run(&bench, path).await {
            Ok(figures) => report.add(figures),
            Err(error) => report.problems.push(Problem { measure: "plot", error: format!("{error:#}") }),
        }
    }
    print!("{report}");
    if let Some(path) = &bench.options.json {
        report.write(path)?;
    }
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A measure that panics has failed as one that says so: the others are taken all the same.
async fn taken(measure: Measure, bench: &Bench) -> Result<Vec<Figure>> {
    let taking = async {
        match measure {
            Measure::Strict1 => strict::one(bench).await,
            Measure::Strict64 => strict::many(bench).await,
            Measure::Aggregate64 => strict::side_by_side(bench).await,
            Measure::CatchUp => catch_up::run(bench).await,
            Measure::Latency => latency::run(bench).await,
            Measure::Idle => idle::run(bench).await,
            Measure::Memory => memory::run(bench).await,
            Measure::Restart => restart::run(bench).await,
            Measure::GrowthTargets => growth::with_targets(bench).await,
            Measure::GrowthEvents => growth::with_events(bench).await,
            Measure::Sqlite => sqlite::run(bench).await,
        }
    };
    AssertUnwindSafe(taking).catch_unwind().await.unwrap_or_else(|_| Err(anyhow!("it panicked, see above")))
}

/// Says what is going on, to whoever waits.
pub fn tell(measure: &str, round: u32, what: &str) {
    eprintln!("{measure}, round {round}: {what}");
}

async fn machine(bench: &Bench) -> Result<Machine> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let processor = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let version = std::process::Command::new(&bench.daemon).arg("--version").output();
    let version = version.with_context(|| {
        format!("{} can be run: build it first, `cargo build --release -p postrider`", bench.daemon.display())
    })?;
    Ok(Machine {
        processor: processor.map_or("an unknown processor", |(_, name)| name).to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        postgresql: bench.server.version().await,
        postrider: String::from_utf8_lossy(&version.stdout).trim().to_owned(),
    })
}
