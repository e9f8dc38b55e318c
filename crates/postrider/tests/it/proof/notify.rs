//! Waking by notifications: `postrider migrate --notify-trigger`, and what a daemon makes of the trigger.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use test_support::{Account, CustomKind, Push, Receiver, Stamp, TestDatabase, eventually};

use super::daemon::{Daemon, House};

/// So long nothing is looked for unless somebody says that there is something.
const POLL: &str = "poll_interval = \"1h\"\n";
const LISTENS: &str = "notifications wake the tail";
/// Ends the connection that listens, and counts it.
const END: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name = 'postrider listens' AND datname = current_database()";

/// A store of ZITADEL's shape with one event, a config for it, a target for all events.
async fn scene(horizon: &str, projection: &str) -> (TestDatabase, House, Receiver) {
    let database = TestDatabase::create().await;
    database.zitadel().await;
    push(&database, 0).await;
    let mut house = House::new(&database.url());
    house.set("[delivery.egress]", &format!("horizon = \"{horizon}\"\n[delivery.egress]"));
    house.set("[projection]\n", &format!("[projection]\n{projection}"));
    let receiver = Receiver::ok();
    house.target("t", &receiver, "");
    house.execution("{ all = true }", &["t"]);
    (database, house, receiver)
}

async fn push(database: &TestDatabase, number: usize) {
    let push = Push::to("user", &number.to_string()).event("user.human.added");
    database.push(Stamp::Clock, &push).await;
}

/// Pushes an event and waits for it; how long that took.
async fn delivered(database: &TestDatabase, receiver: &Receiver) -> Duration {
    let before = receiver.count();
    let push = Push::to("user", &before.to_string()).event("user.human.added");
    database.push(Stamp::Clock, &push).await;
    let pushed = Instant::now();
    receiver.wait_for(before + 1).await;
    pushed.elapsed()
}

async fn stop(database: &TestDatabase, receiver: &Receiver, daemon: Daemon) {
    let written = database.zitadel_events().await;
    receiver.wait_for(written.len()).await;
    assert_eq!(daemon.stop().await, 0);
    Account::of(&receiver.accepted(), written.iter().map(|written| &written.key)).assert_exact();
}

/// Waits until the tail has asked the event store something so often from now on.
async fn looks(database: &TestDatabase, times: usize) {
    const LAST: &str = "SELECT max(query_start) FROM pg_stat_activity
        WHERE application_name = 'postrider' AND datname = current_database()";
    let mut seen = HashSet::new();
    eventually(&format!("the tail looks {times} times"), async || {
        seen.insert(database.value(LAST).await);
        // The first is that of a look before.
        (seen.len() > times).then_some(())
    })
    .await;
}

/// How often the log has this text, at least.
async fn says_times(daemon: &Daemon, text: &str, times: usize) {
    eventually(&format!("the daemon says {text:?} {times} times"), async || {
        (daemon.log().matches(text).count() >= times).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_event_arrives_at_once_though_nobody_polls() {
    for horizon in ["tx_start", "clock"] {
        let (database, house, receiver) = scene(horizon, POLL).await;
        house.cli(&["migrate", "--notify-trigger"]);
        let daemon = house.start();
        daemon.says(LISTENS).await;
        receiver.wait_for(1).await;
        for _ in 0..10 {
            let took = delivered(&database, &receiver).await;
            assert!(took < Duration::from_secs(5), "{horizon}: {took:?}");
        }
        stop(&database, &receiver, daemon).await;
    }
}

#[tokio::test]
async fn events_of_several_instances_arrive_at_once_though_nobody_polls() {
    let (database, house, receiver) = scene("clock", POLL).await;
    let instances = ["i2", "i3", "i4"];
    for instance in instances {
        database.push(Stamp::Clock, &Push::to("user", "u").on(instance).event("user.added")).await;
    }
    house.cli(&["migrate", "--notify-trigger"]);
    let daemon = house.start();
    receiver.wait_for(4).await;
    for round in 0..10 {
        for instance in instances {
            database.push(Stamp::Clock, &Push::to("user", "u").on(instance).event("user.added")).await;
        }
        receiver.wait_for(4 + 3 * (round + 1)).await;
    }
    stop(&database, &receiver, daemon).await;
}

/// The first to write speaks for all that are open; the others commit after it has, without a word.
#[tokio::test]
async fn who_lets_another_speak_is_delivered_though_nobody_polls() {
    for (horizon, instances) in [("clock", ["i1", "i1"]), ("clock", ["i1", "i2"]), ("tx_start", ["i1", "i2"])] {
        let (database, house, receiver) = scene(horizon, POLL).await;
        database.push(Stamp::Clock, &Push::to("user", "u").on("i2").event("user.added")).await;
        house.cli(&["migrate", "--notify-trigger"]);
        let daemon = house.start();
        daemon.says(LISTENS).await;
        receiver.wait_for(2).await;
        let begin = async || database.pool().begin().await.expect("a transaction begins");
        for round in 1..=3 {
            let (mut speaks, mut silent) = (begin().await, begin().await);
            let event = |instance: &str| Push::to("user", &round.to_string()).on(instance).event("user.locked");
            event(instances[0]).run(Stamp::Clock, &mut speaks).await.expect("it is pushed");
            let other = Push { aggregate_id: "other".to_owned(), ..event(instances[1]) };
            other.run(Stamp::Clock, &mut silent).await.expect("it is pushed");
            speaks.commit().await.expect("it is committed");
            // The one that speaks wakes the tail once; from then on it must look by itself.
            looks(&database, 5).await;
            silent.commit().await.expect("it is committed");
            let committed = Instant::now();
            receiver.wait_for(2 + 2 * round).await;
            assert!(committed.elapsed() < Duration::from_secs(5), "{horizon} {instances:?}: {:?}", committed.elapsed());
        }
        stop(&database, &receiver, daemon).await;
    }
}

#[tokio::test]
async fn where_the_one_that_should_speak_rolls_back_the_next_look_finds_the_others() {
    let (database, house, receiver) = scene("clock", "").await;
    house.cli(&["migrate", "--notify-trigger"]);
    let daemon = house.start();
    daemon.says(LISTENS).await;
    receiver.wait_for(1).await;
    let mut speaks = database.pool().begin().await.expect("a transaction begins");
    Push::to("user", "gone").event("user.locked").run(Stamp::Clock, &mut speaks).await.expect("it is pushed");
    push(&database, 1).await;
    speaks.rollback().await.expect("it is rolled back");
    let ended = Instant::now();
    receiver.wait_for(2).await;
    assert!(ended.elapsed() < Duration::from_secs(3), "{:?}", ended.elapsed());
    stop(&database, &receiver, daemon).await;
}

#[tokio::test]
async fn a_position_from_a_sequence_wakes_as_well() {
    let database = TestDatabase::create().await;
    database.custom(CustomKind::Partitioned).await;
    let insert = "INSERT INTO app.events (stream_type, stream_id, name, version)
        SELECT 's', n, 'user.added', 1 FROM generate_series(1, 5) n";
    database.execute(insert).await;
    let mut house = House::new(&database.url());
    house.set(
        "[delivery.egress]",
        "profile = \"custom\"\ntable = \"app.events\"\n[event_store.columns]\nposition = \"id\"\naggregate_type = \"stream_type\"\n\
         aggregate_id = \"stream_id\"\nevent_type = \"name\"\nsequence = \"version\"\ncreated_at = \"created\"\npayload = \"data\"\n\
         [delivery.egress]",
    );
    house.set("[projection]\n", &format!("[projection]\n{POLL}"));
    let receiver = Receiver::ok();
    house.target("t", &receiver, "");
    house.execution("{ all = true }", &["t"]);
    house.cli(&["migrate", "--notify-trigger"]);
    let daemon = house.start();
    for round in 1..10 {
        receiver.wait_for(5 * round).await;
        database.execute(insert).await;
    }
    receiver.wait_for(50).await;
    assert_eq!(daemon.stop().await, 0);
    Account::of(&receiver.accepted(), database.custom_events().await.iter().map(|written| &written.key)).assert_exact();
}

#[tokio::test]
async fn a_listening_connection_that_is_ended_is_made_again_and_nothing_is_lost() {
    // Who waits for more than a second waits for nobody's notification.
    let (database, house, receiver) = scene("clock", POLL).await;
    house.cli(&["migrate", "--notify-trigger"]);
    let daemon = house.start();
    for times in 1..=3 {
        says_times(&daemon, LISTENS, times).await;
        delivered(&database, &receiver).await;
        assert_eq!(database.value(END).await.as_deref(), Some("1"));
        // Where nobody may hear it.
        for number in 0..3 {
            push(&database, number).await;
        }
    }
    says_times(&daemon, "the connection that listens broke", 3).await;
    says_times(&daemon, LISTENS, 4).await;
    delivered(&database, &receiver).await;
    stop(&database, &receiver, daemon).await;
}

#[tokio::test]
async fn while_it_cannot_listen_the_daemon_polls() {
    let (mut database, _, receiver) = scene("clock", "").await;
    let role = database.create_reader().await;
    let mut house = House::new(&database.url_as(&role));
    house.set("[delivery.egress]", "horizon = \"clock\"\n[delivery.egress]");
    let state = house.folder().join("state.db");
    house.add(&format!("[state]\nurl = \"sqlite://{}\"", state.display()));
    house.target("t", &receiver, "");
    house.execution("{ all = true }", &["t"]);
    database.execute(&house.cli(&["migrate", "--notify-trigger", "--print"])).await;
    let daemon = house.start();
    daemon.says(LISTENS).await;
    delivered(&database, &receiver).await;
    // Nobody new is let in; those that are in stay.
    database.execute(&format!("ALTER ROLE {role} NOLOGIN")).await;
    assert_eq!(database.value(END).await.as_deref(), Some("1"));
    daemon.says("the connection that listens broke").await;
    let mut took = Vec::new();
    for _ in 0..9 {
        took.push(delivered(&database, &receiver).await);
    }
    took.sort();
    assert!(took[4] < Duration::from_millis(400), "it looks more often than every second: {took:?}");
    assert_eq!(daemon.log().matches(LISTENS).count(), 1, "it cannot listen");
    database.execute(&format!("ALTER ROLE {role} LOGIN")).await;
    says_times(&daemon, LISTENS, 2).await;
    delivered(&database, &receiver).await;
    stop(&database, &receiver, daemon).await;
}

#[tokio::test]
async fn a_trigger_that_comes_or_goes_is_seen_by_a_running_daemon() {
    let (database, house, receiver) = scene("clock", "requeue_every = \"1s\"\n").await;
    let daemon = house.start();
    receiver.wait_for(1).await;
    for times in 1..=2 {
        house.cli(&["migrate", "--notify-trigger"]);
        says_times(&daemon, LISTENS, times).await;
        delivered(&database, &receiver).await;
        house.cli(&["migrate", "--drop-notify-trigger"]);
        let mut took = vec![delivered(&database, &receiver).await];
        says_times(&daemon, "the notify trigger is gone", times).await;
        for _ in 0..9 {
            took.push(delivered(&database, &receiver).await);
        }
        took[1..].sort();
        assert!(took[0] < Duration::from_secs(3), "until it is seen: {took:?}");
        assert!(took[5] < Duration::from_millis(400), "it polls: {took:?}");
    }
    let listeners = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'postrider listens' AND datname = current_database()";
    eventually("nobody listens", async || (database.value(listeners).await.as_deref() == Some("0")).then_some(()))
        .await;
    stop(&database, &receiver, daemon).await;
}

#[tokio::test]
async fn while_it_is_told_of_everything_the_daemon_hardly_asks() {
    let (database, house, receiver) = scene("clock", "").await;
    let daemon = house.start();
    delivered(&database, &receiver).await;
    let asked = async || {
        // Statements that begin between two looks of ours, of the tail and nobody else.
        let began = Instant::now();
        let mut seen = std::collections::BTreeSet::new();
        while began.elapsed() < Duration::from_secs(4) {
            let sql = "SELECT max(query_start) FROM pg_stat_activity WHERE application_name = 'postrider'
                AND query LIKE '%AS known(instance_id, position)%' AND datname = current_database()";
            seen.extend(database.value(sql).await);
        }
        seen.len()
    };
    let polling = asked().await;
    house.cli(&["migrate", "--notify-trigger"]);
    daemon.stop().await;
    let daemon = house.start();
    daemon.says(LISTENS).await;
    says_times(&daemon, "a courier sets out", 2).await;
    delivered(&database, &receiver).await;
    let listening = asked().await;
    assert!(listening * 4 < polling, "{listening} questions instead of {polling}");
    stop(&database, &receiver, daemon).await;
}

#[tokio::test]
async fn the_command_says_what_it_did() {
    let (database, house, _) = scene("clock", "").await;
    let run = |arguments: &[&str]| {
        let done = house.command(arguments);
        let text = |bytes| String::from_utf8(bytes).expect("it is text");
        (done.status.code().expect("it ends by itself"), text(done.stdout), text(done.stderr))
    };
    let schema = "SELECT count(*) FROM pg_namespace WHERE nspname = 'postrider'";
    let (code, printed, _) = run(&["migrate", "--notify-trigger", "--print"]);
    assert_eq!(code, 0);
    assert_eq!(database.value(schema).await.as_deref(), Some("0"), "printing changes nothing");
    database.execute(&printed).await;
    let (code, out, err) = run(&["migrate", "--notify-trigger"]);
    assert_eq!((code, out.as_str()), (0, "the notify trigger is there already\n"), "{err}");
    assert!(run(&["check"]).1.contains("commits wake the daemon"));
    assert_eq!(house.json(&["migrate", "--drop-notify-trigger"])["changed"], true);
    let (code, out, err) = run(&["migrate", "--drop-notify-trigger"]);
    assert_eq!((code, out.as_str()), (0, "there is no notify trigger\n"), "{err}");
    assert!(run(&["check"]).1.contains("--notify-trigger"));
    for wrong in [&["migrate", "--print"][..], &["migrate", "--notify-trigger", "--drop-notify-trigger"]] {
        assert_eq!(run(wrong).0, 2, "{wrong:?}");
    }
}

#[tokio::test]
async fn without_the_right_the_command_fails_and_names_the_grant() {
    let mut database = TestDatabase::create().await;
    database.zitadel().await;
    let role = database.create_reader().await;
    let house = House::new(&database.url_as(&role));
    let done = house.command(&["migrate", "--notify-trigger"]);
    let err = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{err}");
    assert!(err.contains("GRANT TRIGGER ON \"eventstore\".\"events2\" TO"), "{err}");
    assert!(err.contains("--print"), "{err}");
}

#[test]
fn sqlite_has_no_trigger_to_add() {
    let place = crate::stored::stored(1);
    for flag in ["--notify-trigger", "--drop-notify-trigger"] {
        let done = place.run(&["migrate", flag]);
        assert_eq!(done.code, 2, "{}", done.err);
        assert!(done.err.contains("SQLite"), "{}", done.err);
    }
}
