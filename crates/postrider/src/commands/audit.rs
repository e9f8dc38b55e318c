//! `postrider audit`: what operators did.

use std::process::ExitCode;

use clap::Args;
use domain::Timestamp;
use operate::Act;

use crate::{
    context::Context,
    output::{Table, Tone, time},
};

/// Every act, the latest first. Acts are recorded in the name of the user at the host; `POSTRIDER_ACTOR` sets another
/// name, for scripts and shared accounts.
#[derive(Args)]
pub struct Audit {
    /// On this target: its name now or then, or its id
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Such as seek, retry, halt; or a group such as target.*
    #[arg(long, value_name = "ACT")]
    act: Option<String>,
    /// At this time or later (2025-03-27T10:00:00Z)
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// At most so many acts
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
}

impl Audit {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let target = self.target.as_deref();
        let acts = Act::list(target, self.act, self.since, self.limit, &context.caller(), &state).await?;
        context.output.print(&acts, || table(&acts))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn table(lines: &[Act]) -> Table {
    let instances = lines.iter().any(|line| line.instance_id.as_ref().is_some_and(|id| !id.as_str().is_empty()));
    let mut header = vec!["at", "actor", "act", "target"];
    header.extend(instances.then_some("instance"));
    header.extend(["from", "to", "reason"]);
    let mut table = Table::new(header, "no acts");
    for line in lines {
        let mut cells = vec![time(line.at), line.actor.clone(), line.act.clone()];
        cells.push(line.target.as_ref().map(ToString::to_string).unwrap_or_default());
        cells.extend(instances.then(|| line.instance_id.as_ref().map(ToString::to_string).unwrap_or_default()));
        cells.extend([&line.from, &line.to, &line.reason].map(|text| text.clone().unwrap_or_default()));
        table.row(Tone::Plain, cells);
    }
    table
}
