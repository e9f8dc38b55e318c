//! What the demo stands on: two SQLite files, and three targets in one execution.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use domain::{
    Condition, Execution, ExecutionTarget, Ordering, PayloadEncoding, PayloadMode, Position, SigningKey, Source, Start,
    Target, TargetId, TargetKind,
};
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
        let state = State::connect(&StateOptions { url: format!("sqlite://{}", state.display()) }).await?;
        state.migrate().await?;
        let targets: Vec<_> =
            receivers.all().iter().map(|receiver| target(receiver.name, &receiver.url(), &receivers.key)).collect();
        let execution = Execution {
            condition: Condition::All,
            instance: None,
            targets: targets.iter().map(|target| ExecutionTarget::Target(target.name.clone())).collect(),
            exclude: Vec::new(),
        };
        let change = DefinitionsChange { targets, executions: vec![execution], ..DefinitionsChange::default() };
        state.apply(&change, "demo").await?;
        Ok(Self { events, state })
    }
}

fn target(name: &str, url: &str, key: &SigningKey) -> Target {
    Target {
        id: TargetId::from(Uuid::new_v4().to_string()),
        name: name.into(),
        kind: TargetKind::Webhook,
        endpoint: url.parse().expect("a receiver has a URL"),
        timeout: Duration::from_secs(5),
        interrupt_on_error: false,
        signing_keys: vec![key.clone()],
        ordering: Ordering::Strict,
        max_in_flight: 1,
        start: Start::Beginning,
        start_position: Position::ZERO,
        headers: BTreeMap::new(),
        exclude: Vec::new(),
        payload: PayloadMode::Full,
        payload_encoding: PayloadEncoding::Base64,
        paused: false,
        source: Source::File,
    }
}
