//! `postrider listen`: a receiver to try things with. It verifies each request and prints its event in one line.

mod received;
mod wrapped;

use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context as _;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use clap::Args;
use domain::SigningKey;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::received::{Journal, Received};
use super::verify::Keys;
use crate::{
    context::Context,
    output::{Format, say},
    signals::until_stopped,
};

#[derive(Args)]
pub struct Listen {
    /// Address to listen on
    #[arg(long = "listen", value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    address: SocketAddr,
    #[command(flatten)]
    keys: Keys,
    /// How far the time of a signature may be from now
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    tolerance: Duration,
    /// Answer every Nth request with status 500, to see retries
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    fail_every: Option<u64>,
}

impl Listen {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let listener =
            TcpListener::bind(self.address).await.with_context(|| format!("cannot listen on {}", self.address))?;
        let address = listener.local_addr()?;
        eprintln!("listening on http://{address}");
        let receiver = Receiver {
            keys: self.keys.fetch()?,
            tolerance: self.tolerance,
            fail_every: self.fail_every,
            output: context.output,
            journal: Mutex::default(),
        };
        let stop = CancellationToken::new();
        let done = until_stopped(serve(listener, receiver, stop.clone()), &stop).await?;
        done.transpose()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What is needed to receive.
struct Receiver {
    keys: Vec<SigningKey>,
    tolerance: Duration,
    fail_every: Option<u64>,
    output: Format,
    journal: Mutex<Journal>,
}

/// Receives until stopped.
async fn serve(listener: TcpListener, receiver: Receiver, stop: CancellationToken) -> anyhow::Result<()> {
    let router = Router::new().fallback(receive).with_state(Arc::new(receiver));
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await?;
    Ok(())
}

async fn receive(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let signature = header("zitadel-signature").map_or_else(
        || Err("there is no header ZITADEL-Signature".to_owned()),
        |header| {
            let now = operate::now().as_second();
            domain::verify(header, &body, &receiver.keys, now, receiver.tolerance).map_err(|error| error.to_string())
        },
    );
    let mut journal = receiver.journal.lock().expect("nobody panics while holding the journal");
    let number = journal.count();
    let status = match &signature {
        Err(_) => StatusCode::UNAUTHORIZED,
        Ok(()) if receiver.fail_every.is_some_and(|every| number.is_multiple_of(every)) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        Ok(()) => StatusCode::OK,
    };
    let told = Received::read(&headers, &body, signature.err(), status);
    let broken = if status == StatusCode::OK { journal.follow(&told) } else { None };
    drop(journal);
    let line = match receiver.output {
        Format::Table => told.line(broken.as_deref()),
        Format::Json => told.json(broken.as_deref()),
    };
    // Whoever reads our output may be gone; the sender still gets its answer.
    let _ = say(&line);
    status
}
