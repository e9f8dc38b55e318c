//! The definitions as a daemon takes them up: where bodies are to be signed as JWT, with a key to sign them with.

use domain::{Definitions, LogEvent};
use store::{State, StoreError, WorkerId};
use tracing::info;

/// Reads them. The first web key is made when somebody needs it, by whichever daemon comes first.
pub(super) async fn read(state: &State, worker: &WorkerId) -> Result<Definitions, StoreError> {
    let definitions = state.definitions().await?;
    if !definitions.lack_a_web_key() {
        return Ok(definitions);
    }
    if state.ensure_web_key(worker.0.as_str()).await? {
        info!(
            event = LogEvent::WebKeyCreated.name(),
            "made the first key to sign JWTs with; `postrider key list-web` shows it"
        );
    }
    state.definitions().await
}
