//! The databases go away, stand still and come back: nothing is lost, order is kept, sending never runs away from them.

use std::time::Duration;

use domain::EventKey;
use test_support::{Account, Load, PrivatePostgres, Receiver, Shape, Stamp, TestDatabase, eventually_within};

use super::{
    daemon::{Daemon, House},
    hands_scene::{ADDED, all_arrive, assert_exact, assert_one_id_each, cursor_at, push, quiet_for, zitadel},
};

const MAX_GROUP: usize = 50;

fn house(database: &TestDatabase, receiver: &Receiver) -> House {
    let mut house = House::new(&database.url());
    house.add(&format!("[ledger]\nmax_group = {MAX_GROUP}"));
    house.target("crm", receiver, "");
    house.execution("{ all = true }", &["crm"]);
    house
}

/// Events are written and sent while something happens to the server, twice.
async fn check(what: &str, mut outage: impl AsyncFnMut(&mut PrivatePostgres, &Daemon)) {
    let mut server = PrivatePostgres::start().await;
    let database = server.database().await;
    // Private servers do not wait for their log: one that crashes would itself lose what it had committed.
    database.execute(&format!("ALTER DATABASE {} SET synchronous_commit = on", database.name())).await;
    database.zitadel().await;
    let receiver = Receiver::ok();
    let house = house(&database, &receiver);
    let daemon = house.start();
    let load = Load { events: 1_200, per_second: Some(150), ..Load::new(Shape::Zitadel(Stamp::Clock)) };
    let outages = async {
        for _ in 0..2 {
            receiver.wait_for(receiver.count() + 250).await;
            outage(&mut server, &daemon).await;
        }
    };
    let (written, ()) = tokio::join!(load.run(&database), outages);
    let written: Vec<EventKey> = written.into_iter().map(|event| event.key).collect();
    all_arrive(&receiver, &written).await;
    let arrivals = receiver.arrivals();
    let account = Account::of(&arrivals, &written);
    eprintln!("{what}: {} events, {} arrivals, {} repeats", written.len(), arrivals.len(), account.duplicates.len());
    account.assert_complete();
    account.assert_in_order();
    assert_one_id_each(&arrivals);
    // The daemon kept what it had not committed in mind: only a cursor claimed anew could make it send again.
    assert!(account.duplicates.len() <= 2 * (2 * MAX_GROUP + 1), "{} events came again", account.duplicates.len());
    cursor_at(&house, "crm", written.last().expect("something was written")).await;
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stopped_and_started_again_loses_nothing() {
    check("stopped and started", async |server, daemon| {
        let said = daemon.log().matches("cannot be").count();
        server.stop();
        eventually_within(Duration::from_secs(20), "the daemon notices", async || {
            (daemon.log().matches("cannot be").count() > said).then_some(())
        })
        .await;
        server.start_again().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashes_and_recovers_loses_nothing() {
    check("crashed and recovered", async |server, _| {
        server.crash();
        server.start_again().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_and_goes_on_loses_nothing() {
    check("frozen and thawed", async |server, daemon| {
        let said = daemon.log().matches("renewing the lease takes too long").count();
        server.freeze();
        eventually_within(Duration::from_secs(20), "the daemon notices", async || {
            (daemon.log().matches("renewing the lease takes too long").count() > said).then_some(())
        })
        .await;
        server.thaw();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_at_the_start_is_waited_for() {
    let mut server = PrivatePostgres::start().await;
    let database = server.database().await;
    database.zitadel().await;
    let written = push(&database, ADDED, 20).await;
    let receiver = Receiver::ok();
    let house = house(&database, &receiver);
    server.stop();
    let mut daemon = house.start();
    eventually_within(Duration::from_secs(20), "the daemon has tried three times", async || {
        (daemon.log().matches("this is tried again").count() >= 3).then_some(())
    })
    .await;
    let log = daemon.log();
    assert!(log.contains("failed to connect to the event store") && log.contains("Connection refused"), "{log}");
    server.start_again().await;
    all_arrive(&receiver, &written).await;
    assert_exact(&receiver, &written);

    // Stopping while waiting takes no longer than otherwise.
    assert_eq!(daemon.stop().await, 0);
    server.stop();
    let said = log.matches("this is tried again").count();
    daemon = house.start();
    eventually_within(Duration::from_secs(20), "the daemon waits", async || {
        (daemon.log().matches("this is tried again").count() > said).then_some(())
    })
    .await;
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_waits_for_a_commit_that_is_stuck() {
    let events = zitadel().await;
    let server = PrivatePostgres::start().await;
    let state = server.database().await;
    let receiver = Receiver::ok();
    let mut house = house(&events, &receiver);
    house.add(&format!("[state]\nurl = \"{}\"", state.url()));
    // It is not the lease that ends the sending.
    house.set("duration = \"1s\"", "duration = \"50s\"");
    let mut written = push(&events, ADDED, 600).await;
    let daemon = house.start();
    receiver.wait_for(100).await;
    server.freeze();
    let before = receiver.count();
    quiet_for(&receiver, Duration::from_secs(1)).await;
    let sent = receiver.count() - before;
    eprintln!("{sent} events were sent while commits were stuck, {} may be", 2 * MAX_GROUP + 1);
    assert!(sent <= 2 * MAX_GROUP + 1, "{sent} events were sent while commits were stuck");
    assert!(receiver.count() < written.len(), "all were sent already: this proves nothing");
    server.thaw();
    written.extend(push(&events, ADDED, 5).await);
    all_arrive(&receiver, &written).await;
    assert_exact(&receiver, &written);
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_waits_for_rows_that_somebody_has_locked() {
    let events = zitadel().await;
    let receiver = Receiver::ok();
    let house = house(&events, &receiver);
    let written = push(&events, ADDED, 400).await;
    let daemon = house.start();
    receiver.wait_for(60).await;
    // Four seconds are the length of the fault; how long the rest takes does not matter.
    let locked = events.execute("BEGIN; SELECT id FROM postrider.cursors FOR UPDATE; SELECT pg_sleep(4); COMMIT");
    let observed = async {
        eventually_within(Duration::from_secs(3), "the cursor is locked", async || {
            let sleeping =
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
            (events.value(sleeping).await.as_deref() == Some("1")).then_some(())
        })
        .await;
        let before = receiver.count();
        quiet_for(&receiver, Duration::from_secs(1)).await;
        receiver.count() - before
    };
    let ((), sent) = tokio::join!(locked, observed);
    eprintln!("{sent} events were sent while the cursor was locked, {} may be", 2 * MAX_GROUP + 1);
    assert!(sent <= 2 * MAX_GROUP + 1, "{sent} events were sent");
    all_arrive(&receiver, &written).await;
    assert_exact(&receiver, &written);
    assert_eq!(daemon.stop().await, 0);
}
