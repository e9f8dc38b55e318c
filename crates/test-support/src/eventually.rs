//! Waiting for something by looking at it, never by guessing how long it takes.

use std::time::{Duration, Instant};

/// How long [`eventually`] waits.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Looks again and again until there is an answer, for half a minute at most.
///
/// `what` completes the sentence "after 30 s it is still not so that …".
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look).await
}

/// As [`eventually`], with another patience.
pub async fn eventually_within<T>(patience: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        // A look that hangs is a failure too.
        let rest = patience.saturating_sub(started.elapsed());
        match tokio::time::timeout(rest, look()).await {
            Ok(Some(answer)) => return answer,
            Ok(None) if started.elapsed() < patience => tokio::time::sleep(Duration::from_millis(10)).await,
            _ => panic!("after {patience:?} it is still not so that {what}"),
        }
    }
}
