//! `postrider worker …`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use operate::{Daemon, runs_too_long};
use store::Worker;

use crate::{
    context::Context,
    output::{Table, Tone, age, time},
};

#[derive(Subcommand)]
pub enum WorkerCommand {
    /// Every daemon, how many targets it has leased, and until when; those that ended stay listed for a day
    List(List),
}

impl WorkerCommand {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(command) => command.run(context).await,
        }
    }
}

#[derive(Args)]
pub struct List {}

impl List {
    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let workers = state.workers().await?;
        let lines: Vec<Daemon> = workers.iter().map(Daemon::of).collect();
        context.output.print(&lines, || table(&workers, &lines))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn table(workers: &[Worker], lines: &[Daemon]) -> Table {
    let header = ["worker", "host", "pid", "version", "started", "state", "lease", "targets"];
    let mut table = Table::new(header, "no workers; each `postrider run` is one");
    for line in lines {
        let tone = match line.state {
            "live" => Tone::Plain,
            "expired" if line.targets > 0 => Tone::Warning,
            _ => Tone::Dim,
        };
        let lease = age(line.expires_in_seconds.abs());
        let lease = if line.expires_in_seconds > 0.0 { format!("{lease} left") } else { format!("over for {lease}") };
        table.row(
            tone,
            [
                line.worker.clone(),
                line.host.clone(),
                line.pid.to_string(),
                line.version.clone(),
                time(line.started_at),
                line.state.to_owned(),
                lease,
                line.targets.to_string(),
            ],
        );
    }
    for trouble in workers.iter().filter_map(runs_too_long) {
        table.note(trouble);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{SignedDuration, Timestamp};
    use store::{Standing, WorkerId, WorkerInfo};

    use super::*;

    fn worker(id: &str, standing: Standing, seconds: i64, targets: u64) -> Worker {
        let at: Timestamp = "2025-03-27T10:22:43.262665Z".parse().expect("a time");
        Worker {
            id: WorkerId(id.to_owned()),
            info: WorkerInfo { host: "here".to_owned(), pid: 4711, version: "0.1.0".to_owned() },
            started_at: at,
            renewed_at: at,
            epoch: 1,
            expires_at: at,
            expires_in: SignedDuration::from_secs(seconds),
            lease_duration: Duration::from_secs(10),
            standing,
            targets,
        }
    }

    #[test]
    fn workers_are_listed_with_what_is_wrong_with_their_leases() {
        let workers = [
            worker("a", Standing::Working, 7, 4),
            worker("b", Standing::Leaving, 9, 1),
            worker("c", Standing::Working, -3, 4),
            worker("d", Standing::Expired, -70, 0),
            worker("e", Standing::Left, -3_700, 0),
            worker("f", Standing::Working, 10_900, 4),
        ];
        let lines: Vec<Daemon> = workers.iter().map(Daemon::of).collect();
        insta::assert_snapshot!(table(&workers, &lines).render(false));
        insta::assert_snapshot!(table(&[], &[]).render(false));
    }
}
