//! Measures the daemon against the limit of the same machine: `just bench`.
//!
//! Every figure of the daemon stands beside one of something that does the same with nothing in between, measured in the same
//! run and in turn with it: what else the machine does meets both alike. Figures are medians over the rounds.
//!
//! The cast, each a process of its own so that its processor time can be told apart:
//! - the daemon, the binary `postrider` beside this one ([`house`]);
//! - a private PostgreSQL that keeps its word: `fsync` and `synchronous_commit` are on ([`server`]);
//! - an endpoint that costs as little as an endpoint can ([`receive`], a hidden subcommand; [`receiver`] talks to it);
//! - the bare client, which makes the very calls that the daemon made ([`call`], hidden too; [`caller`] talks to it).
//!
//! [`measures`] says what is measured and what must hold, [`report`] prints it. A bar that is missed is told as it is and ends
//! with 0; what could not be measured, or an event that was lost, ends with 1.

mod call;
mod caller;
mod cli;
mod cpu;
mod deliver;
mod house;
mod measures;
mod numbers;
mod plot;
mod receive;
mod receiver;
mod report;
mod server;
mod statements;

use std::process::ExitCode;

use clap::Parser as _;

/// The bare client shall have every advantage.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    let cli = cli::Cli::parse();
    // As many threads as the machine has cores, as the daemon has; the endpoint has one.
    let mut runtime = match cli.part {
        Some(cli::Part::Receive { .. }) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build()?;
    runtime.block_on(async {
        match cli.part {
            Some(cli::Part::Receive { times }) => receive::run(times).await.map(|()| ExitCode::SUCCESS),
            Some(cli::Part::Call(call)) => call::run(call).await.map(|()| ExitCode::SUCCESS),
            None => measures::run(cli.options).await,
        }
    })
}
