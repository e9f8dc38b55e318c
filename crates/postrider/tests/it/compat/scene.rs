//! A daemon on SQLite, targets of which one refuses, and every command run beside it, most of them more than once: so that
//! fields are seen with a value and without.

use std::{collections::BTreeMap, net::TcpListener, process::Stdio, time::Duration};

use domain::SigningKey;
use serde_json::Value;
use test_support::{Behaviour, Receiver, eventually, eventually_within};

use crate::{process::Place, stored};

use super::shape::Shape;

const MASTER_KEY: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// Runs commands and remembers the shape of what they print.
struct Recorder {
    place: Place,
    shapes: BTreeMap<String, Shape>,
}

impl Recorder {
    /// Runs `command` with more arguments; the answer counts, also where the exit code is 1.
    #[track_caller]
    fn run(&mut self, command: &str, more: &[&str]) -> Value {
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.extend(more);
        arguments.extend(["-o", "json"]);
        let done = self.place.run(&arguments);
        let answer: Value = serde_json::from_str(&done.out).unwrap_or_else(|error| {
            panic!("{arguments:?} ended with {}: {error}: {}{}", done.code, done.out, done.err)
        });
        self.shapes.entry(command.to_owned()).or_default().see(&answer);
        answer
    }
}

/// The shape of what each command prints.
pub async fn shapes() -> BTreeMap<String, Shape> {
    // Every fourth event is refused for good; the target parks it at once.
    let receiver = Receiver::start(|_, arrival| match arrival.event_type().as_str() {
        "user.human.profile.changed" => Behaviour::from(400).with_body("no"),
        _ => 200.into(),
    });
    let stored = tokio::task::spawn_blocking(|| stored::stored(12)).await;
    let place = stored.expect("a store can be made");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("there is a port").port();
    place.write("postrider.toml", &config(&receiver, port));
    let mut recorder = Recorder { place, shapes: BTreeMap::new() };
    define(&mut recorder, &receiver);
    let mut daemon = recorder
        .place
        .command(&["run"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary can be run");
    serve(&mut recorder, &receiver).await;
    operate(&mut recorder);
    let stopped = std::process::Command::new("kill").args(["-s", "TERM", &daemon.id().to_string()]).status();
    assert!(stopped.is_ok_and(|status| status.success()), "the daemon ran until now");
    let ended = eventually_within(Duration::from_secs(30), "the daemon ends", async || {
        daemon.try_wait().expect("it is our child")
    });
    assert!(ended.await.success());
    recorder.run("worker list", &[]);
    take_away(&mut recorder);
    recorder.shapes
}

fn config(receiver: &Receiver, port: u16) -> String {
    format!(
        "[event_store]\nurl = \"sqlite://events.db\"\n[state]\nmaster_key = \"{MASTER_KEY}\"\n[admin]\nlisten = \"127.0.0.1:{port}\"\n\
         [projection]\nmax_failure_count = 1\nhold_after_parked = 0\n[delivery]\nlog = \"all\"\n\
         [delivery.egress]\nallow = [\"127.0.0.1\"]\n\
         [[target]]\nname = \"demo\"\nendpoint = \"{url}\"\nsigning_key = \"hush\"\n\
         [[execution]]\ncondition = {{ all = true }}\ntargets = [\"demo\"]\n",
        url = receiver.url()
    )
}

/// What is set up before a daemon runs.
fn define(recorder: &mut Recorder, receiver: &Receiver) {
    recorder.run("migrate", &[]);
    recorder.run("apply", &["-f", "postrider.toml", "--dry-run"]);
    recorder.run("apply", &["-f", "postrider.toml"]);
    recorder.run("apply", &["-f", "postrider.toml"]);
    recorder.run("check", &[]);
    recorder.run("key rotate-master", &["--dry-run"]);
    recorder.run("key rotate-master", &[]);
    recorder.run("key list-web", &[]);

    let url = receiver.url();
    let create = ["crm", "--endpoint", &url, "--start", "beginning", "--paused"];
    recorder.run("target create", &[&create[..], &["--dry-run"]].concat());
    recorder.run("target create", &create);
    recorder.place.write("key", "a key of ours\n");
    let full = [
        &["bound", "--endpoint", &url, "--instance", "demo", "--signing-key-file", "key", "--rate-limit", "10/s"][..],
        &["--rate-burst", "3", "--max-request", "256KiB", "--max-answer", "1024", "--ordering", "aggregate"],
        &["--max-in-flight", "2", "--header", "X-Tenant=acme", "--exclude", "user.human.password.*", "--paused"],
    ];
    recorder.run("target create", &full.concat());
    recorder.run("target update", &["bound", "--timeout", "2s", "--dry-run"]);
    recorder.run("target update", &["bound", "--timeout", "2s", "--payload-type", "jwe"]);
    recorder.run("target rotate-key", &["bound", "--grace", "1h"]);
    recorder.run("target rotate-key", &["crm", "--grace", "0s", "--dry-run"]);
    let pem = include_str!("../../../../store/src/state/public_keys/read/samples/p256.pem");
    let other = include_str!("../../../../store/src/state/public_keys/read/samples/rsa2048.pem");
    recorder.place.write("p256.pem", pem).write("rsa.pem", other);
    recorder.run("target key list", &["bound"]);
    recorder.run("target key add", &["bound", "--file", "rsa.pem", "--dry-run"]);
    let added = recorder.run("target key add", &["bound", "--file", "rsa.pem", "--expires-at", "2999-01-01T00:00:00Z"]);
    let id = added["key"]["id"].as_str().expect("a key has an id").to_owned();
    recorder.run("target key add", &["bound", "--file", "p256.pem", "--activate", "--reason", "tried"]);
    recorder.run("target key activate", &["bound", &id]);
    recorder.run("target key list", &["bound"]);
    recorder.run("target list", &[]);
    for target in ["demo", "crm", "bound"] {
        recorder.run("target get", &[target]);
    }
    recorder.run("target key deactivate", &["bound", &id]);
    recorder.run("target key remove", &["bound", &id]);

    recorder.run("execution set", &["event/user.human.*", "--targets", "demo,crm,include:event", "--dry-run"]);
    let excluded = ["--exclude", "user.human.password.*"];
    recorder.run("execution set", &[&["event/user.human.*", "--targets", "crm,include:event"], &excluded[..]].concat());
    recorder.run("execution set", &["event/user.removed", "--targets", "crm,bound", "--instance", "demo"]);
    recorder.run("execution list", &[]);
    recorder.run("target resume", &["crm"]);
    recorder.run("target resume", &["bound"]);
    recorder.run("target pause", &["bound"]);
}

/// While a daemon serves the targets.
async fn serve(recorder: &mut Recorder, receiver: &Receiver) {
    receiver.wait_for(9).await;
    eventually("the attempts are written down, and what was refused is parked", async || {
        let delivered = recorder.run("delivery list", &["crm"]).as_array().map_or(0, Vec::len);
        let parked = recorder.run("failed list", &["crm"]).as_array().map_or(0, Vec::len);
        (delivered >= 9 && parked == 3).then_some(())
    })
    .await;
    recorder.run("worker list", &[]);
    recorder.run("healthcheck", &[]);
    recorder.run("check", &[]);
    recorder.run("target test", &["crm"]);
    recorder.run("target test", &["crm", "--event-type", "user.human.profile.changed"]);
    recorder.run("cursor list", &[]);
    recorder.run("cursor list", &["--count"]);
    recorder.run("cursor show", &["crm", "--count"]);
    recorder.run("cursor show", &["demo"]);
    recorder.run("delivery list", &["--limit", "2"]);
    let attempts = recorder.run("delivery list", &["--outcome", "failed"]);
    let delivered = recorder.run("delivery list", &["--outcome", "delivered"]);
    for attempt in [&attempts[0], &delivered[0]] {
        let id = attempt["id"].to_string();
        let id = id.trim_matches('"');
        recorder.run("delivery show", &[id]);
        recorder.run("delivery resend", &[id, "--dry-run"]);
    }
    let id = delivered[0]["id"].to_string();
    recorder.run("delivery resend", &[id.trim_matches('"')]);
    recorder.run("explain", &["user.human.added"]);
    recorder.run("explain", &["user.human.password.changed"]);
    recorder.run("explain", &["user.removed", "--instance", "demo"]);
    recorder.run("explain", &["--target", "crm", "--from", "beginning", "--to", "now"]);
    recorder.run("explain", &["--target", "bound", "--from", "beginning", "--to", "now", "--limit", "1"]);
    recorder.run("audit-deliveries", &["crm"]);
}

/// Acts of operators, one after the other.
fn operate(recorder: &mut Recorder) {
    recorder.run("failed list", &[]);
    recorder.run("failed show", &["crm"]);
    let profile = ["crm", "--type", "user.human.profile.changed"];
    recorder.run("failed retry", &[&profile[..], &["--dry-run"]].concat());
    recorder.run("cursor halt", &["crm", "--reason", "looked at"]);
    recorder.run("cursor list", &[]);
    recorder.run("cursor show", &["crm"]);
    recorder.run("failed retry", &["crm", "--aggregate", "user-0", "--sequence", "3", "--reason", "mended"]);
    recorder.run(
        "failed discard",
        &["crm", "--aggregate", "user-1", "--sequence", "3", "--reason", "not needed", "--dry-run"],
    );
    recorder.run("failed discard", &["crm", "--aggregate", "user-1", "--sequence", "3", "--reason", "not needed"]);
    recorder.run("cursor seek", &["crm", "--to", "beginning", "--dry-run"]);
    recorder.run("cursor seek", &["crm", "--to", "2", "--reason", "once more"]);
    recorder.run("cursor skip", &["crm", "--dry-run"]);
    recorder.run("cursor skip", &["crm", "--reason", "in the way"]);
    recorder.run("cursor unhalt", &["crm", "--dry-run"]);
    recorder.run("cursor unhalt", &["crm"]);
    recorder.run("failed list", &["crm"]);
    recorder.run("audit-deliveries", &["bound"]);
    recorder.run("key rotate-web", &["--dry-run"]);
    recorder.run("key rotate-web", &[]);
    recorder.run("key rotate-web", &["--grace", "1s"]);
    recorder.run("key list-web", &[]);
    recorder.run("key rotate-web", &["--replace"]);
    recorder.run("key list-web", &[]);
    recorder.run("token list", &[]);
    recorder.run("token create", &["--name", "ada", "--role", "admin"]);
    recorder.run("token create", &["--name", "ben", "--role", "viewer", "--instance", "demo", "--expires-in", "90d"]);
    recorder.run("token revoke", &["ben"]);
    recorder.run("token list", &[]);
    recorder.run("audit", &[]);
    verify(recorder);
}

#[expect(clippy::disallowed_methods, reason = "a signature that is not too old is needed")]
fn verify(recorder: &mut Recorder) {
    let header = domain::sign(b"{}", domain::Timestamp::now().as_second(), &[SigningKey::from("key")]);
    recorder.place.write("body", "{}");
    recorder.run("verify", &["--header", &header, "--key", "key", "body"]);
    recorder.run("verify", &["--header", &header, "--key", "other", "body"]);
}

/// In the end.
fn take_away(recorder: &mut Recorder) {
    recorder.run("execution delete", &["event/user.human.*", "--dry-run"]);
    recorder.run("execution delete", &["event/user.human.*"]);
    recorder.run("target delete", &["bound", "--force", "--dry-run"]);
    recorder.run("target delete", &["bound", "--force"]);
    recorder.run("cursor show", &["crm"]);
    recorder.run("apply", &["-f", "postrider.toml", "--prune"]);
}
