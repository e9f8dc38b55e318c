//! `postrider target key add NAME --file PEM`.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Args;
use domain::Timestamp;
use operate::Told;
use serde_json::json;
use store::{NewPublicKey, StoreError};

use super::{hint, target, to_json};
use crate::{
    commands::act::{How, told},
    context::Context,
    failure::usage,
};

/// Give a target a public key to encrypt its bodies for
///
/// RSA of 2048 bits at least, or on one of the curves P-256, P-384 and P-521; the private half stays with the receiver.
/// Nothing is encrypted for it until it is active, so that the receiver can be given the private half first.
#[derive(Args)]
pub struct Add {
    /// The target's name
    name: String,
    /// File with the key as PEM: BEGIN PUBLIC KEY, or BEGIN RSA PUBLIC KEY
    #[arg(long, value_name = "PEM")]
    file: PathBuf,
    /// From when on nothing is encrypted for it, with its offset (2025-03-27T10:00:00Z)
    #[arg(long, value_name = "TIME")]
    expires_at: Option<Timestamp>,
    /// Encrypt for it from now on, and no more for the one before
    #[arg(long)]
    activate: bool,
    #[command(flatten)]
    how: How,
}

impl Add {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let file = self.file.display();
        let bytes = fs::read(&self.file).with_context(|| format!("the key in {file}"))?;
        let pem = String::from_utf8_lossy(&bytes).into_owned();
        let state = context.state(&context.config()?).await?;
        let target = target(&state, &self.name).await?;
        let new = NewPublicKey { pem, expires_at: self.expires_at, active: self.activate };
        let actor = context.actor();
        let key = match state.add_public_key(&target.id, &new, self.how.by(&actor)).await {
            Ok(key) => key,
            Err(StoreError::PublicKey(error)) => return Err(usage(format!("the key in {file}: {error}"))),
            Err(error) => return Err(error.into()),
        };
        let next = if key.active {
            format!("and bodies are encrypted for it{}", hint(&target))
        } else {
            format!("and is not active: `postrider target key activate {} {}` encrypts for it", self.name, key.id)
        };
        // What a rehearsal has made is taken back, and its id with it.
        let id = (!self.how.dry_run).then_some(&key.id);
        let mut described = to_json(&key);
        described["id"] = json!(id);
        let value = json!({
            "target": target.name, "target_id": target.id, "key": described, "dry_run": self.how.dry_run
        });
        let sentence = match id {
            Some(id) => format!("the key {id} ({}, {}) is added to {}, {next}", key.kind, key.fingerprint, self.name),
            None => format!("the key ({}, {}) would be added to {}", key.kind, key.fingerprint, self.name),
        };
        told(context, &Told { answer: value, sentence, dry_run: self.how.dry_run })?;
        Ok(ExitCode::SUCCESS)
    }
}
