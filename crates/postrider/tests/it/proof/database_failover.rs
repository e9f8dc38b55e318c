//! A standby answers where the primary was, or instead of it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::EventKey;
use test_support::{Account, PrivatePostgres, Receiver, TestDatabase, eventually};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    daemon::House,
    hands_scene::{ADDED, all_arrive, assert_exact, push, quiet_for, zitadel},
};

/// An address that stays, in front of one server or another, as a virtual address is.
struct Address {
    port: u16,
    behind: Arc<Mutex<u16>>,
    _task: JoinSet<()>,
}

impl Address {
    async fn of(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("there is a free port");
        let behind = Arc::new(Mutex::new(port));
        let mut task = JoinSet::new();
        let here = listener.local_addr().expect("a listener has an address").port();
        let current = Arc::clone(&behind);
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((mut client, _)) = listener.accept().await else { continue };
                let port = *current.lock().unwrap_or_else(PoisonError::into_inner);
                connections.spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await {
                        // Whoever closes first ends the connection.
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { port: here, behind, _task: task }
    }

    fn switch(&self, port: u16) {
        *self.behind.lock().unwrap_or_else(PoisonError::into_inner) = port;
    }
}

/// The port in a server's URL.
fn port(server: &PrivatePostgres) -> u16 {
    let url: url::Url = server.url().parse().expect("it is a URL");
    url.port().expect("with a port")
}

/// The URL of a database at another port.
fn at(database: &TestDatabase, port: u16) -> String {
    let mut url: url::Url = database.url().parse().expect("it is a URL");
    url.set_port(Some(port)).expect("it has a host");
    url.into()
}

fn house(events: &str, state: &TestDatabase, receiver: &Receiver) -> House {
    let mut house = House::new(events);
    house.add(&format!("[state]\nurl = \"{}\"", state.url()));
    house.target("crm", receiver, "");
    house.execution("{ all = true }", &["crm"]);
    house
}

/// Waits until the standby has what the primary has written.
async fn followed(standby: &PrivatePostgres, primary: &TestDatabase, events: &[EventKey]) {
    let url = at(primary, port(standby));
    let last = events.last().expect("something was written");
    let count = format!("SELECT count(*) FROM eventstore.events2 WHERE position >= {}", last.position);
    eventually("the standby has followed", async || {
        let output = std::process::Command::new("psql").args([&url, "-Atc", &count]).output().ok()?;
        (String::from_utf8_lossy(&output.stdout).trim() == "1").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_refused_and_one_that_is_promoted_is_taken() {
    let state = TestDatabase::create().await;
    let primary = PrivatePostgres::start().await;
    let events = primary.database().await;
    events.zitadel().await;
    let written = push(&events, ADDED, 10).await;
    let standby = primary.standby().await;
    let receiver = Receiver::ok();
    let house = house(&at(&events, port(&standby)), &state, &receiver);
    let daemon = house.start();
    daemon.says("the database is a standby; events are read from the primary only").await;
    assert_eq!(receiver.count(), 0);
    let checked = house.command(&["check"]);
    assert_eq!(checked.status.code(), Some(1), "{}", String::from_utf8_lossy(&checked.stdout));
    standby.promote().await;
    all_arrive(&receiver, &written).await;
    assert_exact(&receiver, &written);
    assert_eq!(daemon.stop().await, 0);
}

/// Events reach a daemon through an address; then the primary dies, and a standby answers there, with or without the last
/// rows. The events that are written after that, by key.
async fn fail_over(lacks_rows: bool, restart: bool) -> (House, super::daemon::Daemon, Receiver, Vec<EventKey>, Vec<EventKey>, impl Sized) {
    let state = zitadel().await;
    let mut primary = PrivatePostgres::start().await;
    let events = primary.database().await;
    events.zitadel().await;
    let address = Address::of(port(&primary)).await;
    let receiver = Receiver::ok();
    let house = house(&at(&events, address.port), &state, &receiver);
    let mut daemon = house.start();
    let mut before = push(&events, ADDED, 10).await;
    all_arrive(&receiver, &before).await;
    let mut standby = primary.standby().await;
    if lacks_rows {
        standby.stop();
    }
    before.extend(push(&events, ADDED, 5).await);
    all_arrive(&receiver, &before).await;
    if restart {
        assert_eq!(daemon.stop().await, 0);
    }
    if !lacks_rows {
        eventually("the standby has followed", async || {
            let behind = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn < pg_current_wal_lsn()";
            let there = "SELECT count(*) FROM pg_stat_replication";
            (events.value(there).await.as_deref() == Some("1") && events.value(behind).await.as_deref() == Some("0"))
                .then_some(())
        })
        .await;
    }
    primary.crash();
    if lacks_rows {
        standby.start_again().await;
    }
    standby.promote().await;
    address.switch(port(&standby));
    daemon = house.start();
    (house, daemon, receiver, before, Vec::new(), (state, primary, standby, events, address))
}
