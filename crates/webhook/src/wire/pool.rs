//! Connections that nobody uses at the moment, kept for the next call to the same endpoint.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use url::{Position, Url};

use super::connection::Connection;

/// Shorter than what common balancers and servers keep an idle connection for (60 s and more), so that it is mostly this
/// side that closes it.
const IDLE: Duration = Duration::from_secs(55);

/// Idle connections that are kept to one host: hundreds of targets may share it.
const IDLE_PER_HOST: usize = 1024;

/// Connections that were closed by the other side, or are idle for too long, are let go so often.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Cheap to clone; clones share their connections.
#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Mutex<Idle>>);

#[derive(Default)]
struct Idle {
    hosts: HashMap<Box<str>, Vec<(Connection, Instant)>>,
    /// Begun with the first connection, ended with the pool.
    sweeping: JoinSet<()>,
}

impl Idle {
    /// Lets go of what cannot be used again, or is idle for too long by `now`.
    fn sweep(&mut self, now: Instant) {
        self.hosts.retain(|_, connections| {
            connections
                .retain_mut(|(connection, since)| now.saturating_duration_since(*since) < IDLE && connection.is_idle());
            !connections.is_empty()
        });
    }
}

/// Connections differ by scheme, host and port.
fn host(url: &Url) -> &str {
    &url[..Position::BeforePath]
}

impl Pool {
    /// The one that was used last, if there is one that the other side has not closed.
    pub(super) fn take(&self, url: &Url) -> Option<Connection> {
        loop {
            let (mut connection, _) = locked(&self.0).hosts.get_mut(host(url))?.pop()?;
            if connection.is_idle() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection, if it can be used again.
    pub(super) fn put(&self, url: &Url, mut connection: Connection) {
        if !connection.is_idle() {
            return;
        }
        let mut idle = locked(&self.0);
        let there = match idle.hosts.get_mut(host(url)) {
            Some(there) => there,
            None => idle.hosts.entry(host(url).into()).or_default(),
        };
        if there.len() < IDLE_PER_HOST {
            there.push((connection, Instant::now()));
        }
        if idle.sweeping.is_empty() {
            idle.sweeping.spawn(keep_swept(Arc::downgrade(&self.0)));
        }
    }
}

fn locked(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    // What can panic is done before anything is changed.
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn keep_swept(pool: Weak<Mutex<Idle>>) {
    loop {
        sleep(SWEEP_EVERY).await;
        let Some(pool) = pool.upgrade() else { return };
        locked(&pool).sweep(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;
    use tokio::{
        io::AsyncReadExt as _,
        net::{TcpListener, TcpStream},
        time::timeout,
    };

    use super::*;
    use crate::wire::connection::Stream;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// A pool with one connection to this address, whose other end is given.
    async fn pool(url: &Url, listener: &TcpListener) -> (Pool, TcpStream) {
        let address = listener.local_addr().expect("it is bound");
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        let stream = Stream::Http(TokioIo::new(ours.expect("somebody listens")));
        let pool = Pool::default();
        pool.put(url, Connection::over(stream).await.expect("nothing is sent yet"));
        (pool, theirs.expect("somebody connects").0)
    }

    async fn scene() -> (Url, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/hook?a=b", listener.local_addr().expect("it is bound"));
        (url.parse().expect("a URL"), listener)
    }

    #[tokio::test]
    async fn a_connection_is_for_its_scheme_host_and_port_whatever_the_path() {
        let (url, listener) = scene().await;
        let (pool, _theirs) = pool(&url, &listener).await;
        for other in ["https://127.0.0.1", "http://127.0.0.1", "http://localhost"] {
            assert!(pool.take(&other.parse().expect("a URL")).is_none(), "{other}");
        }
        assert!(pool.take(&url.join("/other").expect("a URL")).is_some());
        assert!(pool.take(&url).is_none(), "there was only one");
    }

    #[tokio::test]
    async fn one_that_is_idle_for_too_long_is_closed() {
        let (url, listener) = scene().await;
        let (pool, mut theirs) = pool(&url, &listener).await;
        locked(&pool.0).sweep(Instant::now() + IDLE - Duration::from_secs(1));
        assert_eq!(locked(&pool.0).hosts.len(), 1);
        locked(&pool.0).sweep(Instant::now() + IDLE);
        assert!(locked(&pool.0).hosts.is_empty());
        let end = timeout(PATIENCE, theirs.read(&mut [0])).await.expect("it is closed");
        assert_eq!(end.expect("it is closed well"), 0);
    }

    #[tokio::test]
    async fn one_that_the_other_side_closed_is_neither_kept_nor_taken() {
        let (url, listener) = scene().await;
        for is_swept in [true, false] {
            let (pool, theirs) = pool(&url, &listener).await;
            drop(theirs);
            // Nobody is told: whoever looks next finds it closed, once the kernel has said so to the runtime.
            let gone = async {
                loop {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    if is_swept {
                        locked(&pool.0).sweep(Instant::now());
                        if locked(&pool.0).hosts.is_empty() {
                            return;
                        }
                    } else {
                        match pool.take(&url) {
                            Some(connection) => pool.put(&url, connection),
                            None => return,
                        }
                    }
                }
            };
            timeout(PATIENCE, gone).await.expect("it is found closed");
        }
    }
}
