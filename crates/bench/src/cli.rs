//! The command line: what is measured, how often, and where the figures go.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measures postrider against the limit of the same machine.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// A part that the bench plays itself, in a process of its own.
    #[command(subcommand)]
    pub part: Option<Part>,
    /// What to measure.
    #[command(flatten)]
    pub options: Options,
}

/// The processes beside the bench.
#[derive(Debug, Subcommand)]
pub enum Part {
    /// The endpoint.
    #[command(hide = true)]
    Receive {
        /// Keep when each request arrived.
        #[arg(long)]
        times: bool,
    },
    /// The bare client.
    #[command(hide = true)]
    Call(Call),
}

/// What the bare client does.
#[derive(Debug, Args)]
pub struct Call {
    /// With which client.
    #[arg(long)]
    pub client: Client,
    /// The endpoint's port.
    #[arg(long)]
    pub port: u16,
    /// Loops side by side.
    #[arg(long)]
    pub loops: usize,
    /// Calls of each loop, one after the other.
    #[arg(long)]
    pub each: usize,
}

/// What there is to compare with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Client {
    /// What most people call with: the bars are against it.
    Reqwest,
    /// The pooled client beneath it.
    HyperUtil,
}

impl Client {
    /// As people call it, and the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reqwest => "reqwest",
            Self::HyperUtil => "hyper-util",
        }
    }
}

/// How to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// Only these measures.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<Measure>,
    /// How often each is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Small sizes and one round: whether the bench works, not how fast anything is.
    #[arg(long)]
    pub quick: bool,
    /// Also with ten million events in the table.
    #[arg(long)]
    pub long: bool,
    /// Writes the figures here, too.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draws deliveries a second over targets and over the backlog.
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
    /// The daemon's binary. Left out: `postrider` beside this one.
    #[arg(long, value_name = "FILE")]
    pub daemon: Option<PathBuf>,
}

impl Options {
    /// A size, and what it is where nothing is judged.
    pub fn size(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// The rounds, from 1.
    pub fn rounds(&self) -> std::ops::RangeInclusive<u32> {
        1..=if self.quick { 1 } else { self.rounds }
    }
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Measure {
    /// One target in strict order, against one loop of a bare client.
    #[value(name = "strict-1")]
    Strict1,
    /// 64 targets in strict order, against 64 loops; processor time of all.
    #[value(name = "strict-64")]
    Strict64,
    /// One target with 64 calls in flight, against 64 loops.
    #[value(name = "aggregate-64")]
    Aggregate64,
    /// Events that concern nobody, against a loop that reads pages.
    CatchUp,
    /// From commit to arrival.
    Latency,
    /// What a thousand idle targets cost.
    Idle,
    /// What a thousand targets behind a million events take.
    Memory,
    /// How fast a thousand targets go on after a restart in the middle.
    Restart,
    /// Whether more targets make it slower.
    GrowthTargets,
    /// Whether more events in the table do.
    GrowthEvents,
    /// A backlog and a trickle in SQLite.
    Sqlite,
}

impl Measure {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strict1 => "strict-1",
            Self::Strict64 => "strict-64",
            Self::Aggregate64 => "aggregate-64",
            Self::CatchUp => "catch-up",
            Self::Latency => "latency",
            Self::Idle => "idle",
            Self::Memory => "memory",
            Self::Restart => "restart",
            Self::GrowthTargets => "growth-targets",
            Self::GrowthEvents => "growth-events",
            Self::Sqlite => "sqlite",
        }
    }
}
