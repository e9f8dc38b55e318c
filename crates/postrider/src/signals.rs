//! How a process that runs until it is told to end is told: softly by the first signal, at once by the second.

use domain::LogEvent;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Lets the work run. A first signal cancels `stop` and waits for the work's own end; at a second one the work is dropped,
/// which is `None`.
pub async fn until_stopped<T>(work: impl Future<Output = T>, stop: &CancellationToken) -> anyhow::Result<Option<T>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => return Ok(Some(done)),
        () = either(&mut interrupt, &mut terminate) => {}
    }
    info!(
        event = LogEvent::DaemonStopping.name(),
        "stopping: calls in flight are finished; a second signal stops at once"
    );
    stop.cancel();
    tokio::select! {
        done = &mut work => Ok(Some(done)),
        () = either(&mut interrupt, &mut terminate) => {
            warn!(event = LogEvent::DaemonCutShort.name(), "stopped at once; what was not committed is sent again at the next start");
            Ok(None)
        }
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
