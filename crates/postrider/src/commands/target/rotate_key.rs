//! `postrider target rotate-key NAME`.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use domain::{SigningKey, Timestamp};
use operate::{Edit, Keys};
use serde_json::json;
use store::State;

use super::settings;
use crate::{
    commands::edited,
    config::{COMMAND_LINE, RawSecret},
    context::Context,
    failure::usage,
    output::time,
};

/// A new signing key for a target, beside the old one for a while
///
/// Both keys sign every call until the grace is over, and the old one no more from then on: no daemon needs a restart.
/// Give the new key to what receives the calls within that time.
#[derive(Args)]
pub struct RotateKey {
    /// The target's name
    name: String,
    /// How long the old key still signs, such as 24h; 0s ends it at once
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration)]
    grace: Duration,
    /// File with the new key; one is generated and shown once if left out
    #[arg(long, value_name = "FILE")]
    signing_key_file: Option<PathBuf>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl RotateKey {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let generated = self.signing_key_file.is_none().then(operate::new_signing_key);
        let key = self.key(generated.as_deref())?;
        let state = context.state(&config).await?;
        // What ends at once need not be readable: the way out when a master key is lost.
        let keys = if self.grace.is_zero() { Keys::ThatOpen } else { Keys::All };
        let (files, caller) = (config.definitions.files(&config.origin), context.caller());
        let edit = Edit::begin(&state, &files, &caller, COMMAND_LINE, keys, self.dry_run).await?;
        let mut target = edit.target(&self.name)?.clone();
        if target.signing_keys.iter().any(|known| known.as_bytes() == key.as_bytes()) {
            return Err(usage(format!("{} is signed with this key already; another one is needed", self.name)));
        }
        let until = if target.signing_keys.is_empty() { None } else { self.until(&state).await? };
        target.rotate_key(key, until);
        let plan = edit.update(target)?;
        edited::carry_out(context, &state, &plan, self.dry_run).await?;
        let shown = generated.filter(|_| !self.dry_run);
        let mut notes = settings::shown_once(shown.as_deref());
        notes.push(match until {
            Some(until) => format!("The key before it signs until {}, beside the new one.", time(until)),
            None => "The key before it signs no more.".to_owned(),
        });
        let about = json!({ "target": self.name, "signing_key": shown, "previous_expires_at": until });
        edited::tell(context, &plan, self.dry_run, about, &notes)
    }

    fn key(&self, generated: Option<&str>) -> anyhow::Result<SigningKey> {
        match (&self.signing_key_file, generated) {
            (Some(file), _) => {
                let text = RawSecret::File(file.clone()).fetch();
                text.map(SigningKey::from).map_err(|error| usage(format!("the signing key: {error}")))
            }
            (None, text) => Ok(text.unwrap_or_default().into()),
        }
    }

    /// When the old key ends, by the clock of the state's database.
    async fn until(&self, state: &State) -> anyhow::Result<Option<Timestamp>> {
        if self.grace.is_zero() {
            return Ok(None);
        }
        let until = state.now().await?.checked_add(self.grace);
        until.map(Some).map_err(|_| usage("--grace is longer than there are dates; give a shorter one, such as 24h"))
    }
}
