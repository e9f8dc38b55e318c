//! The daemon is asked to stop: softly, again, and for longer than it may take.

use std::time::{Duration, Instant};

use test_support::{Account, Behaviour, PrivatePostgres, Receiver, eventually};

use super::{
    daemon::House,
    hands_scene::{ADDED, all_arrive, assert_exact, in_state, push, zitadel},
};

fn house(url: &str, receiver: &Receiver, timeout: &str) -> House {
    let mut house = House::new(url);
    house.target("crm", receiver, "");
    house.set("timeout = \"2s\"", &format!("timeout = \"{timeout}\""));
    house.execution("{ all = true }", &["crm"]);
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_the_call_in_flight_and_the_next_start_repeats_nothing() {
    let database = zitadel().await;
    // The fifth answer takes a second.
    let receiver = Receiver::start(|number, _| match number {
        4 => Behaviour::from(200).delayed(Duration::from_secs(1)),
        _ => 200.into(),
    });
    let mut house = house(&database.url(), &receiver, "10s");
    house.add("[ledger]\nflush_interval = \"20s\"");
    let written = push(&database, ADDED, 30).await;
    let daemon = house.start();
    receiver.wait_for(5).await;
    let asked = Instant::now();
    assert_eq!(daemon.stop().await, 0);
    assert!(asked.elapsed() >= Duration::from_millis(900), "the call in flight was cut after {:?}", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(5), "stopping took {:?}", asked.elapsed());
    assert_eq!(receiver.count(), 5, "nothing more is sent");

    let daemon = house.start();
    all_arrive(&receiver, &written).await;
    assert_exact(&receiver, &written);
    assert_eq!(daemon.stop().await, 0);
    assert_exact(&receiver, &written);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once() {
    let database = zitadel().await;
    let receiver = Receiver::start(|_, _| Behaviour::Hang);
    let house = house(&database.url(), &receiver, "60s");
    let written = push(&database, ADDED, 1).await;
    let mut daemon = house.start();
    receiver.wait_for(1).await;
    daemon.signal("TERM");
    daemon.says("a second signal stops at once").await;
    let asked = Instant::now();
    daemon.signal("INT");
    let ended = daemon.ended(Duration::from_secs(5)).await;
    assert_eq!(ended.code(), Some(1));
    assert!(asked.elapsed() < Duration::from_secs(2), "it took {:?}", asked.elapsed());

    receiver.behave(|_, _| 200.into());
    let _daemon = house.start();
    all_arrive(&receiver, &written).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_grace_is_as_long_as_it_takes() {
    let database = zitadel().await;
    // Three are answered, the fourth never.
    let receiver = Receiver::start(|number, _| if number == 3 { Behaviour::Hang } else { 200.into() });
    let mut house = house(&database.url(), &receiver, "60s");
    house.set("shutdown_grace = \"10s\"", "shutdown_grace = \"1s\"");
    house.add("[ledger]\nflush_interval = \"20s\"");
    let written = push(&database, ADDED, 10).await;
    let mut daemon = house.start();
    receiver.wait_for(4).await;
    let asked = Instant::now();
    daemon.signal("TERM");
    let ended = daemon.ended(Duration::from_secs(10)).await;
    assert_eq!(ended.code(), Some(1));
    assert!(asked.elapsed() >= Duration::from_secs(1), "it took {:?}", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(3), "it took {:?}", asked.elapsed());
    assert!(daemon.log().contains("within shutdown_grace"));

    let daemon = house.start();
    all_arrive(&receiver, &written).await;
    // What had been answered in time was committed when the grace was over, or is sent again: nothing is lost, as said.
    let arrivals = receiver.arrivals();
    Account::of(&arrivals, &written).assert_complete();
    Account::of(&arrivals, &written).assert_in_order();
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_holds_stops_at_once() {
    let database = zitadel().await;
    let receiver = Receiver::ok();
    receiver.down();
    let mut house = house(&database.url(), &receiver, "10s");
    house.set("max_retry_interval = \"200ms\"", "max_retry_interval = \"5m\"");
    house.set("retry_failed_after = \"50ms\"", "retry_failed_after = \"1m\"");
    let written = push(&database, ADDED, 3).await;
    let daemon = house.start();
    in_state(&house, "crm", "holding").await;
    let asked = Instant::now();
    assert_eq!(daemon.stop().await, 0);
    assert!(asked.elapsed() < Duration::from_secs(2), "it took {:?}", asked.elapsed());
    // A new start tries at once: the wait was not for the event's sake.
    receiver.up();
    let daemon = house.start();
    all_arrive(&receiver, &written).await;
    assert_exact(&receiver, &written);
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_the_database_is_away_keeps_to_shutdown_grace() {
    let mut server = PrivatePostgres::start().await;
    let database = server.database().await;
    database.zitadel().await;
    let receiver = Receiver::ok();
    let mut house = house(&database.url(), &receiver, "10s");
    house.set("shutdown_grace = \"10s\"", "shutdown_grace = \"2s\"");
    let written = push(&database, ADDED, 20).await;
    for (frozen, leads) in [(false, 1), (true, 2)] {
        let mut daemon = house.start();
        eventually("the daemon leads", async || {
            (daemon.log().matches("a courier sets out").count() == leads).then_some(())
        })
        .await;
        all_arrive(&receiver, &written).await;
        in_state(&house, "crm", "live").await;
        if frozen {
            server.freeze();
        } else {
            server.stop();
        }
        let asked = Instant::now();
        daemon.signal("TERM");
        let ended = daemon.ended(Duration::from_secs(30)).await;
        eprintln!("frozen: {frozen}; it ended with {ended} after {:?}", asked.elapsed());
        assert!(asked.elapsed() < Duration::from_secs(4), "it took {:?}", asked.elapsed());
        if frozen {
            server.thaw();
        } else {
            server.start_again().await;
        }
    }
    Account::of(&receiver.arrivals(), &written).assert_complete();
    Account::of(&receiver.arrivals(), &written).assert_in_order();
}
