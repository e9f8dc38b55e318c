//! What the config defines is put in force at the start, as `apply` would, and nothing is removed.

use domain::{DefinitionError, LogEvent};
use operate::{Mode, OperateError, Plan};
use store::{EventStore, State, StoreError};
use tracing::{info, warn};

use crate::config::Config;

/// How often definitions are planned again because other daemons were faster.
const DEFINE_AGAIN: u32 = 10;

/// Puts what the config defines in force. Never removes anything: other daemons may have other files.
pub(super) async fn define(config: &Config, events: &EventStore, state: &State) -> anyhow::Result<()> {
    if config.definitions.targets.is_empty() && config.definitions.executions.is_empty() {
        return Ok(());
    }
    let plan = carried_out(config, events, state).await?;
    for warning in &plan.warnings {
        warn!(event = LogEvent::DefinitionsWarning.name(), "{warning}");
    }
    for change in &plan.changes {
        info!(
            event = LogEvent::DefinitionsApplied.name(),
            what = change.what,
            name = change.name,
            details = change.details.join(", "),
            "{}",
            change.change
        );
    }
    tell_what_is_not_in_the_file(config, state).await
}

/// Daemons that are started together may have one file, and find one state without targets: what another has created
/// meanwhile is looked at again.
async fn carried_out(config: &Config, events: &EventStore, state: &State) -> anyhow::Result<Plan> {
    let mode = Mode { prune: false, dry_run: false, replace_keys: false };
    let files = config.definitions.files(&config.origin);
    let mut tries = 0;
    loop {
        let plan = Plan::of_file(&files, config.definitions.drafts(&config.origin)?, mode, (events, state)).await?;
        match plan.carry_out(state, &format!("file:{}", config.origin)).await {
            Ok(()) => return Ok(plan),
            Err(error) if tries < DEFINE_AGAIN && was_created_meanwhile(&error) => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

fn was_created_meanwhile(error: &OperateError) -> bool {
    matches!(error, OperateError::Unchanged(StoreError::Definition(DefinitionError::DuplicateTarget(_))))
}

/// What a file defined once stays in force without it, which should surprise nobody.
async fn tell_what_is_not_in_the_file(config: &Config, state: &State) -> anyhow::Result<()> {
    for gone in Plan::what_is_gone(&config.definitions.files(&config.origin), &state.definitions().await?) {
        warn!(
            event = LogEvent::DefinitionsNotInFile.name(),
            "the {} {} came from a file and is not in {}; it stays in force until `postrider apply --prune` with a file without it",
            gone.what,
            gone.name,
            config.origin
        );
    }
    Ok(())
}
