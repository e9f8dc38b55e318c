//! A wire between a client and a server that can be cut, slowed down, or go dead while both ends believe in it.
//!
//! It listens on a port of its own and passes bytes on to one address, in a thread of its own, as [`crate::Receiver`] does.
//! What it does is switched while it runs ([`Proxy::set`]).
//!
//! Invariant: a connection from which bytes were swallowed never passes any again. To go on in the middle of a
//! conversation would be a fault that no network makes.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc::UnboundedReceiver, watch},
    task::JoinSet,
    time::sleep,
};

use crate::port::{bind_again, into_tokio, listen};

/// What becomes of bytes and connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyMode {
    /// Bytes go through.
    Pass,
    /// Every connection is cut, and new ones are as soon as they are made.
    Drop,
    /// Every connection is cut, and nobody listens.
    Refuse,
    /// Bytes go through, each piece that was read this much later.
    Delay(Duration),
    /// Connections stay open, new ones are taken, and nothing that is sent arrives, in either direction.
    HalfOpen,
}

/// See the head of this module; gone, with every connection, when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    commands: tokio::sync::mpsc::UnboundedSender<(ProxyMode, mpsc::Sender<()>)>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Proxy {
    /// In front of whoever listens at `server`; passes.
    #[must_use]
    pub fn to(server: SocketAddr) -> Self {
        let listener = listen();
        let address = listener.local_addr().expect("a listener has an address");
        let accepted = Arc::new(AtomicUsize::new(0));
        let (commands, inbox) = tokio::sync::mpsc::unbounded_channel();
        let counted = Arc::clone(&accepted);
        let thread = thread::Builder::new().name(format!("proxy {}", address.port())).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a thread can have a runtime").block_on(serve(listener, server, inbox, &counted));
        });
        Self { address, accepted, commands, thread: Some(thread.expect("there can be one more thread")) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has taken.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Behaves differently. Once this returns it is so, for the connections that are open as well.
    pub fn set(&self, mode: ProxyMode) {
        let (done, wait) = mpsc::channel();
        self.commands.send((mode, done)).expect("the proxy's thread runs as long as the proxy");
        wait.recv().expect("the proxy's thread does what it is told, see what it printed");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // With the channel of commands the thread ends.
        let (closed, _) = tokio::sync::mpsc::unbounded_channel();
        self.commands = closed;
        if let Some(thread) = self.thread.take() {
            // What it panicked with is printed already.
            let _ = thread.join();
        }
    }
}

/// Takes connections until the proxy is dropped.
async fn serve(
    listener: TcpListener,
    server: SocketAddr,
    mut inbox: UnboundedReceiver<(ProxyMode, mpsc::Sender<()>)>,
    counted: &AtomicUsize,
) {
    let address = listener.local_addr().expect("a listener has an address");
    let mut listener = Some(into_tokio(listener));
    let mode = watch::Sender::new(ProxyMode::Pass);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            command = inbox.recv() => {
                let Some((wanted, done)) = command else { return };
                mode.send_replace(wanted);
                if matches!(wanted, ProxyMode::Drop | ProxyMode::Refuse) {
                    connections.shutdown().await;
                }
                if wanted == ProxyMode::Refuse {
                    listener = None;
                } else if listener.is_none() {
                    listener = Some(bind_again(address).await);
                }
                // Whoever asked may have been dropped since.
                let _ = done.send(());
            }
            accepted = accept(listener.as_ref()) => {
                let Ok((client, _)) = accepted else { continue };
                counted.fetch_add(1, Ordering::Relaxed);
                // The client finds it closed.
                if *mode.borrow() != ProxyMode::Drop {
                    connections.spawn(relay(client, server, mode.subscribe()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accept(listener: Option<&tokio::net::TcpListener>) -> std::io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// One connection, until either end closes it.
async fn relay(client: TcpStream, server: SocketAddr, mode: watch::Receiver<ProxyMode>) {
    let (mut from_client, to_client) = client.into_split();
    if *mode.borrow() == ProxyMode::HalfOpen {
        return swallow(&mut from_client).await;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    for stream in [to_client.as_ref(), &server] {
        let _ = stream.set_nodelay(true);
    }
    let (from_server, to_server) = server.into_split();
    // Once dead in one direction, dead in both.
    let dead = watch::Sender::new(false);
    tokio::select! {
        () = pump(from_client, to_server, mode.clone(), &dead, true) => {}
        () = pump(from_server, to_client, mode, &dead, false) => {}
    }
}

/// One direction. Ends when the connection is to be closed.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut mode: watch::Receiver<ProxyMode>,
    dead: &watch::Sender<bool>,
    of_the_client: bool,
) {
    let mut piece = vec![0; 16 * 1024];
    let mut died = dead.subscribe();
    loop {
        let now = *mode.borrow_and_update();
        if now == ProxyMode::HalfOpen || *died.borrow_and_update() {
            dead.send_replace(true);
            if of_the_client {
                return swallow(&mut from).await;
            }
            // That the server is gone must not reach the client either.
            swallow(&mut from).await;
            return std::future::pending().await;
        }
        let read = tokio::select! {
            _ = mode.changed() => continue,
            _ = died.changed() => continue,
            read = from.read(&mut piece) => read,
        };
        let Ok(length @ 1..) = read else { return };
        if let ProxyMode::Delay(by) = now {
            sleep(by).await;
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}

/// Reads to the end, for nobody.
async fn swallow(from: &mut OwnedReadHalf) {
    let mut piece = vec![0; 16 * 1024];
    while from.read(&mut piece).await.is_ok_and(|length| length > 0) {}
}
