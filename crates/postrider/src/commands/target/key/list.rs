//! `postrider target key list NAME`.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::{target, to_json};
use crate::{
    context::Context,
    output::{Table, Tone, time},
};

#[derive(Args)]
pub struct List {
    /// The target's name
    name: String,
}

impl List {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let target = target(&state, &self.name).await?;
        let keys = state.public_keys(&target.id).await?;
        let lines: Vec<Value> = keys.iter().map(to_json).collect();
        let now = operate::now();
        context.output.print(&lines, || {
            let mut table = Table::new(["id", "type", "fingerprint", "state", "expires", "created"], "no public keys");
            for key in &keys {
                let (tone, word) = match (key.active, key.has_expired(now)) {
                    (true, false) => (Tone::Plain, "active"),
                    (true, true) => (Tone::Bad, "active, expired"),
                    (false, false) => (Tone::Dim, "inactive"),
                    (false, true) => (Tone::Dim, "expired"),
                };
                table.row(
                    tone,
                    [
                        key.id.to_string(),
                        key.kind.to_string(),
                        key.fingerprint.clone(),
                        word.to_owned(),
                        key.expires_at.map(time).unwrap_or_default(),
                        time(key.created_at),
                    ],
                );
            }
            table
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
