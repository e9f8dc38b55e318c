//! `postrider audit`: what operators did.

use std::process::ExitCode;

use clap::Args;
use domain::{InstanceId, TargetId, TargetName, Timestamp};
use serde::Serialize;
use store::{AuditEntry, AuditFilter, State};

use super::known::Known;
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

/// The names are a promise to scripts.
#[derive(Serialize)]
struct Line {
    at: Timestamp,
    actor: String,
    act: String,
    target: Option<TargetName>,
    target_id: Option<TargetId>,
    instance_id: Option<InstanceId>,
    from: Option<String>,
    to: Option<String>,
    reason: Option<String>,
}

impl From<AuditEntry> for Line {
    fn from(entry: AuditEntry) -> Self {
        Self {
            at: entry.at,
            actor: entry.actor,
            act: entry.act,
            target: entry.target,
            target_id: entry.target_id,
            instance_id: entry.instance,
            from: entry.from,
            to: entry.to,
            reason: entry.reason,
        }
    }
}

impl Audit {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let acts = self.acts(&state).await?;
        let lines: Vec<Line> = acts.into_iter().map(Line::from).collect();
        context.output.print(&lines, || table(&lines))?;
        Ok(ExitCode::SUCCESS)
    }

    /// A name that neither a target has nor any act was about is most likely a slip.
    async fn acts(&self, state: &State) -> anyhow::Result<Vec<AuditEntry>> {
        let mut filter = AuditFilter { act: self.act.clone(), since: self.since, ..AuditFilter::default() };
        let Some(name) = &self.target else { return Ok(state.acts(&filter, self.limit).await?) };
        let owner = Known::read(state).await?.any(name);
        filter.target = Some(name.clone());
        filter.target_id = owner.as_ref().ok().map(|owner| owner.id.clone());
        let acts = state.acts(&filter, self.limit).await?;
        if let Err(unknown) = owner
            && acts.is_empty()
        {
            let of_it = AuditFilter { target: filter.target, ..AuditFilter::default() };
            if state.acts(&of_it, 1).await?.is_empty() {
                return Err(unknown);
            }
        }
        Ok(acts)
    }
}

fn table(lines: &[Line]) -> Table {
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
