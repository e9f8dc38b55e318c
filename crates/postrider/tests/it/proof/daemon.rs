//! The real binary: its config in a folder of its own, its log in a file, its exit code.

use std::{
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use test_support::{Receiver, eventually_within};

/// What every target signs with.
pub const KEY: &str = "a key for tests";

/// A folder with a config, and the commands that are given it.
pub struct House {
    folder: TempDir,
    config: String,
}

impl House {
    /// For this event store; the settings make tests quick: first retry after 50 ms, leases of a second, no admin port.
    pub fn new(event_store_url: &str) -> Self {
        let config = format!(
            "shutdown_grace = \"10s\"\n[event_store]\nurl = \"{event_store_url}\"\n[delivery.egress]\nallow = [\"127.0.0.1\"]\n\
             [admin]\nlisten = \"\"\n[log]\nlevel = \"info\"\nformat = \"text\"\n[lease]\nduration = \"1s\"\n\
             [projection]\nretry_failed_after = \"50ms\"\nmax_retry_interval = \"200ms\"\n"
        );
        Self { folder: tempfile::tempdir().expect("there is room"), config }
    }

    /// Replaces a part of the config's text.
    pub fn set(&mut self, old: &str, new: &str) {
        assert!(self.config.contains(old), "the config has no {old:?}");
        self.config = self.config.replace(old, new);
    }

    /// Appends to the config's text.
    pub fn add(&mut self, toml: &str) {
        self.config.push_str(toml);
        self.config.push('\n');
    }

    /// Lets the daemon listen, and show its metrics to everybody.
    pub fn show_figures(&mut self) {
        self.set("listen = \"\"", "listen = \"127.0.0.1:0\"\nopen_metrics = true");
    }

    /// A target at a receiver, from the beginning, with more lines of TOML.
    pub fn target(&mut self, name: &str, receiver: &Receiver, more: &str) {
        writeln!(
            self.config,
            "[[target]]\nname = \"{name}\"\nendpoint = \"{}\"\nsigning_key = \"{KEY}\"\nstart = \"beginning\"\ntimeout = \"2s\"\n{more}",
            receiver.url()
        )
        .expect("a string takes it");
    }

    /// An execution: `condition` as in `{ event = "user.human.added" }`.
    pub fn execution(&mut self, condition: &str, targets: &[&str]) {
        writeln!(self.config, "[[execution]]\ncondition = {condition}\ntargets = {targets:?}")
            .expect("a string takes it");
    }

    /// The folder, for files of a test's own.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes such a file; gives its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder().join(name);
        fs::write(&path, text).expect("the folder takes a file");
        path.to_str().expect("a temporary folder has a plain name").to_owned()
    }

    fn written(&self) -> PathBuf {
        let path = self.folder.path().join("postrider.toml");
        // In one step: a daemon that has just been started may be reading it.
        let new = self.folder.path().join(format!("postrider.toml.{:?}", std::thread::current().id()));
        fs::write(&new, &self.config).expect("the folder takes a file");
        fs::rename(&new, &path).expect("a file can be renamed");
        path
    }

    /// Runs a command to its end.
    pub fn command(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_postrider"))
            .arg("-c")
            .arg(self.written())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs")
    }

    /// Runs a command that must succeed, and returns what it printed.
    #[track_caller]
    pub fn cli(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?} ended with {}:\n{out}\n{err}", output.status);
        out.into_owned()
    }

    /// As [`Self::cli`], with `-o json`.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.cli(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?} printed no JSON ({error}): {text}"))
    }

    /// Starts the daemon. Its log is in the file `daemon.log`, appended to by each start.
    pub fn start(&self) -> Daemon {
        let path = self.folder.path().join("daemon.log");
        let log = File::options().create(true).append(true).open(&path).expect("the folder takes a file");
        let child = Command::new(env!("CARGO_BIN_EXE_postrider"))
            .arg("-c")
            .arg(self.written())
            .arg("run")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary runs");
        Daemon { child, log: path }
    }
}

/// A daemon that runs; killed when it is dropped.
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Everything it and those before it have said.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name: `TERM`, `KILL`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "the daemon is gone already:\n{}", self.log());
    }

    /// `kill -9`, and gone.
    pub fn kill(mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it is our child");
    }

    /// SIGTERM, and its exit code.
    pub async fn stop(mut self) -> i32 {
        self.signal("TERM");
        self.ended(Duration::from_secs(30)).await.code().expect("it was not killed")
    }

    /// How it ended, if it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is our child")
    }

    /// Waits for it to end by itself.
    pub async fn ended(&mut self, patience: Duration) -> ExitStatus {
        let log = self.log.clone();
        let ended = eventually_within(patience, "the daemon ends", async || self.has_ended()).await;
        if !ended.success() {
            eprintln!("the daemon ended with {ended}; its log:\n{}", fs::read_to_string(log).unwrap_or_default());
        }
        ended
    }

    /// Waits until its log has this text.
    pub async fn says(&self, text: &str) {
        eventually_within(Duration::from_secs(30), &format!("the daemon says {text:?}"), async || {
            self.log().contains(text).then_some(())
        })
        .await;
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("the daemon's log ends with:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}
