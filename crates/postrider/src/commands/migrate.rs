//! `postrider migrate`: the tables of the state.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use crate::{connect, context::Context};

#[derive(Args)]
pub struct Migrate {}

impl Migrate {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let state = connect::state(&config).await?;
        let done = state.migrate().await.with_context(|| format!("the state at {}", config.state))?;
        let sentence = match (done.from, done.to) {
            (from, to) if from == to => format!("the state is at schema {to} already"),
            (0, to) => format!("the state was created, at schema {to}"),
            (from, to) => format!("the state was migrated from schema {from} to {to}"),
        };
        context.output.tell(&json!({ "from": done.from, "to": done.to }), &sentence)?;
        Ok(ExitCode::SUCCESS)
    }
}
