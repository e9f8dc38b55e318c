//! Runs the binary in a folder of its own, with nothing of ours in its environment.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// What a run came to.
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A folder to run in.
pub struct Place(pub TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, text: &str) -> &Self {
        fs::write(self.path().join(name), text).expect("a file can be written");
        self
    }

    /// A command that knows nothing but this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
        command.args(arguments).current_dir(self.path()).env_clear().env("USER", "ops").stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Done {
        finish(self.command(arguments))
    }

    pub fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Done {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        finish(command)
    }

    pub fn run_fed(&self, arguments: &[&str], input: &[u8]) -> Done {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary can be run");
        child.stdin.take().expect("stdin is piped").write_all(input).expect("the binary reads its input");
        done(child.wait_with_output().expect("the binary ends"))
    }
}

fn finish(mut command: Command) -> Done {
    done(command.output().expect("the binary can be run"))
}

fn done(output: std::process::Output) -> Done {
    Done {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("output is text"),
        err: String::from_utf8(output.stderr).expect("errors are text"),
    }
}

/// Looks again and again until it is there, and panics with what was there instead when that takes too long.
#[track_caller]
pub fn wait_until<T>(mut look: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(instead) => assert!(began.elapsed() < PATIENCE, "{instead}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// SIGTERM.
pub fn ask_to_stop(child: &Child) {
    let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill can be run");
    assert!(status.success());
}
