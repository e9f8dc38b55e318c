//! The `postrider` binary: command line, config, wiring. What is decided, is decided in the other crates.
//!
//! Exit codes are a promise to scripts: 0 done, 1 failed, 2 wrong usage or configuration.

#[cfg(test)]
mod book;
mod cli;
mod commands;
mod config;
mod connect;
mod context;
mod demo;
mod failure;
mod logging;
mod manager;
mod output;
mod signals;
mod worker;

use std::process::ExitCode;

use clap::FromArgMatches;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let matches = cli::command().get_matches();
    let cli = cli::Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::report(&error.into()),
    };
    runtime.block_on(cli.run()).unwrap_or_else(|error| failure::report(&error))
}
