//! Two daemons and one target: one serves it, the other takes it over, and one that was frozen does no harm.

use std::time::{Duration, Instant};

use domain::EventKey;
use store::EventStore;
use test_support::{Account, Behaviour, Load, Receiver, Shape, Stamp, TestDatabase, eventually_within};

use super::{
    daemon::House,
    hands_scene::{ADDED, all_arrive, assert_exact, assert_one_id_each, cursor, push, quiet_for, zitadel},
    replicas_scene::workers_are,
};

fn house(database: &TestDatabase, receiver: &Receiver, lease: &str) -> House {
    let mut house = House::new(&database.url());
    house.set("duration = \"1s\"", &format!("duration = \"{lease}\""));
    house.target("crm", receiver, "");
    house.execution("{ all = true }", &["crm"]);
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_takes_over_from_one_that_was_killed() {
    let database = zitadel().await;
    let receiver = Receiver::ok();
    let house = house(&database, &receiver, "2s");
    let mut written = push(&database, ADDED, 20).await;
    let first = house.start();
    all_arrive(&receiver, &written).await;
    let second = house.start();
    workers_are(&house, 2).await;
    let count = receiver.count();
    let killed = Instant::now();
    first.kill();
    written.extend(push(&database, ADDED, 5).await);
    receiver.wait_for(count + 1).await;
    let took = killed.elapsed();
    eprintln!("taken over {took:?} after a kill, with leases of 2 s");
    assert!(took < Duration::from_millis(3_500), "it took {took:?}");
    all_arrive(&receiver, &written).await;
    Account::of(&receiver.arrivals(), &written).assert_in_order();
    assert_eq!(second.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_takes_over_at_once_from_one_that_was_stopped() {
    let database = zitadel().await;
    let receiver = Receiver::ok();
    let house = house(&database, &receiver, "8s");
    let mut written = push(&database, ADDED, 20).await;
    let first = house.start();
    all_arrive(&receiver, &written).await;
    let second = house.start();
    workers_are(&house, 2).await;
    let stopped = Instant::now();
    assert_eq!(first.stop().await, 0);
    written.extend(push(&database, ADDED, 5).await);
    all_arrive(&receiver, &written).await;
    let took = stopped.elapsed();
    eprintln!("taken over {took:?} after a stop, with leases of 8 s");
    assert!(took < Duration::from_secs(3), "it took {took:?}");
    assert_exact(&receiver, &written);
    assert_eq!(second.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_daemon_that_comes_back_sends_nothing_stale_and_moves_no_cursor() {
    const MAX_GROUP: usize = 20;
    let database = zitadel().await;
    // Slow enough that the daemon is nearly always frozen during a call.
    let receiver = Receiver::start(|_, _| Behaviour::from(200).delayed(Duration::from_millis(8)));
    let mut house = house(&database, &receiver, "1s");
    house.add(&format!("[ledger]\nmax_group = {MAX_GROUP}\nflush_interval = \"3s\""));
    let first = house.start();
    first.says("this daemon has joined").await;
    let second = house.start();
    workers_are(&house, 2).await;
    let load = Load { events: 700, per_second: Some(100), ..Load::new(Shape::Zitadel(Stamp::Clock)) };
    let faults = async {
        receiver.wait_for(70).await;
        first.signal("STOP");
        let frozen = quiet_for(&receiver, Duration::from_millis(300)).await;
        let before = receiver.arrivals();
        receiver.wait_for(before.len() + 150).await;
        let taken = receiver.arrivals()[before.len()].at;
        eprintln!("taken over {:?} after the last call of the frozen daemon", taken.duration_since(frozen));
        first.signal("CONT");
        let thawed = receiver.count();
        first.says("this daemon was taken for dead").await;
        (before, thawed)
    };
    let (written, (before, thawed)) = tokio::join!(load.run(&database), faults);
    let written: Vec<EventKey> = written.into_iter().map(|event| event.key).collect();
    all_arrive(&receiver, &written).await;
    let arrivals = receiver.arrivals();
    let account = Account::of(&arrivals, &written);
    account.assert_complete();
    account.assert_in_order();
    assert_one_id_each(&arrivals);
    eprintln!("{} events came again after the take-over, {} may", account.duplicates.len(), 2 * MAX_GROUP + 1);
    assert!(account.duplicates.len() <= 2 * MAX_GROUP + 1, "{} events came again", account.duplicates.len());
    // The one that serves it now uses new connections; those of the frozen one carry nothing more.
    let old = before.iter().map(|arrival| arrival.connection).max().expect("something had arrived");
    let stale = arrivals[before.len()..].iter().filter(|arrival| arrival.connection <= old).count();
    assert_eq!(stale, 0, "the frozen daemon sent something");
    let keys: Vec<_> = arrivals[thawed..].iter().map(|arrival| arrival.key()).collect();
    assert!(
        keys.is_sorted() && keys.windows(2).all(|pair| pair[0] != pair[1]),
        "what came after the thaw is in order, once"
    );

    // Both have committed everything they had: the cursor is where the second one has it.
    let last = written.last().expect("something was written").position.to_string();
    eventually_within(Duration::from_secs(10), "the cursor is at the last event", async || {
        (cursor(&house, "crm")["position"] == last.as_str()).then_some(())
    })
    .await;
    assert_eq!(receiver.count(), arrivals.len());

    // The one that was frozen serves it again when the other one goes.
    assert_eq!(second.stop().await, 0);
    assert_eq!(cursor(&house, "crm")["position"], last.as_str());
    let more = push(&database, ADDED, 10).await;
    all_arrive(&receiver, &more).await;
    assert_eq!(first.stop().await, 0);
    assert_eq!(receiver.count(), arrivals.len() + more.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_on_one_sqlite_state_refuses_to_start() {
    let receiver = Receiver::ok();
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("events.db");
    EventStore::create_sqlite(&path).await.expect("a file can be made");
    let mut house = House::new(&format!("sqlite://{}", path.display()));
    house.target("crm", &receiver, "");
    house.execution("{ all = true }", &["crm"]);
    let first = house.start();
    first.says("this daemon has joined").await;
    let second = house.command(&["run"]);
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("another postrider is running on"), "{said}");
    assert_eq!(first.stop().await, 0);
    let third = house.start();
    eventually_within(Duration::from_secs(20), "the third joins after the first", async || {
        (third.log().matches("this daemon has joined").count() == 2).then_some(())
    })
    .await;
    assert_eq!(third.stop().await, 0);
}
