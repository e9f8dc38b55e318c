//! `postrider audit-deliveries TARGET`: what should have been settled, by the log of events itself, against what is.

use std::process::ExitCode;

use clap::Args;
use domain::{Router, Start, TargetId};
use operate::{
    account::{Account, account},
    cursors::cursors_of,
    span, target_named,
};
use serde::Serialize;

use crate::{
    commands::act::warn,
    context::Context,
    failure::FAILED,
    output::{Table, Tone, place},
};

/// Counts the events that concern the target, with the definitions now in force, and says what became of each: settled by
/// the cursor, parked, interrupted, being retried, halted, or not come to yet. What was delivered, and what an operator or
/// earlier definitions passed over, counts as settled. Ends with 1 if something is not accounted for.
#[derive(Args)]
pub struct AuditDeliveries {
    /// The target's name
    target: String,
    /// From here on: beginning, now, a position, or a time with its offset (2025-03-27T10:00:00Z)
    #[arg(long, value_name = "PLACE", default_value = "beginning")]
    from: Start,
    /// Up to here: as --from; what is at a position belongs to it, what is at a time does not
    #[arg(long, value_name = "PLACE", default_value = "now")]
    to: Start,
    /// On this instance only; otherwise on every instance where the target has a cursor
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
}

/// The names are a promise to scripts.
#[derive(Serialize)]
struct Report {
    target: String,
    target_id: TargetId,
    from: String,
    to: String,
    accounted: bool,
    instances: Vec<Account>,
}

impl AuditDeliveries {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let state = context.state(&config).await?;
        let definitions = state.definitions().await?;
        let target = target_named(&definitions, &self.target)?;
        let router = Router::build(&definitions)?;
        cursors_of(&state, &target.id, &self.target, self.instance.as_deref()).await?;
        let events = context.events(&config).await?;
        let (span, warnings) = span((&events, &state), (self.from, self.to), &context.caller()).await?;
        warn(&warnings);
        let mut instances = Vec::new();
        for (cursor, failed) in state.standing(&target.id).await? {
            if self.instance.as_ref().is_none_or(|named| cursor.instance_id.as_str() == named) {
                instances.push(account(&router, &events, &span, self.to == Start::Now, &cursor, failed).await?);
            }
        }
        let accounted = instances.iter().all(|account| account.inconsistent.is_empty());
        let report = Report {
            target: self.target,
            target_id: target.id.clone(),
            from: place(&span.after),
            to: place(&span.to),
            accounted,
            instances,
        };
        context.output.print(&report, || table(&report))?;
        Ok(ExitCode::from(if accounted { 0 } else { FAILED }))
    }
}

fn table(report: &Report) -> Table {
    let mut table = Table::new(
        [
            "instance",
            "delivered or settled",
            "parked",
            "interrupted",
            "retrying",
            "halted",
            "pending",
            "inconsistent",
            "not concerning",
        ],
        "",
    );
    for account in &report.instances {
        let counts = [
            account.delivered_or_settled,
            account.parked,
            account.interrupted,
            account.retrying,
            account.halted,
            account.pending,
            account.inconsistent.len() as u64,
            account.not_concerning,
        ];
        let cells: Vec<_> =
            std::iter::once(account.instance_id.to_string()).chain(counts.map(|count| count.to_string())).collect();
        table.row(if account.inconsistent.is_empty() { Tone::Plain } else { Tone::Bad }, cells);
    }
    for account in &report.instances {
        for one in account.undelivered.iter().chain(&account.inconsistent) {
            table.note(one.to_string());
        }
    }
    let name = &report.target;
    table.note(if report.accounted {
        format!(
            "every event for {name} between {} and {} is accounted for, with the definitions now in force",
            report.from, report.to
        )
    } else {
        format!("not every event for {name} is accounted for, with the definitions now in force")
    });
    table
}
