//! What the demo stands on: two SQLite files, and three targets in one execution.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use domain::{Condition, Execution, ExecutionTarget, SigningKey, Source, Target, TargetId};
use store::{DefinitionsChange, EventStore, State, StateOptions};
use uuid::Uuid;

use super::receivers::Receivers;

/// The files, opened.
pub struct Stage {
    pub events: EventStore,
    pub state: State,
}

impl Stage {
    /// Makes the files, and a config beside them if they are to be looked at afterwards.
    pub async fn set(folder: &Path, receivers: &Receivers, kept: bool) -> anyhow::Result<Self> {
        let (events, state) = (folder.join("events.db"), folder.join("events.state.db"));
        for file in [&events, &state] {
            if file.exists() {
                bail!("{} is there already; name another folder, or remove it", file.display());
            }
        }
        if kept {
            let config = folder.join("postrider.toml");
            let text = format!(
                "[event_store]\nurl = \"sqlite://{}\"\n[delivery.egress]\nallow = [\"127.0.0.1\"]\n",
                events.display()
            );
            fs::write(&config, text).with_context(|| format!("{} cannot be written", config.display()))?;
        }
        let events = EventStore::create_sqlite(&events).await?;
        let state = State::connect(&StateOptions::new(format!("sqlite://{}", state.display()))).await?;
        state.migrate().await?;
        let targets: Vec<_> =
            receivers.all().iter().map(|receiver| target(receiver.name, &receiver.url(), &receivers.key)).collect();
        let execution = Execution {
            condition: Condition::All,
            instance: None,
            targets: targets.iter().map(|target| ExecutionTarget::Target(target.name.clone())).collect(),
            exclude: Vec::new(),
            source: Source::File,
        };
        let change = DefinitionsChange { targets, executions: vec![execution], ..DefinitionsChange::default() };
        state.apply(&change, "demo").await?;
        Ok(Self { events, state })
    }
}

fn target(name: &str, url: &str, key: &SigningKey) -> Target {
    let (id, endpoint) = (TargetId::from(Uuid::new_v4().to_string()), url.parse().expect("a receiver has a URL"));
    Target {
        timeout: Duration::from_secs(5),
        signing_keys: vec![key.clone()],
        source: Source::File,
        ..Target::new(id, name.into(), endpoint)
    }
}
