//! `postrider verify`: checks the signature of one request, as a receiver does.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;
use domain::SigningKey;
use serde_json::json;

use crate::{
    config::RawSecret,
    context::Context,
    failure::{FAILED, usage},
};

/// Where a signing key is.
#[derive(Args)]
#[group(required = true, multiple = true)]
pub struct Keys {
    /// Environment variable with a signing key; may be given more than once
    #[arg(long, value_name = "NAME")]
    key_env: Vec<String>,
    /// File with a signing key; may be given more than once
    #[arg(long, value_name = "FILE")]
    key_file: Vec<PathBuf>,
    /// A signing key itself, for all to see who can list processes; may be given more than once
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
}

impl Keys {
    pub fn fetch(self) -> anyhow::Result<Vec<SigningKey>> {
        let named = (self.key_env.into_iter().map(RawSecret::Env))
            .chain(self.key_file.into_iter().map(RawSecret::File))
            .chain(self.key.into_iter().map(RawSecret::Plain));
        named
            .map(|secret| {
                secret.fetch().map(SigningKey::from).map_err(|error| usage(format!("the signing key: {error}")))
            })
            .collect()
    }
}

#[derive(Args)]
pub struct Verify {
    /// The value of the header ZITADEL-Signature
    #[arg(long, value_name = "t=…,v1=…")]
    header: String,
    /// File with the body, byte for byte; standard input if left out or -
    #[arg(value_name = "BODY")]
    body: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
    /// How far the time of the signature may be from now
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    tolerance: Duration,
}

impl Verify {
    #[expect(clippy::unused_async, reason = "every command has the same shape")]
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let keys = self.keys.fetch()?;
        let body = read(self.body.as_deref())?;
        let now = operate::now().as_second();
        let (code, error) = match domain::verify(&self.header, &body, &keys, now, self.tolerance) {
            Ok(()) => (0, None),
            Err(error) => (FAILED, Some(error.to_string())),
        };
        let sentence = error.clone().unwrap_or_else(|| "the signature is right".to_owned());
        context.output.tell(&json!({ "valid": error.is_none(), "error": error }), &sentence)?;
        Ok(ExitCode::from(code))
    }
}

fn read(file: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    match file {
        Some(path) if path != Path::new("-") => {
            fs::read(path).with_context(|| format!("the body in {}", path.display()))
        }
        _ => {
            let mut body = Vec::new();
            io::stdin().read_to_end(&mut body).context("the body on standard input")?;
            Ok(body)
        }
    }
}
