//! The whole thing in one process, on SQLite, with nothing else needed: a store that is written to, the daemon, three
//! receivers of which two misbehave, and an account of what arrived.
//!
//! What it deliberately does not do: stand in for the tests. It shows the main job, and fails if that fails.

mod receivers;
mod show;
mod stage;
mod tally;
mod writer;

use std::{path::Path, sync::Arc, time::Duration};

use engine::{Engine, Options, Parts};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use webhook::{Deliverer, DeliveryOptions};

use crate::worker;
use receivers::Receivers;
use show::Show;
use stage::Stage;
pub use tally::Tally;
use writer::Writer;

/// What to play.
#[derive(Clone, Copy, Debug)]
pub struct Play {
    /// How many events; `None` until stopped.
    pub events: Option<u64>,
    /// Events a second.
    pub rate: u32,
}

/// How long everything that was written may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// Plays in this folder until every event has arrived, patience is over, or it is stopped.
pub async fn play(play: Play, folder: &Path, kept: bool, stop: CancellationToken) -> anyhow::Result<Tally> {
    let receivers = Receivers::open()?;
    let stage = Stage::set(folder, &receivers, kept).await?;
    let loopback = vec!["127.0.0.1".parse().expect("an address is an exception")];
    let deliverer = Deliverer::new(&DeliveryOptions { egress: loopback, ..DeliveryOptions::default() })?;
    let parts = Parts {
        events: stage.events.clone(),
        state: stage.state.clone(),
        deliverer,
        worker: worker::id(),
        info: worker::here(),
    };
    // Impatient, so that a short play shows retries and the end of a hold.
    let mut options = Options { retry_failed_after: Duration::from_millis(20), ..Options::default() };
    options.policy.max_retry_interval = Duration::from_secs(1);
    let engine = Engine::new(parts, options, Arc::default());

    let (daemon_stop, receivers_stop) = (CancellationToken::new(), CancellationToken::new());
    let daemon = async {
        let done = engine.run(daemon_stop.clone()).await;
        // The receivers answer until the last call is made.
        receivers_stop.cancel();
        stop.cancel();
        anyhow::Ok(done?)
    };
    let writer = Writer::new(stage.events.clone(), play);
    let act = async {
        let mut show = Show::new(stage.state.clone(), &receivers);
        let written = tokio::select! {
            written = writer.write(&receivers.journal, &stop) => written?,
            done = show.go_on() => return done,
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            if receivers.journal.everybody_has(written) {
                break;
            }
            tokio::select! {
                () = sleep(Duration::from_millis(20)) => {}
                () = sleep_until(deadline) => break,
                done = show.go_on() => return done,
            }
        }
        daemon_stop.cancel();
        show.end().await
    };
    let play = async {
        let done = act.await;
        daemon_stop.cancel();
        done
    };
    tokio::try_join!(daemon, receivers.serve(receivers_stop.clone()), play)?;
    receivers.journal.tally(&stage.state).await
}
