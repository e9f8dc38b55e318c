//! Endpoints in trouble, and events that an endpoint will not take: what is held, what is counted, what is parked.

use std::time::{Duration, Instant};

use test_support::{Account, Behaviour, Receiver, TestDatabase};

use super::{
    daemon::House,
    hands_scene::{
        ADDED, accepted_keys, all_arrive, assert_exact, assert_one_id_each, cursor_at, failed, failed_are, in_state,
        push, push_to, quiet_for, zitadel,
    },
};

/// A daemon's config with one target for everything.
fn house(database: &TestDatabase, receiver: &Receiver) -> House {
    let mut house = House::new(&database.url());
    house.target("crm", receiver, "");
    house.execution("{ all = true }", &["crm"]);
    house
}

/// Whom an arrival is about.
fn of(arrival: &test_support::Arrival) -> String {
    arrival.key().aggregate_id.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_down_for_a_while_misses_nothing() {
    let database = zitadel().await;
    let receiver = Receiver::ok();
    let house = house(&database, &receiver);
    let mut written = push(&database, ADDED, 20).await;
    let daemon = house.start();
    all_arrive(&receiver, &written).await;
    receiver.down();
    written.extend(push(&database, ADDED, 20).await);
    let cursor = in_state(&house, "crm", "holding").await;
    let reason = cursor["reason"].as_str().expect("a hold has a reason");
    assert!(reason.contains("cannot connect to 127.0.0.1"), "{reason}");
    assert!(cursor["lag_seconds"].as_f64().is_some_and(|lag| lag > 0.0), "{cursor}");
    assert_eq!(failed(&house), []);
    receiver.up();
    all_arrive(&receiver, &written).await;
    assert_exact(&receiver, &written);
    in_state(&house, "crm", "live").await;
    assert_eq!(failed(&house), []);
    assert_eq!(daemon.stop().await, 0);
    assert_exact(&receiver, &written);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_behind_a_broken_gateway_is_waited_for_and_nothing_counted() {
    let database = zitadel().await;
    let receiver = Receiver::start(|number, _| if number < 10 { 200.into() } else { 502.into() });
    let house = house(&database, &receiver);
    let written = push(&database, ADDED, 30).await;
    let daemon = house.start();
    // Many more probes than an event may fail.
    receiver.wait_for(10 + 12).await;
    let cursor = in_state(&house, "crm", "holding").await;
    assert!(cursor["reason"].as_str().is_some_and(|reason| reason.contains("502 Bad Gateway")), "{cursor}");
    assert_eq!(failed(&house), []);
    assert_eq!(cursor["failed_events"], 0);
    let held: Vec<_> = receiver.arrivals()[10..].iter().map(|arrival| arrival.key()).collect();
    assert!(held.iter().all(|key| *key == written[10]), "only the head is tried while the endpoint is in trouble");
    receiver.behave(|_, _| 200.into());
    all_arrive(&receiver, &written).await;
    assert_exact(&receiver, &written);
    assert_one_id_each(&receiver.arrivals());
    assert_eq!(failed(&house), []);
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_refused_is_parked_after_five_calls_and_the_rest_delivered() {
    let database = zitadel().await;
    let receiver = Receiver::refusing("bad");
    let house = house(&database, &receiver);
    let mut written = push(&database, ADDED, 10).await;
    let bad = push_to(&database, "bad", ADDED).await;
    written.extend(push(&database, ADDED, 10).await);
    let daemon = house.start();
    all_arrive(&receiver, &written).await;
    assert_exact(&receiver, &written);
    let calls: Vec<_> = receiver.arrivals().into_iter().filter(|arrival| arrival.key() == bad[0]).collect();
    assert_eq!(calls.iter().map(|call| call.attempt()).collect::<Vec<_>>(), [1, 2, 3, 4, 5].map(Some));
    assert_one_id_each(&calls);
    failed_are(&house, &[("bad", "parked", 5)]).await;
    let shown = house.json(&["failed", "list"]);
    assert!(shown[0]["error"].as_str().is_some_and(|error| error.contains("answered 500")), "{shown}");
    cursor_at(&house, "crm", &written[19]).await;
    // The one after it names the one before it as delivered last: a receiver can see the gap.
    let after = receiver.accepted()[10].header("postrider-previous-position").map(str::to_owned);
    assert_eq!(after, Some(format!("{}/{}", written[9].position, written[9].in_tx_order)));
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_refuses_everything_is_held_after_some_and_the_parked_can_be_sent_later() {
    let database = zitadel().await;
    let receiver = Receiver::start(|_, _| 500.into());
    let mut house = house(&database, &receiver);
    house.set("[projection]", "[projection]\nhold_after_parked = 3\nmax_failure_count = 2");
    for user in ["a", "b", "c", "d", "e", "f"] {
        push_to(&database, user, ADDED).await;
    }
    let written: Vec<_> = database.zitadel_events().await.into_iter().map(|event| event.key).collect();
    let daemon = house.start();
    let parked = [("a", "parked", 2), ("b", "parked", 2), ("c", "parked", 2)];
    failed_are(&house, &parked).await;
    let cursor = in_state(&house, "crm", "holding").await;
    let reason = cursor["reason"].as_str().expect("a hold has a reason");
    eprintln!("the reason of a hold after some were parked: {reason}");
    receiver.wait_for(6 + 5).await;
    failed_are(&house, &parked).await;
    assert!(receiver.arrivals()[6..].iter().all(|call| call.key() == written[3]), "one probe at a time");

    receiver.behave(|_, _| 200.into());
    all_arrive(&receiver, &written[3..]).await;
    in_state(&house, "crm", "live").await;
    failed_are(&house, &parked).await;
    assert_eq!(accepted_keys(&receiver), written[3..]);

    house.cli(&["failed", "retry", "crm", "--all"]);
    all_arrive(&receiver, &written).await;
    failed_are(&house, &[]).await;
    assert_eq!(accepted_keys(&receiver)[3..], written[..3], "in order, once");
    assert_eq!(daemon.stop().await, 0);
    assert_one_id_each(&receiver.arrivals());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_every_kind_but_the_right_one_cost_a_retry_and_no_event() {
    let faults = [
        (Behaviour::Hang, 1),
        (Behaviour::Close, 1),
        (Behaviour::CloseInHead, 1),
        (Behaviour::Garbage, 1),
        (Behaviour::from(302), 1),
        (Behaviour::from(404), 1),
        // The head says that it was taken.
        (Behaviour::HangAfterHead, 0),
        (Behaviour::CloseHalfWay, 0),
        (Behaviour::AnswerThenClose, 0),
        (Behaviour::Huge(100 << 20), 0),
    ];
    let database = zitadel().await;
    let mut written = Vec::new();
    for number in 0..faults.len() {
        written.extend(push_to(&database, &format!("u{number}"), ADDED).await);
    }
    written.extend(push_to(&database, "last", ADDED).await);
    let meets = faults.clone();
    let receiver = Receiver::start(move |_, arrival| {
        let fault = of(arrival).strip_prefix('u').and_then(|number| number.parse::<usize>().ok());
        // A second request for the first attempt is the one that follows a connection closed without an answer.
        match fault.filter(|_| arrival.attempt() == Some(1)).and_then(|fault| meets.get(fault)) {
            Some((behaviour, _)) => behaviour.clone(),
            None => 200.into(),
        }
    });
    let mut house = house(&database, &receiver);
    house.set("timeout = \"2s\"", "timeout = \"700ms\"");
    let started = Instant::now();
    let daemon = house.start();
    all_arrive(&receiver, &written[faults.len()..]).await;
    eprintln!("ten bad answers took {:?}", started.elapsed());
    in_state(&house, "crm", "live").await;
    failed_are(&house, &[]).await;
    let arrivals = receiver.arrivals();
    for (number, (fault, retries)) in faults.iter().enumerate() {
        let calls: Vec<_> = arrivals.iter().filter(|arrival| arrival.key() == written[number]).collect();
        let most = calls.iter().filter_map(|call| call.attempt()).max();
        assert_eq!(most, Some(1 + retries), "{fault:?} was followed by {} calls", calls.len());
    }
    let account = Account::of(&arrivals, &written);
    account.assert_complete();
    account.assert_in_order();
    assert_one_id_each(&arrivals);
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_asks_for_a_pause_gets_it() {
    let database = zitadel().await;
    let receiver = Receiver::start(|number, _| match number {
        2 => Behaviour::from(429).with_header("Retry-After", "2"),
        _ => 200.into(),
    });
    let mut house = house(&database, &receiver);
    house.set("max_retry_interval = \"200ms\"", "max_retry_interval = \"10s\"");
    let written = push(&database, ADDED, 6).await;
    let daemon = house.start();
    all_arrive(&receiver, &written).await;
    assert_exact(&receiver, &written);
    let arrivals = receiver.arrivals();
    let pause = arrivals[3].at.duration_since(arrivals[2].at);
    eprintln!("a pause of 2 s was asked for, {pause:?} it was");
    assert!(pause >= Duration::from_secs(2) && pause < Duration::from_secs(4), "{pause:?}");
    assert_eq!(arrivals[3].key(), arrivals[2].key());
    assert_eq!(failed(&house), []);
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_followed_with_the_body_and_its_signature() {
    let database = zitadel().await;
    let new = Receiver::ok();
    let elsewhere = new.url_of("/new");
    let old = Receiver::start(move |_, _| Behaviour::redirect(307, &elsewhere));
    let house = house(&database, &old);
    let written = push(&database, ADDED, 12).await;
    let daemon = house.start();
    all_arrive(&new, &written).await;
    assert_exact(&new, &written);
    let key = [super::daemon::KEY.to_owned().into()];
    for (arrival, first) in new.arrivals().iter().zip(old.arrivals()) {
        assert_eq!((arrival.method.as_str(), arrival.path.as_str()), ("POST", "/new"));
        assert_eq!(arrival.body, first.body);
        arrival.verify(&key).expect("the signature holds after a redirect");
    }
    assert_eq!(failed(&house), []);
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_async_target_is_not_waited_for_and_gets_everything() {
    let database = zitadel().await;
    let receiver = Receiver::start(|_, _| Behaviour::from(200).delayed(Duration::from_millis(500)));
    let mut house = House::new(&database.url());
    house.target("audit", &receiver, "type = \"async\"");
    house.execution("{ all = true }", &["audit"]);
    let written = push(&database, ADDED, 40).await;
    let daemon = house.start();
    receiver.wait_for(1).await;
    let started = receiver.arrivals()[0].at;
    all_arrive(&receiver, &written).await;
    let took = receiver.arrivals()[39].at.duration_since(started);
    eprintln!("40 calls of 500 ms each, not waited for: {took:?}");
    assert!(took < Duration::from_secs(10), "answers were waited for: {took:?}");
    Account::of(&receiver.arrivals(), &written).assert_complete();

    // One that refuses costs nothing but the event: it is logged.
    receiver.behave(|_, _| 500.into());
    let refused = push(&database, ADDED, 3).await;
    receiver.wait_for(43).await;
    cursor_at(&house, "audit", &refused[2]).await;
    assert_eq!(failed(&house), []);

    // What is under way is finished when the daemon stops.
    receiver.behave(|_, _| Behaviour::from(200).delayed(Duration::from_millis(800)));
    push(&database, ADDED, 5).await;
    receiver.wait_for(44).await;
    assert_eq!(daemon.stop().await, 0);
    quiet_for(&receiver, Duration::from_millis(300)).await;
    let before = receiver.count();
    let daemon = house.start();
    receiver.wait_for(48).await;
    quiet_for(&receiver, Duration::from_millis(300)).await;
    assert_eq!(receiver.count(), 48, "{before} had arrived before the second start");
    assert_eq!(daemon.stop().await, 0);
}
