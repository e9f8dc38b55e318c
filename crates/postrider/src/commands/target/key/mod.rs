//! `postrider target key …`: the public keys that a target's bodies are encrypted for.

mod add;
mod list;
mod state;

use std::process::ExitCode;

use clap::Subcommand;
use domain::{PublicKey, Target};
use operate::target_named;
use serde_json::{Value, json};
use store::State;

use crate::context::Context;

#[derive(Subcommand)]
pub enum KeyCommand {
    Add(add::Add),
    /// The public keys of a target, the oldest first
    List(list::List),
    Activate(state::Activate),
    Deactivate(state::Deactivate),
    Remove(state::Remove),
}

impl KeyCommand {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::Add(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Activate(command) => command.run(context).await,
            Self::Deactivate(command) => command.run(context).await,
            Self::Remove(command) => command.run(context).await,
        }
    }
}

/// A target by its name. Keys that do not open are nothing to these commands.
async fn target(state: &State, name: &str) -> anyhow::Result<Target> {
    let definitions = state.definitions_that_open().await?.0;
    Ok(target_named(&definitions, name)?.clone())
}

fn to_json(key: &PublicKey) -> Value {
    json!({
        "id": key.id,
        "type": key.kind.to_string(),
        "fingerprint": key.fingerprint,
        "active": key.active,
        "expired": key.has_expired(operate::now()),
        "expires_at": key.expires_at,
        "created_at": key.created_at,
        "changed_at": key.changed_at,
        "public_key": key.pem,
    })
}

/// What an operator may have forgotten who has just activated a key.
fn hint(target: &Target) -> String {
    match target.payload_type {
        domain::PayloadType::Jwe => String::new(),
        domain::PayloadType::Json | domain::PayloadType::Jwt => format!(
            "; its bodies are not encrypted yet, which payload_type = \"jwe\" changes (`postrider target update {} \
             --payload-type jwe`, or its file)",
            target.name
        ),
    }
}
