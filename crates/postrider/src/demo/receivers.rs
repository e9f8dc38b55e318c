//! Three receivers on loopback, each of which verifies what it is sent: one healthy, one that answers 500 to every fifth
//! call, one that is down at first.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use domain::SigningKey;
use tokio::{net::TcpSocket, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::tally::Journal;

/// How long the third one is down.
const DOWN: Duration = Duration::from_secs(2);
/// How far apart the clocks of one process may be.
const TOLERANCE: Duration = Duration::from_mins(5);

/// One receiver.
pub struct Receiver {
    /// Also the target's name.
    pub name: &'static str,
    address: SocketAddr,
    fail_every: Option<u64>,
    down_for: Duration,
}

impl Receiver {
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

/// All of them, on ports of their own that nobody listens on yet.
pub struct Receivers {
    pub key: SigningKey,
    pub journal: Arc<Journal>,
    all: Vec<Receiver>,
    sockets: std::sync::Mutex<Vec<TcpSocket>>,
}

struct Behind {
    index: usize,
    key: SigningKey,
    journal: Arc<Journal>,
    fail_every: Option<u64>,
    calls: AtomicU64,
}

impl Receivers {
    /// Takes the ports. A call to one that is not served yet is refused, as by a server that is down.
    pub fn open() -> anyhow::Result<Self> {
        let (mut all, mut sockets) = (Vec::new(), Vec::new());
        for (name, fail_every, down_for) in
            [("healthy", None, Duration::ZERO), ("flaky", Some(5), Duration::ZERO), ("late", None, DOWN)]
        {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            all.push(Receiver { name, address: socket.local_addr()?, fail_every, down_for });
            sockets.push(socket);
        }
        let journal = Arc::new(Journal::new(all.iter().map(|receiver| receiver.name).collect()));
        let key = SigningKey::from(Uuid::new_v4().to_string());
        Ok(Self { key, journal, all, sockets: std::sync::Mutex::new(sockets) })
    }

    pub fn all(&self) -> &[Receiver] {
        &self.all
    }

    /// Serves until stopped.
    pub async fn serve(&self, stop: CancellationToken) -> anyhow::Result<()> {
        let sockets = std::mem::take(&mut *self.sockets.lock().expect("nobody panics while holding the sockets"));
        let mut tasks = JoinSet::new();
        for (index, (receiver, socket)) in self.all.iter().zip(sockets).enumerate() {
            let behind = Behind {
                index,
                key: self.key.clone(),
                journal: Arc::clone(&self.journal),
                fail_every: receiver.fail_every,
                calls: AtomicU64::new(0),
            };
            let (down_for, stop) = (receiver.down_for, stop.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = sleep(down_for) => {}
                    () = stop.cancelled() => return Ok(()),
                }
                let router = Router::new().fallback(receive).with_state(Arc::new(behind));
                axum::serve(socket.listen(1024)?, router).with_graceful_shutdown(stop.cancelled_owned()).await
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    }
}

async fn receive(State(behind): State<Arc<Behind>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now = operate::now().as_second();
    let keys = std::slice::from_ref(&behind.key);
    if domain::verify(header("zitadel-signature"), &body, keys, now, TOLERANCE).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    let call = behind.calls.fetch_add(1, Ordering::Relaxed) + 1;
    let refused = behind.fail_every.is_some_and(|every| call.is_multiple_of(every));
    behind.journal.arrived(behind.index, header("postrider-position"), !refused);
    if refused { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
}
