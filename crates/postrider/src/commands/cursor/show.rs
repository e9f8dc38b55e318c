//! `postrider cursor show NAME`.

use std::process::ExitCode;

use clap::Args;
use operate::cursors::{Line, Overview, cursors_of};
use serde_json::{Value, json};

use super::list::{held, measure};
use crate::{
    context::Context,
    output::{Table, Tone, place},
};

#[derive(Args)]
pub struct Show {
    /// The target's name, or the id of one that was removed
    name: String,
    /// On this instance only
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// Count the events that are left, up to 100000
    #[arg(long)]
    count: bool,
}

impl Show {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let state = context.state(&config).await?;
        let overview = Overview::read(&state, &context.caller()).await?;
        let owner = overview.known.any(&self.name)?;
        let cursors = cursors_of(&state, &owner.id, &self.name, self.instance.as_deref()).await?;
        let mut lines: Vec<Line> = cursors.into_iter().map(|cursor| overview.line(&owner, cursor)).collect();
        let measured = measure(context, &config, &overview, &mut lines, self.count).await;
        let shown = lines.iter().map(full).collect::<Result<Vec<Value>, _>>()?;
        context.output.print(&shown, || {
            let mut table = Table::new(["field", "value"], "");
            for (index, cursor) in shown.iter().enumerate() {
                if index > 0 {
                    table.row(Tone::Plain, [" ".to_owned(), " ".to_owned()]);
                }
                for (field, value) in cursor.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    table.row(Tone::Plain, [field.clone(), text]);
                }
            }
            if let Some(note) = held(measured.as_ref()) {
                table.note(note);
            }
            table
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What the list has, and what only a closer look needs.
fn full(line: &Line) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(line)?;
    let delivered = line.cursor.delivered.map(|(position, in_tx_order)| format!("{position}/{in_tx_order}"));
    for (field, more) in [
        ("epoch", json!(line.cursor.epoch.0)),
        ("generation", json!(line.cursor.generation)),
        ("delivered", json!(delivered)),
        ("parked_in_a_row", json!(line.cursor.parked_in_a_row)),
        ("halt", json!(line.cursor.halt)),
        ("settled_to", json!(line.cursor.ahead.as_ref().map(|ahead| place(&ahead.to)))),
        ("open_before", json!(line.cursor.ahead.as_ref().map(|ahead| ahead.open.len()))),
    ] {
        value[field] = more;
    }
    Ok(value)
}
