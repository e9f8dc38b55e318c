//! Reading: defaults, then the file, then the environment, then flags.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
    value::{Dict, Value},
};

use super::{
    problem::{ConfigError, Problem},
    raw::RawConfig,
};

/// The file that is looked for when none is named.
pub const DEFAULT_FILE: &str = "postrider.toml";
const PREFIX: &str = "POSTRIDER_";
/// What figment calls our environment provider, so that an error can say where a value comes from.
pub const ENVIRONMENT: &str = "`POSTRIDER_` environment variable(s)";

/// Where to read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Named by `--config`: it must be there. Otherwise [`DEFAULT_FILE`], which need not be.
    pub file: Option<PathBuf>,
    /// Dotted key and value, from flags.
    pub flags: Vec<(&'static str, String)>,
}

impl Sources {
    /// How the file is called in messages.
    pub fn origin(&self) -> String {
        self.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE)).display().to_string()
    }

    /// Everything merged, not yet checked against itself.
    pub fn read(&self) -> Result<RawConfig, ConfigError> {
        let origin = self.origin();
        let text = match (&self.file, fs::read_to_string(self.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE)))) {
            (_, Ok(text)) => text,
            (None, Err(error)) if error.kind() == io::ErrorKind::NotFound => String::new(),
            (_, Err(error)) => return Err(unreadable(&origin, &error, "name another with --config")),
        };
        let mut table = parse(&origin, &text)?;
        let environment = environment()?;
        for (section, key) in SECRETS {
            forget_overridden(&mut table, section, key, &environment);
        }
        let mut figment = Figment::from(Toml::string(&table.to_string())).merge(environment_provider());
        for (key, value) in &self.flags {
            figment = figment.merge(Serialized::default(key, value));
        }
        figment.extract().map_err(|error| ConfigError::reading(error, &origin))
    }
}

/// A file by itself, without the environment.
pub fn read_file(path: &Path) -> Result<RawConfig, ConfigError> {
    let origin = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| unreadable(&origin, &error, "name another"))?;
    read_text(&origin, &text)
}

/// The text of a file by itself.
pub fn read_text(origin: &str, text: &str) -> Result<RawConfig, ConfigError> {
    parse(origin, text)?;
    Figment::from(Toml::string(text)).extract().map_err(|error| ConfigError::reading(error, origin))
}

fn unreadable(origin: &str, error: &io::Error, remedy: &str) -> ConfigError {
    let what = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        kind => format!("the file cannot be read ({kind})"),
    };
    ConfigError::whole(origin, format!("{what}; {remedy}"))
}

/// Syntax first, and without the line itself in the message: it may hold a secret.
fn parse(origin: &str, text: &str) -> Result<toml::Table, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        ConfigError::whole(origin, format!("line {line} is no TOML: {}", error.message()))
    })
}

/// What may be said in three ways: itself, with `_env` or with `_file`.
const SECRETS: [(&str, &str); 4] =
    [("event_store", "url"), ("state", "url"), ("state", "master_key"), ("state", "previous_master_key")];

/// A `url_file` in the environment stands instead of a `url` in the file, not beside it.
fn forget_overridden(table: &mut toml::Table, section: &str, key: &str, environment: &Dict) {
    let ways = ["", "_env", "_file"].map(|way| format!("{key}{way}"));
    let Some(Value::Dict(_, set)) = environment.get(section) else { return };
    if !ways.iter().any(|key| set.contains_key(key)) {
        return;
    }
    if let Some(toml::Value::Table(section)) = table.get_mut(section) {
        for key in ways {
            section.remove(&key);
        }
    }
}

fn environment_provider() -> Env {
    Env::prefixed(PREFIX)
        .filter(|key| key.as_str().contains("__") || key.as_str().eq_ignore_ascii_case("shutdown_grace"))
        .split("__")
}

/// What the environment sets.
///
/// Variables without `__` that look like a section are refused as slips of the pen. Others are none of ours: Kubernetes
/// sets `POSTRIDER_PORT` and its like beside a service of that name.
fn environment() -> Result<Dict, ConfigError> {
    const SECTIONS: [&str; 11] = [
        "EVENT_STORE",
        "STATE",
        "PROJECTION",
        "LEDGER",
        "LEASE",
        "DELIVERY",
        "ADMIN",
        "LOG",
        "TRACES",
        "RETENTION",
        "DEFINITIONS",
    ];
    for (name, _) in env::vars_os() {
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        if let Some((section, key)) = (SECTIONS.iter())
            .filter(|_| !rest.contains("__"))
            .find_map(|section| Some((section, rest.strip_prefix(section)?.strip_prefix('_')?)))
        {
            let text = format!("sections and keys stand two underscores apart; is {PREFIX}{section}__{key} meant?");
            return Err(ConfigError {
                origin: "the environment".to_owned(),
                problems: vec![Problem { path: format!("{PREFIX}{rest}"), text }],
            });
        }
    }
    let read = Figment::from(environment_provider()).extract::<Dict>();
    read.map_err(|error| ConfigError::reading(error, "the environment"))
}
