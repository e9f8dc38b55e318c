//! Ports that stay free while nobody listens.
//!
//! A port that the kernel hands out may be handed out again, to somebody's outgoing connection, as soon as the listener
//! closes. These are below the range the kernel chooses from, so a listener can close and come back.

use std::{
    net::{Ipv4Addr, TcpListener},
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
