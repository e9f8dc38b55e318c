//! `top` on a terminal that is one, and `cursor list --watch`.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    process::{Place, wait_until},
    stored::stored,
    terminal::Terminal,
};

const TOP: &str = "top --every 0.2";

/// Waits for the end, and makes sure that the terminal is as it was.
#[track_caller]
fn ends_well(top: Terminal, place: &Place) {
    let screen = top.ended();
    let of = |what: &str| screen.rfind(what).unwrap_or_else(|| panic!("no {what:?} in {screen:?}"));
    assert!(of("\u{1b}[?1049h") < of("\u{1b}[?1049l"), "the other screen was left: {screen:?}");
    assert!(of("\u{1b}[?25h") > of("\u{1b}[?1049h"), "the cursor is back: {screen:?}");
    let set = |file: &str| fs::read_to_string(place.path().join(file)).expect("stty wrote it");
    assert_eq!(set("before"), set("after"));
}

#[test]
fn top_shows_a_target_and_gives_the_terminal_back_at_q() {
    let place = stored(5);
    let mut top = Terminal::begin(&place, TOP);
    top.shows("demo");
    // Words are written one by one.
    top.shows("quits,");
    top.types(b"jk?q");
    ends_well(top, &place);
}

#[test]
fn a_signal_gives_the_terminal_back_too() {
    let place = stored(5);
    let top = Terminal::begin(&place, TOP);
    top.shows("demo");
    top.ask_to_stop();
    ends_well(top, &place);
}

#[test]
fn top_without_a_terminal_says_what_to_use_instead() {
    let place = stored(1);
    let done = place.run(&["top"]);
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    assert!(done.err.contains("cursor list --watch -o json"), "{}", done.err);
    assert_eq!(place.run(&["cursor", "list", "--watch", "0"]).code, 2);
}

#[test]
fn a_watched_list_is_one_document_a_line_until_nobody_reads_it() {
    let place = stored(4);
    let mut command = place.command(&["cursor", "list", "--watch", "0.1", "--count", "-o", "json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary can be run");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let began = Instant::now();
    for _ in 0..3 {
        let line = lines.next().expect("there is always one more").expect("it is text");
        let cursors: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}"));
        assert_eq!((&cursors[0]["target"], &cursors[0]["lag_events"]), (&"demo".into(), &0.into()), "{line}");
    }
    assert!(began.elapsed() >= Duration::from_millis(200), "it waits between two looks");
    drop(lines);
    wait_until(|| {
        child
            .try_wait()
            .expect("it is our child")
            .map(|_| ())
            .ok_or_else(|| "it goes on though nobody reads".to_owned())
    });
    assert_eq!(child.wait().expect("it has ended").code(), Some(0));
}

#[test]
fn a_watched_table_is_printed_again_and_again() {
    let place = stored(4);
    let mut child =
        place.command(&["cursor", "list", "--watch", "0.1"]).stdout(Stdio::piped()).spawn().expect("it can be run");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let heads = lines.map_while(Result::ok).filter(|line| line.starts_with("TARGET")).take(2).count();
    assert_eq!(heads, 2);
    child.kill().expect("it runs");
    let _ = child.wait();
}
