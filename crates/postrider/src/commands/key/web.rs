//! `postrider key rotate-web` and `postrider key list-web`: what JWTs are signed with.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use operate::Told;
use serde_json::{Value, json};
use store::{Overlap, PublishedKey, WebKeyState, jwks};

use crate::{
    commands::act::{How, told},
    context::Context,
    output::{Table, Tone, time},
};

/// Sign JWTs with a new key, which is published at once and used after a grace
///
/// Receivers keep the published keys for a while; the grace gives them the time to see the new one. The key before it stays
/// published for a day after its last use. No daemon needs a restart.
#[derive(Args)]
pub struct RotateWeb {
    /// How long the key before still signs, such as 15m
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = humantime::parse_duration)]
    grace: Duration,
    /// For keys that leaked, or that no master key opens: all keys before are worth nothing at once, and are published no more
    #[arg(long, conflicts_with = "grace")]
    replace: bool,
    #[command(flatten)]
    how: How,
}

impl RotateWeb {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let overlap = if self.replace { Overlap::None } else { Overlap::For(self.grace) };
        let actor = context.actor();
        let key = state.rotate_web_key(overlap, self.how.by(&actor)).await?;
        let from = match key.state {
            WebKeyState::Next => format!("from {} on", time(key.active_at)),
            WebKeyState::Active | WebKeyState::Retired => "from now on".to_owned(),
        };
        // What a rehearsal has made is taken back, and its id with it.
        let id = (!self.how.dry_run).then_some(&key.id);
        let mut value = to_json(&key);
        value["id"] = json!(id);
        value["dry_run"] = json!(self.how.dry_run);
        let sentence = match id {
            Some(id) => format!("JWTs are signed with the key {id} {from}; it is published"),
            None => format!("JWTs would be signed with another key {from}"),
        };
        told(context, &Told { answer: value, sentence, dry_run: self.how.dry_run })?;
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args)]
pub struct ListWeb {
    /// Print them as receivers are given them: a set of JSON Web Keys (RFC 7517)
    #[arg(long)]
    jwks: bool,
}

impl ListWeb {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let keys = state.web_keys().await?;
        if self.jwks {
            let set = jwks(&keys);
            context.output.tell(&set, &serde_json::to_string_pretty(&set)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let lines: Vec<Value> = keys.iter().map(to_json).collect();
        context.output.print(&lines, || {
            let mut table = Table::new(
                ["id", "state", "used from", "used until", "created"],
                "no web keys; a daemon makes the first one when a target sends JWT or JWE",
            );
            for key in &keys {
                let tone = if key.state == WebKeyState::Retired { Tone::Dim } else { Tone::Plain };
                table.row(
                    tone,
                    [
                        key.id.to_string(),
                        key.state.as_str().to_owned(),
                        time(key.active_at),
                        key.retired_at.map(time).unwrap_or_default(),
                        time(key.created_at),
                    ],
                );
            }
            table
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

fn to_json(key: &PublishedKey) -> Value {
    json!({
        "id": key.id,
        "state": key.state.as_str(),
        "active_at": key.active_at,
        "retired_at": key.retired_at,
        "created_at": key.created_at,
        "public_key": key.pem,
    })
}
