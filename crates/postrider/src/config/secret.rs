//! Secrets and where they are kept: in the file itself, in an environment variable, or in a file of their own.
//!
//! A secret is fetched by the commands that need it, so that an operator can look at cursors without the signing keys.
//! No error repeats a secret.

use std::{env, fmt, fs, marker::PhantomData, path::PathBuf};

use serde::{Deserialize, Deserializer};

use super::words::StringOr;

/// Where a secret is.
#[derive(Clone, PartialEq)]
pub enum RawSecret {
    Plain(String),
    Env(String),
    File(PathBuf),
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the environment variable {0} is not set; set it, or name the one that holds the secret")]
    Unset(String),
    #[error("the environment variable {0} is not valid UTF-8; secrets are text")]
    NotText(String),
    #[error(
        "the file {path} cannot be read ({reason}); make sure that it is there and readable for the user that runs postrider"
    )]
    File { path: PathBuf, reason: String },
    #[error("it is empty; put the secret there")]
    Empty,
}

impl RawSecret {
    /// The secret itself. Of a file the newline at the end does not count.
    pub fn fetch(&self) -> Result<String, SecretError> {
        let text = match self {
            Self::Plain(text) => text.clone(),
            Self::Env(name) => env::var(name).map_err(|error| match error {
                env::VarError::NotPresent => SecretError::Unset(name.clone()),
                env::VarError::NotUnicode(_) => SecretError::NotText(name.clone()),
            })?,
            Self::File(path) => fs::read_to_string(path)
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|error| SecretError::File { path: path.clone(), reason: error.kind().to_string() })?,
        };
        if text.is_empty() { Err(SecretError::Empty) } else { Ok(text) }
    }
}

impl<'de> Deserialize<'de> for RawSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Place {
            env: Option<String>,
            file: Option<PathBuf>,
        }
        deserializer.deserialize_any(StringOr::<Place, Self> {
            expecting: "a string in quotes, { env = \"NAME\" } or { file = \"PATH\" }",
            text: |text| Self::Plain(text.to_owned()),
            table: |place| match (place.env, place.file) {
                (Some(name), None) => Ok(Self::Env(name)),
                (None, Some(path)) => Ok(Self::File(path)),
                _ => Err("exactly one of { env = \"NAME\" } and { file = \"PATH\" } is needed"),
            },
            marker: PhantomData,
        })
    }
}

/// Says where it is, never what it is.
impl fmt::Debug for RawSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("(secret)"),
            Self::Env(name) => write!(f, "(secret in the environment variable {name})"),
            Self::File(path) => write!(f, "(secret in {})", path.display()),
        }
    }
}
