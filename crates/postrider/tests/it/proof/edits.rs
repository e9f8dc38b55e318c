//! Definitions and keys changed by hand beside a running daemon: in force for the next event, without a restart.

use std::sync::Arc;

use domain::{SigningKey, Timestamp};
use test_support::{Arrival, Receiver, TestDatabase, ask, eventually_within};

use super::{
    daemon::{Daemon, House, KEY},
    hands_scene::{ADDED, PATIENCE, all_arrive, assert_exact, cursor, cursor_at, push, push_to, zitadel},
};
use crate::admin::scene::address;

const MASTER: &str = "5eedaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Creates a target at this receiver, for everything, and returns its key.
fn create(house: &House, receiver: &Receiver) -> SigningKey {
    let flags = ["--endpoint", &receiver.url(), "--start", "beginning", "--paused"];
    let created = house.json(&[&["target", "create", "crm"], &flags[..]].concat());
    house.cli(&["execution", "set", "event", "--targets", "crm", "--exclude", "session.*"]);
    house.cli(&["target", "resume", "crm"]);
    created["signing_key"].as_str().expect("it is shown").into()
}

/// A daemon, and a target that was created beside it.
async fn scene(database: &TestDatabase, receiver: &Receiver) -> (House, Daemon, SigningKey) {
    let mut house = House::new(&database.url());
    house.show_figures();
    let daemon = house.start();
    // It makes the tables of the state.
    daemon.says("this daemon has joined").await;
    let key = create(&house, receiver);
    (house, daemon, key)
}

/// One more event, and its arrival.
async fn next(database: &TestDatabase, receiver: &Receiver) -> Arc<Arrival> {
    let written = push_to(database, "user", ADDED).await;
    all_arrive(receiver, &written).await;
    let arrival = receiver.accepted().into_iter().find(|arrival| arrival.key() == written[0]);
    arrival.expect("it has arrived")
}

fn signatures(arrival: &Arrival) -> usize {
    arrival.header("zitadel-signature").unwrap_or_default().matches("v1=").count()
}

fn silent(daemon: &Daemon, secrets: &[&str]) {
    let log = daemon.log();
    for secret in secrets {
        assert!(!log.contains(secret), "the log has a secret:\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_created_target_is_called_and_verifies_with_the_key_that_was_shown() {
    let database = zitadel().await;
    let receiver = Receiver::ok();
    let before = push(&database, ADDED, 3).await;
    let (house, daemon, key) = scene(&database, &receiver).await;
    all_arrive(&receiver, &before).await;
    let arrival = next(&database, &receiver).await;
    arrival.verify(std::slice::from_ref(&key)).expect("it is signed with the key that was shown");
    assert_eq!(signatures(&arrival), 1);
    silent(&daemon, &[key.expose()]);
    assert!(!house.cli(&["target", "get", "crm"]).contains(key.expose()));
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_signs_beside_the_new_one_until_its_end() {
    let database = zitadel().await;
    let receiver = Receiver::ok();
    let (house, daemon, old) = scene(&database, &receiver).await;
    next(&database, &receiver).await;
    let rotated = house.json(&["target", "rotate-key", "crm", "--grace", "4s"]);
    let new: SigningKey = rotated["signing_key"].as_str().expect("it is shown").into();
    let end: Timestamp = rotated["previous_expires_at"].as_str().expect("a time").parse().expect("a time");

    let both = eventually_within(PATIENCE, "a call is signed with both keys", async || {
        let arrival = next(&database, &receiver).await;
        (signatures(&arrival) == 2).then_some(arrival)
    })
    .await;
    both.verify(std::slice::from_ref(&old)).expect("the old key still signs");
    both.verify(std::slice::from_ref(&new)).expect("the new key signs");
    assert!(both.time < end);

    let only = eventually_within(PATIENCE, "a call is signed with the new key alone", async || {
        let arrival = next(&database, &receiver).await;
        (signatures(&arrival) == 1).then_some(arrival)
    })
    .await;
    only.verify(std::slice::from_ref(&new)).expect("the new key signs");
    only.verify(std::slice::from_ref(&old)).expect_err("the old key signs no more");
    assert!(only.time >= end, "{} is before the end {end}", only.time);
    silent(&daemon, &[old.expose(), new.expose()]);
    assert_eq!(daemon.log().matches("event=\"daemon.starting\"").count(), 1, "nobody restarted it");
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_renamed_moved_and_deleted_beside_a_running_daemon() {
    let database = zitadel().await;
    let (first, second) = (Receiver::ok(), Receiver::ok());
    let mut written = push(&database, ADDED, 3).await;
    let (house, daemon, _) = scene(&database, &first).await;
    all_arrive(&first, &written).await;
    cursor_at(&house, "crm", &written[2]).await;
    let id = cursor(&house, "crm")["target_id"].clone();

    house.cli(&["target", "update", "crm", "--name", "billing"]);
    in_force(&database, &daemon).await;
    written.push(next(&database, &first).await.key());
    cursor_at(&house, "billing", &written[3]).await;
    assert_eq!(cursor(&house, "billing")["target_id"], id);
    assert_exact(&first, &written);
    let figures = ask(&address(&daemon).await, "GET /metrics", &[], "").await.expect("it listens").body;
    for (name, calls) in [("crm", 3), ("billing", 1)] {
        let line = format!("postrider_deliveries_total{{target=\"{name}\",outcome=\"delivered\"}} {calls}\n");
        assert!(figures.contains(&line), "no {line} {figures}");
    }

    house.cli(&["target", "update", "billing", "--endpoint", &second.url(), "--header", "X-Tenant=acme"]);
    in_force(&database, &daemon).await;
    let moved = next(&database, &second).await;
    assert_eq!(moved.header("x-tenant"), Some("acme"));
    assert_exact(&first, &written);

    // Another execution for this one type, without targets: the event is passed over, the one behind it is sent.
    house.cli(&["execution", "set", &format!("event/{ADDED}"), "--targets", ""]);
    in_force(&database, &daemon).await;
    push_to(&database, "user", ADDED).await;
    let other = push_to(&database, "user", "user.removed").await;
    all_arrive(&second, &other).await;
    assert_eq!(second.count(), 2, "an execution without targets calls somebody");
    house.cli(&["execution", "delete", &format!("event/{ADDED}")]);

    house.cli(&["target", "create", "witness", "--endpoint", &first.url_of("/witness")]);
    house.cli(&["execution", "set", "event", "--targets", "billing,witness", "--exclude", "session.*"]);
    assert_eq!(house.command(&["target", "delete", "billing"]).status.code(), Some(2));
    house.cli(&["target", "delete", "billing", "--force"]);
    in_force(&database, &daemon).await;
    daemon.says("the courier is back").await;
    next(&database, &first).await;
    assert_eq!(second.count(), 2, "a deleted target is called");
    assert_eq!(daemon.stop().await, 0);
}

/// Waits until the daemon has taken up everything that was changed so far.
async fn in_force(database: &TestDatabase, daemon: &Daemon) {
    let revision = database.value("SELECT revision::text FROM postrider.revision").await.expect("there is a row");
    daemon.says(&format!("revision={revision}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_without_the_master_key_goes_on_with_what_it_knew_and_does_not_start_again() {
    let database = zitadel().await;
    let receiver = Receiver::ok();
    let (mut house, daemon, key) = scene(&database, &receiver).await;
    next(&database, &receiver).await;

    house.set("[lease]", &format!("[state]\nmaster_key = \"{MASTER}\"\n[lease]"));
    house.cli(&["key", "rotate-master"]);
    daemon.says("those known before stay in force").await;
    next(&database, &receiver).await.verify(std::slice::from_ref(&key)).expect("the key it knew");
    assert_eq!(daemon.stop().await, 0);

    house.set(&format!("[state]\nmaster_key = \"{MASTER}\"\n"), "");
    let refused = house.command(&["run"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("the signing key of the target \"crm\" is encrypted with the master key"), "{said}");

    house.set("[lease]", &format!("[state]\nmaster_key = \"{MASTER}\"\n[lease]"));
    let daemon = house.start();
    next(&database, &receiver).await.verify(std::slice::from_ref(&key)).expect("the same key");
    silent(&daemon, &[MASTER, key.expose()]);
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_files_keys_are_encrypted_in_the_state_and_sign_as_ever() {
    let database = zitadel().await;
    let receiver = Receiver::ok();
    let mut house = House::new(&database.url());
    house.set("[lease]", &format!("[state]\nmaster_key = \"{MASTER}\"\n[lease]"));
    house.target("crm", &receiver, "");
    house.execution("{ all = true }", &["crm"]);
    for _ in 0..2 {
        let daemon = house.start();
        next(&database, &receiver).await.verify(&[KEY.into()]).expect("it is signed with the file's key");
        silent(&daemon, &[MASTER, KEY]);
        assert_eq!(daemon.stop().await, 0);
    }
    let plain = format!(
        "SELECT count(*)::text FROM postrider.signing_keys WHERE sealed_with IS NULL OR signing_key LIKE '%{KEY}%'"
    );
    assert_eq!(database.value(&plain).await.as_deref(), Some("0"));
    let changes = "SELECT count(*)::text FROM postrider.audit WHERE act LIKE 'target.%'";
    assert_eq!(database.value(changes).await.as_deref(), Some("1"), "a second start changes nothing");
}
