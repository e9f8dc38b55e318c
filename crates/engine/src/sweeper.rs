//! The sweeper: removes every minute what retention says is kept no longer. What is due, and how it is removed without being
//! in anybody's way, is `store`'s business.

use domain::LogEvent;
use std::time::Duration;

use store::{Retention, State, Sweep};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::Status;

const EVERY: Duration = Duration::from_mins(1);

/// Sweeps until `stop`. Trouble of the database is told once, and the next minute is another try.
pub(crate) async fn run(state: &State, retention: &Retention, status: &Status, stop: &CancellationToken) {
    let mut trouble = false;
    loop {
        for what in Sweep::ALL {
            let swept = tokio::select! {
                () = stop.cancelled() => return,
                swept = state.sweep(what, retention) => swept,
            };
            match swept {
                Ok(removed) => {
                    if std::mem::take(&mut trouble) {
                        info!(event = LogEvent::RetentionRecovered.name(), "what is kept no longer is removed again");
                    }
                    if removed > 0 {
                        status.swept(what, removed);
                        debug!(what = what.as_str(), removed, "removed what is kept no longer");
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut trouble, true) {
                        warn!(
                            event = LogEvent::RetentionFailed.name(),
                            error = &error as &dyn std::error::Error,
                            "what is kept no longer cannot be removed; this is tried again every minute"
                        );
                    }
                    break;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(EVERY) => {}
        }
    }
}
