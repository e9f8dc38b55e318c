//! What a service manager hears, over a socket as systemd's.

use std::{
    os::unix::net::UnixDatagram,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{process::Place, stored::stored};

/// A daemon, and the socket that it tells its manager by.
struct Managed {
    socket: UnixDatagram,
    daemon: Child,
    heard: Vec<String>,
}

impl Managed {
    fn start(place: &Place, watchdog: Option<Duration>) -> Self {
        let path = place.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("the folder takes a socket");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("it is a socket");
        let mut command = place.command(&["run"]);
        command.env("NOTIFY_SOCKET", &path).stderr(Stdio::null());
        if let Some(watchdog) = watchdog {
            command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        }
        Self { socket, daemon: command.spawn().expect("the binary can be run"), heard: Vec::new() }
    }

    /// The next message, line by line.
    fn hears(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).expect("something is said in time");
        String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned).collect()
    }

    /// Everything that was said so far, which this line is part of sooner or later.
    #[track_caller]
    fn until(&mut self, line: &str) -> &[String] {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.heard.iter().any(|said| said.starts_with(line)) {
            assert!(Instant::now() < deadline, "{line} was not said, but {:?}", self.heard);
            let news = self.hears();
            self.heard.extend(news);
        }
        &self.heard
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.daemon.id().to_string()]).status();
        assert!(sent.expect("kill can be run").success());
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn config(place: &Place, more: &str) {
    let text = format!("[event_store]\nurl = \"sqlite://events.db\"\n[admin]\nlisten = \"\"\n{more}");
    place.write("postrider.toml", &text);
}

#[test]
fn a_manager_hears_of_the_start_of_a_beat_and_of_the_end() {
    let place = stored(1);
    config(&place, "");
    let mut managed = Managed::start(&place, Some(Duration::from_millis(600)));
    let heard = managed.until("READY=1");
    assert!(heard.iter().any(|line| line == "WATCHDOG=1"), "{heard:?}");
    managed.until("STATUS=ready");
    let began = Instant::now();
    for _ in 0..5 {
        assert_eq!(managed.hears(), ["WATCHDOG=1"]);
    }
    assert!(began.elapsed() < Duration::from_secs(3), "five beats come within five limits");
    managed.signal("TERM");
    managed.until("STOPPING=1");
    assert_eq!(managed.daemon.wait().expect("it is our child").code(), Some(0));
}

#[test]
fn a_database_that_is_away_keeps_no_boot_waiting() {
    let place = stored(1);
    config(&place, "[state]\nurl = \"postgres://nobody@127.0.0.1:9/none\"\n");
    let mut managed = Managed::start(&place, None);
    let heard = managed.until("READY=1");
    assert!(!heard.iter().any(|line| line.starts_with("WATCHDOG")), "nobody asked for beats: {heard:?}");
    let said = managed.until("STATUS=not ready: starting: ");
    assert!(!said.iter().any(|line| line == "STATUS=ready"), "{said:?}");
}

#[test]
fn a_start_that_fails_is_never_said_to_be_over() {
    let place = stored(1);
    config(&place, "[state]\nurl = \"sqlite://missing/folder/state.db\"\n");
    let mut managed = Managed::start(&place, None);
    assert!(!managed.daemon.wait().expect("it is our child").success());
    managed.socket.set_nonblocking(true).expect("it is a socket");
    let mut buffer = [0; 4096];
    while let Ok(length) = managed.socket.recv(&mut buffer) {
        let said = String::from_utf8_lossy(&buffer[..length]);
        assert!(!said.contains("READY=1"), "{said}");
    }
}
