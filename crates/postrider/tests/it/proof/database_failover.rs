//! A standby answers where the primary was, or instead of it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::EventKey;
use test_support::{PrivatePostgres, Receiver, TestDatabase, eventually};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    daemon::{Daemon, House},
    hands_scene::{ADDED, all_arrive, assert_exact, cursor_at, in_state, push, quiet_for},
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
pub fn port(server: &PrivatePostgres) -> u16 {
    let url: url::Url = server.url().parse().expect("it is a URL");
    url.port().expect("with a port")
}

/// The URL of a database at another port.
pub fn at(database: &TestDatabase, port: u16) -> String {
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

/// A daemon that reads through an address from a server that dies, with a standby that has everything but perhaps the
/// last five events.
struct FailOver {
    house: House,
    receiver: Receiver,
    address: Address,
    /// What had been delivered before.
    written: Vec<EventKey>,
    primary: PrivatePostgres,
    standby: PrivatePostgres,
    /// As the primary has it.
    events: TestDatabase,
    state: TestDatabase,
}

impl FailOver {
    /// Up to the moment before the primary dies. The daemon is to be kept, or stopped.
    async fn prepare(standby_lacks_the_last: bool) -> (Self, Daemon) {
        let state = TestDatabase::create().await;
        let primary = PrivatePostgres::start().await;
        let events = primary.database().await;
        events.zitadel().await;
        let address = Address::of(port(&primary)).await;
        let receiver = Receiver::ok();
        let house = house(&at(&events, address.port), &state, &receiver);
        let mut written = push(&events, ADDED, 10).await;
        let mut standby = primary.standby().await;
        if standby_lacks_the_last {
            standby.stop();
        }
        let daemon = house.start();
        written.extend(push(&events, ADDED, 5).await);
        all_arrive(&receiver, &written).await;
        cursor_at(&house, "crm", &written[14]).await;
        if !standby_lacks_the_last {
            let copy = standby.copy_of(&events);
            eventually("the standby has followed", async || {
                (copy.zitadel_events().await.len() == written.len()).then_some(())
            })
            .await;
        }
        (Self { house, receiver, address, written, primary, standby, events, state }, daemon)
    }

    /// The primary dies, the standby takes its place, and five more events are written there.
    async fn switch(&mut self, start_standby: bool) -> Vec<EventKey> {
        self.primary.crash();
        if start_standby {
            self.standby.start_again().await;
        }
        self.standby.promote().await;
        self.address.switch(port(&self.standby));
        push(&self.standby.copy_of(&self.events), ADDED, 5).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_that_has_everything_is_read_on() {
    let (mut scene, daemon) = FailOver::prepare(false).await;
    let more = scene.switch(false).await;
    all_arrive(&scene.receiver, &more).await;
    assert_exact(&scene.receiver, &[scene.written.clone(), more].concat());
    assert!(daemon.log().contains("served by another server now"), "the change is told");
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_that_lacks_events_is_reported_and_nothing_skipped() {
    let (mut scene, daemon) = FailOver::prepare(true).await;
    let more = scene.switch(true).await;
    daemon.says("it has lost events").await;
    quiet_for(&scene.receiver, Duration::from_secs(1)).await;
    assert_exact(&scene.receiver, &scene.written);

    // An operator who has looked moves the cursor, which is the decision to go on.
    let to = more[0].position.to_string();
    scene.house.cli(&["cursor", "seek", "crm", "--to", &to]);
    all_arrive(&scene.receiver, &more).await;
    assert_exact(&scene.receiver, &[scene.written.clone(), more].concat());
    assert_eq!(daemon.stop().await, 0);
    scene.state.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_starts_on_a_promoted_standby_that_lacks_events_reports_it_too() {
    let (mut scene, daemon) = FailOver::prepare(true).await;
    assert_eq!(daemon.stop().await, 0);
    let more = scene.switch(true).await;
    let daemon = scene.house.start();
    daemon.says("it has lost events").await;
    quiet_for(&scene.receiver, Duration::from_secs(1)).await;
    assert_exact(&scene.receiver, &scene.written);
    let to = more[0].position.to_string();
    scene.house.cli(&["cursor", "seek", "crm", "--to", &to]);
    all_arrive(&scene.receiver, &more).await;
    assert_exact(&scene.receiver, &[scene.written.clone(), more].concat());
    assert_eq!(daemon.stop().await, 0);
    scene.state.close().await;
}

/// A target that lags reads for itself. A server that lacks events must not make it believe that there are none.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_lags_misses_nothing_when_the_wrong_server_answers_for_a_while() {
    let (mut scene, daemon) = FailOver::prepare(true).await;
    assert_eq!(daemon.stop().await, 0);
    // It begins at the first event while the other one is at the last, and is away.
    let lagging = Receiver::ok();
    lagging.down();
    scene.house.target("lagging", &lagging, "");
    scene.house.set("targets = [\"crm\"]", "targets = [\"crm\", \"lagging\"]");
    let daemon = scene.house.start();
    in_state(&scene.house, "lagging", "holding").await;

    // A copy that lacks the last five is promoted by mistake, and answers for a while.
    scene.primary.stop();
    scene.standby.start_again().await;
    scene.standby.promote().await;
    scene.address.switch(port(&scene.standby));
    daemon.says("it has lost events").await;
    lagging.up();
    quiet_for(&lagging, Duration::from_secs(1)).await;

    scene.standby.stop();
    scene.primary.start_again().await;
    scene.address.switch(port(&scene.primary));
    scene.written.extend(push(&scene.events, ADDED, 5).await);
    all_arrive(&scene.receiver, &scene.written[15..]).await;
    assert_exact(&scene.receiver, &scene.written);
    all_arrive(&lagging, &scene.written).await;
    assert_exact(&lagging, &scene.written);
    assert_eq!(daemon.stop().await, 0);
}
