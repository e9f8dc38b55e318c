//! With which code each kind of run ends: scripts decide by it.

use std::fmt::Write as _;

use tempfile::TempDir;
use test_support::run_sql;

use crate::{
    process::{Done, Place},
    proof::daemon::{Daemon, House},
    stored,
};

use super::pin;

const DEAD: &str = "[event_store]\nurl = \"postgres://nobody@127.0.0.1:1/nowhere\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn runs_end_with_the_codes_that_they_ended_with() {
    let stored = tokio::task::spawn_blocking(|| stored::stored(5)).await;
    let place = stored.expect("a store can be made");
    let allowed = "[event_store]\nurl = \"sqlite://events.db\"\n[delivery.egress]\nallow = [\"127.0.0.1\"]\n";
    place.write("allowed.toml", allowed).write("dead.toml", DEAD).write("wrong.toml", "[event_stores]\n");
    place.write("body", "{}");
    let header = format!("t=1743070963,v1={}", "00".repeat(32));
    let mut text = String::new();
    let mut note = |code: i32, what: &str| writeln!(text, "{code}  {what}").expect("a string takes it");
    for arguments in [
        "--version",
        "--help",
        "cursor --help",
        "completions bash",
        "cursor list",
        "failed list",
        "cursor seek demo --to 2 --dry-run",
        "migrate",
        "-c allowed.toml check",
        "check",
        "verify --header HEADER --key other body",
        "failed discard demo --aggregate nobody --sequence 1 --reason gone",
        "-c dead.toml cursor list",
        "-c dead.toml check",
        "nothing",
        "cursor list --nothing",
        "-o yaml cursor list",
        "failed retry demo",
        "-c nowhere.toml cursor list",
        "-c wrong.toml cursor list",
        "-c wrong.toml run",
        "cursor show nobody",
        "cursor seek demo --to 1000000",
        "target update demo --timeout 1s",
        "apply -f nowhere.toml",
        "delivery show 1",
    ] {
        let given = arguments.replace("HEADER", &header);
        note(place.run(&given.split(' ').collect::<Vec<_>>()).code, &format!("postrider {arguments}"));
    }
    for (what, code) in [
        ("cursor list, on a state that is not there", without_state().code),
        ("cursor list, on a state of a newer postrider", with_newer_state(&place).await.code),
        ("run, beside another one on the same SQLite state", beside_another().await),
        ("run, after a SIGTERM", asked_to_stop().await),
    ] {
        note(code, what);
    }
    pin::check("exit-codes.txt", &text);
}

fn without_state() -> Done {
    let place = Place::new();
    place.write("postrider.toml", "[event_store]\nurl = \"sqlite://events.db\"\n").run(&["cursor", "list"])
}

async fn with_newer_state(place: &Place) -> Done {
    let url = format!("sqlite://{}", place.path().join("events.state.db").display());
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         SELECT 999, 'of the future', success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1";
    run_sql(&url, newer).await;
    place.run(&["cursor", "list"])
}

/// A daemon that serves targets, in a folder of its own.
async fn house() -> (TempDir, House, Daemon) {
    let folder = tempfile::tempdir().expect("there is room");
    let url = format!("sqlite://{}", folder.path().join("events.db").display());
    run_sql(&format!("{url}?mode=rwc"), include_str!("../../../../../tests/events.sql")).await;
    let house = House::new(&url);
    let daemon = house.start();
    daemon.says("this daemon has joined").await;
    (folder, house, daemon)
}

async fn beside_another() -> i32 {
    let (_folder, house, first) = house().await;
    let second = house.command(&["run"]).status.code().unwrap_or(-1);
    first.kill();
    second
}

async fn asked_to_stop() -> i32 {
    let (_folder, _house, daemon) = house().await;
    daemon.stop().await
}
