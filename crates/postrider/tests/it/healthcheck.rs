//! `healthcheck`: the answer of a real daemon as an exit code.

use std::{net::TcpListener, time::Duration};

use test_support::eventually_within;

use crate::proof::daemon::{Daemon, House};

/// A port that was free a moment ago.
fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).expect("there is one").port()
}

/// A config with an embedded store and these lines for the admin interface.
async fn house(admin: &str) -> House {
    let folder = tempfile::tempdir().expect("there is room").keep();
    let file = folder.join("events.db");
    store::EventStore::create_sqlite(&file).await.expect("a store can be made");
    let mut house = House::new(&format!("sqlite://{}", file.display()));
    house.set("listen = \"\"", admin);
    house
}

/// The exit code, and what was printed.
fn asked(house: &House, more: &[&str]) -> (Option<i32>, String) {
    let done = house.command(&[&["healthcheck", "--timeout", "2s"], more].concat());
    let text = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8(text).expect("it is text"))
}

async fn ready(house: &House) -> Daemon {
    let daemon = house.start();
    eventually_within(Duration::from_secs(30), "the daemon is ready", async || {
        (asked(house, &[]) == (Some(0), "ready\n".to_owned())).then_some(())
    })
    .await;
    daemon
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_is_healthy_while_it_can_work_and_alive_while_it_answers() {
    let port = free();
    let house = house(&format!("listen = \"0.0.0.0:{port}\"")).await;
    let (code, text) = asked(&house, &[]);
    assert!(code == Some(1) && text.contains(&format!("127.0.0.1:{port}")), "nobody is there: {text}");

    // Other machines are listened to only where there is a token.
    let _ = house.cli(&["migrate"]);
    let _ = house.cli(&["token", "create", "--name", "ada", "--role", "admin"]);
    let daemon = ready(&house).await;
    assert_eq!(asked(&house, &["--live"]), (Some(0), "ok\n".to_owned()));
    assert_eq!(house.json(&["healthcheck"])["healthy"], true);
    daemon.signal("STOP");
    let (code, text) = asked(&house, &["--live"]);
    assert!(code == Some(1) && text.contains("no answer within 2s"), "it is frozen: {text}");
    daemon.signal("CONT");
    assert_eq!(daemon.stop().await, 0);

    // A server that is not there is waited for: that is no reason to end the process, but one to send nobody there.
    let url = format!("postgres://nobody@127.0.0.1:{}/none", free());
    let mut house = self::house(&format!("listen = \"127.0.0.1:{port}\"")).await;
    house.add(&format!("[state]\nurl = \"{url}\""));
    let daemon = house.start();
    daemon.says("this is tried again").await;
    assert_eq!(asked(&house, &["--live"]).0, Some(0));
    let (code, text) = asked(&house, &[]);
    assert!(code == Some(1) && text.starts_with("starting: "), "{text}");
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_only_the_certificate_of_the_config_is_believed() {
    let port = free();
    let lines = format!("listen = \"127.0.0.1:{port}\"\ntls = {{ certificate = \"tls.crt\", key = \"tls.key\" }}");
    let house = house(&lines).await;
    assert!(asked(&house, &[]).1.contains("tls.crt"), "there is no certificate yet");
    let write = || {
        let made = rcgen::generate_simple_self_signed(["anything.example".to_owned()]).expect("one can be made");
        house.file("tls.key", &made.signing_key.serialize_pem());
        house.file("tls.crt", &made.cert.pem());
    };
    write();
    assert!(asked(&house, &[]).1.contains("nothing could be asked"), "nobody is there");
    let daemon = ready(&house).await;
    // The daemon has not looked at its files again yet.
    write();
    let (code, text) = asked(&house, &[]);
    assert!(code == Some(1) && text.contains("nothing could be asked"), "{text}");
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_listens_asking_is_wrong_usage() {
    for listen in ["listen = \"\"", "listen = \"127.0.0.1:0\""] {
        let (code, text) = asked(&house(listen).await, &[]);
        assert!(code == Some(2) && text.contains("admin.listen"), "{text}");
    }
}
