//! The command line: names and help. What a command does is in `commands`.

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    commands::{
        apply, audit, audit_deliveries, check, completions, cursor, delivery, demo, execution, explain, failed,
        healthcheck, key, listen, man, migrate, run, target, token, top, verify, worker,
    },
    config::Sources,
    context::Context,
    logging,
    output::Format,
};

/// The version and, in brackets, the commit.
pub const VERSION: &str = env!("POSTRIDER_VERSION");

const GLOBAL: &str = "Global options";
const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration";

/// Delivers the events of an event store as signed webhooks, in order, with a cursor per target.
#[derive(Parser)]
#[command(name = "postrider", version = VERSION)]
pub struct Cli {
    /// Config file [default: postrider.toml, which may be missing where the environment says enough]
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        env = "POSTRIDER_CONFIG",
        hide_env_values = true,
        help_heading = GLOBAL
    )]
    config: Option<PathBuf>,
    /// How results are printed
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT", help_heading = GLOBAL)]
    output: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon
    Run(run::Run),
    /// Try the whole thing on SQLite, with nothing else needed
    Demo(demo::Demo),
    /// Check config, connections, permissions, horizon source, indexes and endpoints
    Check(check::Check),
    /// Create or update the tables of the state
    Migrate(migrate::Migrate),
    /// Put targets and executions of a file in force
    Apply(apply::Apply),
    /// Targets: endpoints and how to call them
    #[command(subcommand)]
    Target(Box<target::TargetCommand>),
    /// Executions: which events call which targets
    #[command(subcommand)]
    Execution(execution::ExecutionCommand),
    /// Say which targets an event type goes to, or which events a target would receive, and why
    Explain(explain::Explain),
    /// Cursors: how far each target has come
    #[command(subcommand)]
    Cursor(cursor::CursorCommand),
    /// Watch the cursors on a terminal: how they stand, how fast they go, how much is left
    Top(top::Top),
    /// Failed events: what could not be delivered
    #[command(subcommand)]
    Failed(failed::FailedCommand),
    /// Deliveries: the last attempts of each target
    #[command(subcommand)]
    Delivery(delivery::DeliveryCommand),
    /// What operators did, when and why; who it was is user@host, or what the environment says
    Audit(audit::Audit),
    /// Account for every event that a target should have had
    AuditDeliveries(audit_deliveries::AuditDeliveries),
    /// Keys: what stored keys are encrypted with, and what JWTs are signed with
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Tokens: who may manage postrider over HTTP
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Workers: the daemons that share the targets
    #[command(subcommand)]
    Worker(worker::WorkerCommand),
    /// Receive events: verify each and print it in a line
    Listen(listen::Listen),
    /// Check the signature of one request
    Verify(verify::Verify),
    /// Ask the daemon on this machine whether it can do its work
    Healthcheck(healthcheck::Healthcheck),
    /// Print a completion script for a shell
    Completions(completions::Completions),
    /// Write the man pages into a folder, one for each command
    Man(man::Man),
}

/// The command line as clap knows it, with the exit codes below every help.
pub fn command() -> clap::Command {
    fn explained(command: clap::Command) -> clap::Command {
        command.after_help(EXIT_CODES).mut_subcommands(explained)
    }
    explained(Cli::command())
}

impl Cli {
    /// Does what was asked for.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let sources = Sources { file: self.config, flags: Vec::new() };
        let context = Context::new(sources, self.output);
        // The daemon's log is what its config says.
        if !matches!(self.command, Command::Run(_) | Command::Demo(_)) {
            logging::quiet();
        }
        match self.command {
            Command::Run(command) => command.run(&context).await,
            Command::Demo(command) => command.run(&context).await,
            Command::Check(command) => command.run(&context).await,
            Command::Migrate(command) => command.run(&context).await,
            Command::Apply(command) => command.run(&context).await,
            Command::Target(command) => command.run(&context).await,
            Command::Execution(command) => command.run(&context).await,
            Command::Explain(command) => command.run(&context).await,
            Command::Cursor(command) => command.run(&context).await,
            Command::Top(command) => command.run(&context).await,
            Command::Failed(command) => command.run(&context).await,
            Command::Delivery(command) => command.run(&context).await,
            Command::Audit(command) => command.run(&context).await,
            Command::AuditDeliveries(command) => command.run(&context).await,
            Command::Key(command) => command.run(&context).await,
            Command::Token(command) => command.run(&context).await,
            Command::Worker(command) => command.run(&context).await,
            Command::Listen(command) => command.run(&context).await,
            Command::Verify(command) => command.run(&context).await,
            Command::Healthcheck(command) => command.run(&context).await,
            Command::Completions(command) => command.run(&context).await,
            Command::Man(command) => command.run(&context).await,
        }
    }
}
