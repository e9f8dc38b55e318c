//! How a change of the definitions ends: warnings, the change itself unless it is a dry run, and what was changed.

use std::process::ExitCode;

use operate::Plan;
use serde_json::{Map, Value, json};
use store::State;

use crate::{
    context::Context,
    output::{Table, Tone},
};

/// Warns, and makes the change.
pub async fn carry_out(context: &Context, state: &State, plan: &Plan, dry_run: bool) -> anyhow::Result<()> {
    for warning in &plan.warnings {
        eprintln!("warning: {warning}");
    }
    if !dry_run {
        plan.carry_out(state, &context.actor()).await?;
    }
    Ok(())
}

/// Says what was changed, or would be. As JSON `about` with `changed`, `dry_run` and `changes`; below the table `notes`.
pub fn tell(context: &Context, plan: &Plan, dry_run: bool, about: Value, notes: &[String]) -> anyhow::Result<ExitCode> {
    let mut value = match about {
        Value::Object(about) => about,
        _ => Map::new(),
    };
    value.insert("changed".to_owned(), json!(!dry_run && !plan.changes.is_empty()));
    value.insert("dry_run".to_owned(), json!(dry_run));
    value.insert("changes".to_owned(), json!(plan.changes));
    context.output.print(&value, || {
        let mut table = table(plan);
        for note in notes {
            table.note(note);
        }
        if dry_run && !plan.changes.is_empty() {
            table.note("dry run: nothing was changed");
        }
        table
    })?;
    Ok(ExitCode::SUCCESS)
}

/// One row for every change.
pub fn table(plan: &Plan) -> Table {
    let mut table = Table::new(["what", "name", "change", "details"], "nothing changes");
    for change in &plan.changes {
        let cells = [change.what.to_owned(), change.name.clone(), change.change.to_owned(), change.details.join(", ")];
        table.row(Tone::Plain, cells);
    }
    table
}
