//! An endpoint that writes down every request and misbehaves as it is told.
//!
//! It speaks HTTP/1.1 by hand, over plain TCP on 127.0.0.1, because a server worth its name would not let a test close
//! a connection half way through an answer. It lives in a thread of its own, so that a test may block, or be slow, without
//! the endpoint seeming slow. Arrivals are numbered in the order in which their last byte was read.

mod behaviour;
mod connection;

use std::{
    fmt,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet};

pub use behaviour::{Behaviour, every_nth, first};

use crate::{
    Arrival,
    eventually::PATIENCE,
    port::{bind_again, into_tokio, listen},
};

/// Decides what becomes of a request: its number, from 0, and what it says.
pub type Script = dyn Fn(usize, &Arrival) -> Behaviour + Send + Sync;

/// An endpoint. See the head of this module; it is gone when it is dropped.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    commands: tokio::sync::mpsc::UnboundedSender<(Command, mpsc::Sender<()>)>,
    thread: Option<thread::JoinHandle<()>>,
}

struct Shared {
    script: Mutex<Arc<Script>>,
    arrivals: Mutex<Vec<Arc<Arrival>>>,
    count: watch::Sender<usize>,
}

enum Command {
    Down,
    Up,
    Cut,
}

impl Receiver {
    /// An endpoint that answers 200 to everything.
    #[must_use]
    pub fn ok() -> Self {
        Self::start(|_, _| Behaviour::from(200))
    }

    /// An endpoint that accepts everything but what is about one aggregate.
    #[must_use]
    pub fn refusing(aggregate_id: &'static str) -> Self {
        Self::start(
            move |_, arrival| {
                if arrival.key().aggregate_id.as_str() == aggregate_id { 500.into() } else { 200.into() }
            },
        )
    }

    /// An endpoint that behaves as `script` says for each request.
    #[must_use]
    pub fn start(script: impl Fn(usize, &Arrival) -> Behaviour + Send + Sync + 'static) -> Self {
        let listener = listen();
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            script: Mutex::new(Arc::new(script)),
            arrivals: Mutex::default(),
            count: watch::Sender::new(0),
        });
        let (commands, inbox) = tokio::sync::mpsc::unbounded_channel();
        let serving = Arc::clone(&shared);
        let thread = thread::Builder::new().name(format!("receiver {}", address.port())).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a thread can have a runtime").block_on(serve(listener, serving, inbox));
        });
        Self { address, shared, commands, thread: Some(thread.expect("there can be one more thread")) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL `http://127.0.0.1:PORT/hook`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("/hook")
    }

    /// The URL of a path, which begins with a slash.
    #[must_use]
    pub fn url_of(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Behaves differently from the next request on.
    pub fn behave(&self, script: impl Fn(usize, &Arrival) -> Behaviour + Send + Sync + 'static) {
        *lock(&self.shared.script) = Arc::new(script);
    }

    /// Refuses connections and cuts those that are open. Once this returns it is so.
    pub fn down(&self) {
        self.command(Command::Down);
    }

    /// Listens again, on the same port.
    pub fn up(&self) {
        self.command(Command::Up);
    }

    /// Cuts the open connections, and takes new ones.
    pub fn cut(&self) {
        self.command(Command::Cut);
    }

    /// Everything that arrived so far, in order.
    #[must_use]
    pub fn arrivals(&self) -> Vec<Arc<Arrival>> {
        lock(&self.shared.arrivals).clone()
    }

    /// What was answered with 2xx so far, in order.
    #[must_use]
    pub fn accepted(&self) -> Vec<Arc<Arrival>> {
        lock(&self.shared.arrivals).iter().filter(|arrival| arrival.is_accepted()).cloned().collect()
    }

    /// How many arrived so far.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.shared.count.borrow()
    }

    /// Forgets what arrived so far; numbers go on from there.
    pub fn forget(&self) {
        lock(&self.shared.arrivals).clear();
    }

    /// Waits until that many have arrived since the start, for half a minute at most.
    pub async fn wait_for(&self, count: usize) {
        self.wait_for_within(count, PATIENCE).await;
    }

    /// As [`Self::wait_for`], with another patience.
    pub async fn wait_for_within(&self, count: usize, patience: Duration) {
        let mut counted = self.shared.count.subscribe();
        let arrived = tokio::time::timeout(patience, counted.wait_for(|arrived| *arrived >= count)).await;
        assert!(arrived.is_ok(), "after {patience:?} {} of {count} requests have arrived", self.count());
    }

    /// Waits until what was answered with 2xx satisfies `enough`, for half a minute at most.
    pub async fn wait_until(&self, what: &str, mut enough: impl FnMut(&[Arc<Arrival>]) -> bool) {
        self.wait_until_within(PATIENCE, what, &mut enough).await;
    }

    /// As [`Self::wait_until`], with another patience.
    pub async fn wait_until_within(
        &self,
        patience: Duration,
        what: &str,
        mut enough: impl FnMut(&[Arc<Arrival>]) -> bool,
    ) {
        crate::eventually_within(patience, what, async || enough(&self.accepted()).then_some(())).await;
    }

    fn command(&self, command: Command) {
        let (done, wait) = mpsc::channel();
        self.commands.send((command, done)).expect("the receiver's thread runs as long as the receiver");
        wait.recv().expect("the receiver's thread does what it is told, see what it printed");
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // With the channel of commands the thread ends.
        let (closed, _) = tokio::sync::mpsc::unbounded_channel();
        self.commands = closed;
        if let Some(thread) = self.thread.take() {
            // A script that panicked has printed why.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({}, {} arrivals)", self.address, self.count())
    }
}

impl Shared {
    /// Writes an arrival down and says what becomes of it.
    fn record(&self, mut arrival: Arrival) -> Behaviour {
        let script = Arc::clone(&lock(&self.script));
        arrival.number = *self.count.borrow();
        let behaviour = script(arrival.number, &arrival);
        arrival.answered = behaviour.status();
        lock(&self.arrivals).push(Arc::new(arrival));
        self.count.send_modify(|count| *count += 1);
        behaviour
    }
}

/// Accepts connections until the receiver is dropped.
async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    mut commands: tokio::sync::mpsc::UnboundedReceiver<(Command, mpsc::Sender<()>)>,
) {
    let address = listener.local_addr().expect("a listener has an address");
    let mut listener = Some(into_tokio(listener));
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            biased;
            command = commands.recv() => {
                let Some((command, done)) = command else { return };
                match command {
                    Command::Down => {
                        listener = None;
                        connections.shutdown().await;
                    }
                    Command::Up if listener.is_none() => listener = Some(bind_again(address).await),
                    Command::Up => {}
                    Command::Cut => connections.shutdown().await,
                }
                // Whoever asked may have been dropped since.
                let _ = done.send(());
            }
            accepted = accept(listener.as_ref()) => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection::talk(stream, number, Arc::clone(&shared)));
                    number += 1;
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accept(listener: Option<&tokio::net::TcpListener>) -> std::io::Result<(tokio::net::TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// A script that panicked has failed its test already: what it left is still worth reading.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
