//! Ports that stay free while nobody listens.
//!
//! A port that the kernel hands out may be handed out again, to somebody's outgoing connection, as soon as the listener
//! closes. These are below the range the kernel chooses from, so a listener can close and come back.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
};

use rand::RngExt;

/// `scripts/with-postgres` chooses below.
const PORTS: Range<u16> = 30_000..32_768;

/// A listener on a random port of 127.0.0.1.
pub(crate) fn listen() -> TcpListener {
    let mut rng = rand::rng();
    let listener = (0..1_000).find_map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, rng.random_range(PORTS))).ok());
    listener.expect("one of a thousand ports is free")
}

/// A port on which nobody listens now.
pub(crate) fn free_port() -> u16 {
    listen().local_addr().expect("a listener has an address").port()
}

/// The same listener, for tokio.
pub(crate) fn into_tokio(listener: TcpListener) -> tokio::net::TcpListener {
    listener.set_nonblocking(true).expect("a listener need not block");
    tokio::net::TcpListener::from_std(listener).expect("this is called in a runtime")
}

/// Listens on a port again, which somebody else may have for a moment.
pub(crate) async fn bind_again(address: SocketAddr) -> tokio::net::TcpListener {
    crate::eventually("the port can be had again", async || tokio::net::TcpListener::bind(address).await.ok()).await
}
