//! `run`: the real daemon, ended by a real signal.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use crate::{
    process::{Place, ask_to_stop},
    stored::stored,
};

const KEY: &str = "a key of the test";

/// A receiver, and what it prints.
fn receiver(place: &Place) -> (Child, String) {
    let mut command = place.command(&["listen", "--listen", "127.0.0.1:0", "--key", KEY, "-o", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary can be run");
    let mut said = String::new();
    BufReader::new(child.stderr.take().expect("stderr is piped")).read_line(&mut said).expect("it says where");
    (child, said.trim().trim_start_matches("listening on ").to_owned())
}

#[test]
fn a_daemon_delivers_what_is_there_and_a_signal_ends_it_with_everything_committed() {
    let place = stored(10);
    let (mut receiver, endpoint) = receiver(&place);
    place.write(
        "postrider.toml",
        &format!(
            "[event_store]\nurl = \"sqlite://events.db\"\n[state]\nurl = \"sqlite://own.state.db\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\nopen_metrics = true\n[delivery.egress]\nallow = [\"127.0.0.1\"]\n\
             [[target]]\nname = \"crm\"\nendpoint = \"{endpoint}\"\nsigning_key = \"{KEY}\"\nstart = \"beginning\"\n\
             [[execution]]\ncondition = {{ all = true }}\ntargets = [\"crm\"]\n"
        ),
    );
    let daemon = place.command(&["run"]).stderr(Stdio::piped()).spawn();
    let daemon = daemon.expect("the binary can be run");
    let lines = BufReader::new(receiver.stdout.take().expect("stdout is piped")).lines().take(10);
    let positions: Vec<_> = lines
        .map(|line| serde_json::from_str::<serde_json::Value>(&line.expect("text")).expect("JSON")["position"].clone())
        .collect();
    assert_eq!(positions, (1..=10).map(|position| format!("{position}/0")).collect::<Vec<_>>());

    // The receiver has answered; the cursor tells when that is settled.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let cursors = place.run(&["cursor", "list", "--count", "-o", "json"]);
        let cursors: serde_json::Value = serde_json::from_str(&cursors.out).unwrap_or_default();
        if cursors[0]["lag_events"] == 0 && cursors[0]["worker"].is_string() {
            break;
        }
        assert!(Instant::now() < deadline, "{cursors}");
    }
    let pid = daemon.id();
    ask_to_stop(&daemon);
    let done = daemon.wait_with_output().expect("the daemon ends");
    let log = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(0), "{log}");
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{log}");
    assert!(!log.contains(KEY), "{log}");
    let after = place.run(&["check"]).out;
    assert!(after.contains("held by nobody"), "{after}");
    let workers: serde_json::Value =
        serde_json::from_str(&place.run(&["worker", "list", "-o", "json"]).out).expect("a list is JSON");
    let worker = &workers[0];
    assert_eq!((&worker["state"], &worker["targets"], &worker["pid"]), (&"left".into(), &0.into(), &pid.into()));
    ask_to_stop(&receiver);
    assert!(receiver.wait().expect("the receiver ends").success());
}
