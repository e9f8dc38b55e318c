//! The daemon: its config in a folder of its own, its log in a file. Everything that is not said is as postrider has it.

use std::{
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

/// What every target signs with.
pub const KEY: &str = "a key for measuring";

/// How long a daemon may take to stop.
const PATIENCE: Duration = Duration::from_mins(1);

/// A folder with a config.
pub struct House {
    folder: TempDir,
    binary: PathBuf,
    config: String,
}

impl House {
    /// For this event store, with more lines of TOML about it.
    pub fn new(binary: &Path, event_store: &str, more: &str) -> Result<Self> {
        let config = format!(
            "[event_store]\nurl = \"{event_store}\"\n{more}\n[delivery.egress]\nallow = [\"127.0.0.1\"]\n[admin]\nlisten = \"\"\n"
        );
        let folder = tempfile::tempdir().context("there is room for a folder")?;
        Ok(Self { folder, binary: binary.to_owned(), config })
    }

    /// A target, with more lines of TOML; where none says otherwise it begins at the beginning.
    pub fn target(&mut self, name: &str, url: &str, more: &str) {
        let start = if more.contains("start =") { "" } else { "start = \"beginning\"\n" };
        writeln!(
            self.config,
            "[[target]]\nname = \"{name}\"\nendpoint = \"{url}\"\nsigning_key = \"{KEY}\"\n{start}{more}"
        )
        .expect("a string takes it");
    }

    /// An execution: `condition` as in `{ event = "user.human.added" }`.
    pub fn execution(&mut self, condition: &str, targets: &[String]) {
        writeln!(self.config, "[[execution]]\ncondition = {condition}\ntargets = {targets:?}")
            .expect("a string takes it");
    }

    fn written(&self) -> Result<PathBuf> {
        let path = self.folder.path().join("postrider.toml");
        fs::write(&path, &self.config).context("the folder takes a config")?;
        Ok(path)
    }

    /// Runs a command to its end.
    pub fn command(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.binary);
        command.arg("-c").arg(self.written()?).args(arguments).stdin(Stdio::null());
        command.output().with_context(|| format!("{} can be run", self.binary.display()))
    }

    /// Starts the daemon.
    pub fn start(&self) -> Result<Daemon> {
        let log = self.folder.path().join("daemon.log");
        let file = File::options().create(true).append(true).open(&log).context("the folder takes a log")?;
        let mut command = Command::new(&self.binary);
        command.arg("-c").arg(self.written()?).arg("run").stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = command.spawn().with_context(|| {
            format!("{} can be run: build it first, `cargo build --release -p postrider`", self.binary.display())
        })?;
        Ok(Daemon { child, log })
    }
}

/// A daemon that runs; killed when it is dropped.
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fails, with the end of its log, if it does not run any more.
    pub fn alive(&mut self) -> Result<()> {
        match self.child.try_wait().context("it is our child")? {
            None => Ok(()),
            Some(status) => bail!("the daemon ended with {status}:\n{}", self.last_words()),
        }
    }

    /// How often its log has this text.
    pub fn has_said(&self, text: &str) -> usize {
        fs::read_to_string(&self.log).unwrap_or_default().matches(text).count()
    }

    /// SIGTERM; fails if it does not end well.
    pub fn stop(mut self) -> Result<()> {
        self.alive()?;
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).context("it was running")?;
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().context("it is our child")? {
                break status;
            }
            ensure!(began.elapsed() < PATIENCE, "the daemon does not stop:\n{}", self.last_words());
            std::thread::sleep(Duration::from_millis(10));
        };
        ensure!(status.success(), "the daemon ended with {status}:\n{}", self.last_words());
        Ok(())
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
