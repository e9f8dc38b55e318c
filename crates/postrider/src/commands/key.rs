//! `postrider key …`: what stored keys are encrypted with, and what JWTs are signed with.

mod web;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::{context::Context, failure::usage};

#[derive(Subcommand)]
pub enum KeyCommand {
    RotateMaster(RotateMaster),
    RotateWeb(web::RotateWeb),
    /// The keys that JWTs are signed with, and those that receivers may still verify with
    ListWeb(web::ListWeb),
}

impl KeyCommand {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::RotateMaster(command) => command.run(context).await,
            Self::RotateWeb(command) => command.run(context).await,
            Self::ListWeb(command) => command.run(context).await,
        }
    }
}

/// Encrypt every stored signing key with the master key of the config
///
/// To encrypt keys for the first time: set state.master_key, restart the daemons, run this.
///
/// To change the master key:
/// 1. set the new one as state.master_key and the old one as state.previous_master_key, for every daemon and command;
/// 2. restart the daemons;
/// 3. run this;
/// 4. remove state.previous_master_key.
///
/// Either all keys are encrypted anew or none. Receivers see nothing of it: the signing keys themselves stay.
///
/// Where a master key is lost, so are the signing keys under it. Others take their place: for a file's targets by
/// `postrider apply -f FILE --replace-keys`, for others by `postrider target rotate-key NAME --grace 0s`, and for what
/// JWTs are signed with by `postrider key rotate-web --replace`.
#[derive(Args)]
#[command(verbatim_doc_comment)]
#[expect(clippy::doc_markdown, reason = "a terminal prints it, backticks and all")]
pub struct RotateMaster {
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl RotateMaster {
    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        if config.masters.current.is_none() {
            return Err(usage(
                "there is no master key to encrypt with; set state.master_key, state.master_key_env or state.master_key_file",
            ));
        }
        let state = context.state(&config).await?;
        let done = state.rotate_master(self.dry_run, &context.actor()).await?;
        let rotated = done.plain + done.previous;
        let value = json!({
            "master_key": done.master.to_string(),
            "rotated": rotated,
            "plain": done.plain,
            "previous": done.previous,
            "unchanged": done.unchanged,
            "dry_run": self.dry_run,
        });
        let keys = if rotated == 1 { "1 signing key".to_owned() } else { format!("{rotated} signing keys") };
        let verb = match (self.dry_run, rotated) {
            (true, _) => "would be",
            (false, 1) => "is",
            (false, _) => "are",
        };
        let sentence = format!(
            "{keys} {verb} encrypted anew with the master key {} ({} stood as they were, {} were under the previous one; {} had it already)",
            done.master, done.plain, done.previous, done.unchanged
        );
        context.output.tell(&value, &sentence)?;
        Ok(ExitCode::SUCCESS)
    }
}
