//! `postrider failed show`.

use std::process::ExitCode;

use clap::Args;

use super::filter::Which;
use crate::{
    context::Context,
    failure::FAILED,
    output::{Table, Tone},
};

#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    which: Which,
}

impl Show {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let lines = self.which.lines(context).await?;
        let values = lines.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
        context.output.print(&lines, || {
            let mut table = Table::new(["field", "value"], "no such failed event");
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    table.row(Tone::Plain, [" ".to_owned(), " ".to_owned()]);
                }
                for (field, value) in value.as_object().into_iter().flatten() {
                    table.row(
                        Tone::Plain,
                        [field.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)],
                    );
                }
            }
            table
        })?;
        Ok(ExitCode::from(if lines.is_empty() { FAILED } else { 0 }))
    }
}
