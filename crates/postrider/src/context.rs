//! What every command is given: where its config is, how to print, who is asking.

use std::env;

use anyhow::Context as _;
use operate::Caller;
use store::{EventStore, State};

use crate::{
    config::{Config, ConfigError, Sources},
    connect,
    output::Format,
    worker,
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

    /// Who asks: everything is theirs.
    pub fn caller(&self) -> Caller {
        Caller::at_the_command_line(self.actor())
    }

    /// For the audit: what `POSTRIDER_ACTOR` says, else the user and the host.
    #[expect(clippy::unused_self, reason = "commands ask their context, whatever it knows this from")]
    pub fn actor(&self) -> String {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
        set("POSTRIDER_ACTOR").unwrap_or_else(|| {
            // Who asked sudo is who acts.
            let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| set(name));
            format!("{}@{}", user.as_deref().unwrap_or("unknown"), worker::here().host)
        })
    }
}
