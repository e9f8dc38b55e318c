//! `top` on a terminal that is one, and `cursor list --watch`.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{process::Place, stored::stored};

const PATIENCE: Duration = Duration::from_secs(30);

/// A command on a terminal of its own.
struct Session {
    child: Child,
    keys: ChildStdin,
    screen: Arc<Mutex<String>>,
}

impl Session {
    /// Begins `top`; how the terminal was set before and after is in two files.
    fn top(place: &Place) -> Self {
        let binary = env!("CARGO_BIN_EXE_postrider");
        let inside = format!(
            "stty rows 30 cols 150; stty -g > before; echo $$ > shell; {binary} top --every 0.2; echo ended with $?; stty -g > after"
        );
        let mut command = Command::new("script");
        command.args(["-qec", &inside, "/dev/null"]).current_dir(place.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TERM", "xterm").env("SHELL", "/bin/sh");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("util-linux's script can be run");
        let keys = child.stdin.take().expect("it is piped");
        let mut out = child.stdout.take().expect("it is piped");
        let screen = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&screen);
        thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(bytes @ 1..) = out.read(&mut some) {
                seen.lock().expect("nobody panics with it").push_str(&String::from_utf8_lossy(&some[..bytes]));
            }
        });
        Self { child, keys, screen }
    }

    fn screen(&self) -> String {
        self.screen.lock().expect("nobody panics with it").clone()
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        let began = Instant::now();
        while !self.screen().contains(text) {
            assert!(began.elapsed() < PATIENCE, "no {text:?} on the screen: {:?}", self.screen());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end, and makes sure that the terminal is as it was.
    #[track_caller]
    fn ends_well(mut self, place: &Place) {
        self.shows("ended with 0");
        let _ = self.child.wait();
        let screen = self.screen();
        let of = |what: &str| screen.rfind(what).unwrap_or_else(|| panic!("no {what:?} in {screen:?}"));
        assert!(of("\u{1b}[?1049h") < of("\u{1b}[?1049l"), "the other screen was left: {screen:?}");
        assert!(of("\u{1b}[?25h") > of("\u{1b}[?1049h"), "the cursor is back: {screen:?}");
        let set = |file: &str| fs::read_to_string(place.path().join(file)).expect("stty wrote it");
        assert_eq!(set("before"), set("after"));
    }
}

#[test]
fn top_shows_a_target_and_gives_the_terminal_back_at_q() {
    let place = stored(5);
    let mut top = Session::top(&place);
    top.shows("demo");
    // Words are written one by one.
    top.shows("quits,");
    top.keys.write_all(b"jk?q").expect("it listens");
    top.ends_well(&place);
}

#[test]
fn a_signal_gives_the_terminal_back_too() {
    let place = stored(5);
    let top = Session::top(&place);
    top.shows("demo");
    let shell = fs::read_to_string(place.path().join("shell")).expect("the shell wrote it");
    let ended = Command::new("pkill").args(["-TERM", "-P", shell.trim(), "postrider"]).status().expect("it can be run");
    assert!(ended.success());
    top.ends_well(&place);
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
    let began = Instant::now();
    while child.try_wait().expect("it is our child").is_none() {
        assert!(began.elapsed() < PATIENCE, "it goes on though nobody reads");
        thread::sleep(Duration::from_millis(20));
    }
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
