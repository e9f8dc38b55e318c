//! What every command is given: where its config is, how to print, who is asking.

use std::env;

use anyhow::Context as _;
use domain::{Definitions, Target};
use store::{EventStore, State};

use crate::{
    commands::run::here,
    config::{Config, ConfigError, Sources, nearest},
    connect,
    failure::usage,
    output::Format,
};

/// See the module.
pub struct Context {
    /// Where the config is read.
    pub sources: Sources,
    /// How results are printed.
    pub output: Format,
}

impl Context {
    /// Nothing is read yet.
    pub fn new(sources: Sources, output: Format) -> Self {
        Self { sources, output }
    }

    /// Read and checked anew.
    pub fn config(&self) -> Result<Config, ConfigError> {
        Config::load(&self.sources)
    }

    /// The state, whose tables are there.
    pub async fn state(&self, config: &Config) -> anyhow::Result<State> {
        let state = connect::state(config).await?;
        state.check_schema().await.with_context(|| format!("the state at {} cannot be used", config.state))?;
        Ok(state)
    }

    /// The event store.
    pub async fn events(&self, config: &Config) -> anyhow::Result<EventStore> {
        connect::events(config).await
    }

    /// For the audit: what `POSTRIDER_ACTOR` says, else the user and the host.
    #[expect(clippy::unused_self, reason = "commands ask their context, whatever it knows this from")]
    pub fn actor(&self) -> String {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
        set("POSTRIDER_ACTOR").unwrap_or_else(|| {
            // Who asked sudo is who acts.
            let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| set(name));
            format!("{}@{}", user.as_deref().unwrap_or("unknown"), here().host)
        })
    }
}

/// The target of this name, or a sentence with the name that was probably meant.
pub fn target_named<'a>(definitions: &'a Definitions, name: &str) -> anyhow::Result<&'a Target> {
    definitions.targets.iter().find(|target| target.name.as_str() == name).ok_or_else(|| {
        let known = definitions.targets.iter().map(|target| target.name.as_str());
        let hint = nearest(name, known).map_or_else(
            || "`postrider target list` shows those that are".to_owned(),
            |near| format!("is {near:?} meant?"),
        );
        usage(format!("there is no target {name:?}; {hint}"))
    })
}
