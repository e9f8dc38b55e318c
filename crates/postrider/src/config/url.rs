//! URLs of databases: what may be said about them in public, and where the state is when nobody says.

use std::{fmt, path::PathBuf};

use url::Url;

/// A `postgres://` or `sqlite://` URL. Prints as a place, without user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Checked for its scheme only; what else is wrong with it, connecting will say.
    pub fn parse(text: String) -> Result<Self, &'static str> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        match scheme {
            Some("postgres" | "postgresql") if Url::parse(&text).is_err() => {
                Err("the URL does not parse; a password with special characters must be percent-encoded in it")
            }
            Some("sqlite") if text.len() == "sqlite://".len() => {
                Err("the URL names no file; sqlite:///dir/events.db does")
            }
            Some("postgres" | "postgresql" | "sqlite") => Ok(Self(text)),
            _ => Err("the URL must begin with postgres:// or sqlite://"),
        }
    }

    /// The whole URL, for whoever connects.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The file, for SQLite.
    pub fn sqlite_path(&self) -> Option<PathBuf> {
        let path = self.0.strip_prefix("sqlite://")?;
        Some(PathBuf::from(path.split_once('?').map_or(path, |(path, _)| path)))
    }

    /// Where the state is if the config does not say: the same PostgreSQL database, or a SQLite file beside the events.
    pub fn default_state(&self) -> Self {
        let Some(path) = self.sqlite_path() else { return self.clone() };
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let extension = path.extension().map_or_else(|| "db".into(), |extension| extension.to_string_lossy());
        let beside = path.with_file_name(format!("{stem}.state.{extension}"));
        Self(format!("sqlite://{}", beside.display()))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(url) = Url::parse(&self.0) else { return f.write_str("sqlite://…") };
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        write!(f, "{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
