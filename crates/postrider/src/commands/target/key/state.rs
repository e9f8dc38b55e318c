//! `postrider target key activate | deactivate | remove NAME ID`.

use std::process::ExitCode;

use clap::Args;
use domain::{PayloadType, PublicKey, Target};
use operate::Told;
use serde_json::json;
use store::{State, StoreError};

use super::{hint, target, to_json};
use crate::{
    commands::act::{How, told},
    context::Context,
    failure::usage,
};

/// Encrypt a target's bodies for this key from now on, and no more for the one before
///
/// A target that waits for a key goes on at once.
#[derive(Args)]
pub struct Activate {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    how: How,
}

/// Encrypt nothing for this key any more; a target that sends JWE waits until another is active
#[derive(Args)]
pub struct Deactivate {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    how: How,
}

/// Forget a public key that is not active
#[derive(Args)]
pub struct Remove {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
struct Which {
    /// The target's name
    name: String,
    /// The key's id, as `target key list` shows it
    id: String,
}

impl Which {
    async fn open(&self, context: &Context) -> anyhow::Result<(State, Target)> {
        let state = context.state(&context.config()?).await?;
        let target = target(&state, &self.name).await?;
        Ok((state, target))
    }

    fn unknown(&self) -> anyhow::Error {
        usage(format!(
            "{} has no public key {:?}; `postrider target key list {}` shows those it has",
            self.name, self.id, self.name
        ))
    }

    fn known(&self, key: Result<PublicKey, StoreError>) -> anyhow::Result<PublicKey> {
        match key {
            Err(StoreError::NoPublicKey { .. }) => Err(self.unknown()),
            key => Ok(key?),
        }
    }

    fn told(&self, context: &Context, how: &How, key: &PublicKey, sentence: &str) -> anyhow::Result<ExitCode> {
        let value = json!({ "target": self.name, "key": to_json(key), "dry_run": how.dry_run });
        told(context, &Told { answer: value, sentence: sentence.to_owned(), dry_run: how.dry_run })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Activate {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let (state, target) = self.which.open(context).await?;
        let (id, actor) = (self.which.id.as_str().into(), context.actor());
        let key = state.activate_public_key(&target.id, &id, self.how.by(&actor)).await;
        let key = self.which.known(key)?;
        let verb = if self.how.dry_run { "would be" } else { "are" };
        let sentence = format!("bodies for {} {verb} encrypted for the key {id}{}", target.name, hint(&target));
        self.which.told(context, &self.how, &key, &sentence)
    }
}

impl Deactivate {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let (state, target) = self.which.open(context).await?;
        let (id, actor) = (self.which.id.as_str().into(), context.actor());
        let key = state.deactivate_public_key(&target.id, &id, self.how.by(&actor)).await;
        let key = self.which.known(key)?;
        let verb = if self.how.dry_run { "would be" } else { "is" };
        let waits = if target.payload_type == PayloadType::Jwe {
            format!("; {} holds its events until a key is active", target.name)
        } else {
            String::new()
        };
        let sentence = format!("nothing {verb} encrypted for the key {id} any more{waits}");
        self.which.told(context, &self.how, &key, &sentence)
    }
}

impl Remove {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let (state, target) = self.which.open(context).await?;
        let (id, actor) = (self.which.id.as_str().into(), context.actor());
        if !state.remove_public_key(&target.id, &id, self.how.by(&actor)).await? {
            return Err(self.which.unknown());
        }
        let verb = if self.how.dry_run { "would be" } else { "is" };
        let value = json!({
            "target": target.name, "id": id, "removed": !self.how.dry_run, "dry_run": self.how.dry_run
        });
        let sentence = format!("the key {id} of {} {verb} removed", target.name);
        told(context, &Told { answer: value, sentence, dry_run: self.how.dry_run })?;
        Ok(ExitCode::SUCCESS)
    }
}
