//! A command on a terminal of its own, as `script` of util-linux gives it one.

use std::{
    fs,
    io::{Read, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use crate::process::{Place, wait_until};

/// Puts its process id down, and runs a command; how the terminal was set before and after is in two files.
const SHELL: &str = "stty rows 30 cols 150; stty -g > before; echo $$ > shell;";

/// What a person would see and type.
pub struct Terminal {
    folder: PathBuf,
    child: Child,
    keys: ChildStdin,
    screen: Arc<Mutex<String>>,
}

impl Terminal {
    /// Begins `postrider` with these arguments.
    pub fn begin(place: &Place, arguments: &str) -> Self {
        let binary = env!("CARGO_BIN_EXE_postrider");
        let inside = format!("{SHELL} {binary} {arguments}; echo ended with $?; stty -g > after");
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
        Self { folder: place.path().to_owned(), child, keys, screen }
    }

    /// Everything that was written to it so far, with the escapes.
    pub fn screen(&self) -> String {
        self.screen.lock().expect("nobody panics with it").clone()
    }

    #[track_caller]
    pub fn shows(&self, text: &str) {
        wait_until(|| {
            self.screen().contains(text).then_some(()).ok_or_else(|| format!("no {text:?}: {:?}", self.screen()))
        });
    }

    pub fn types(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).expect("it listens");
    }

    /// SIGTERM to the command, not to its shell.
    pub fn ask_to_stop(&self) {
        let shell = fs::read_to_string(self.folder.join("shell")).expect("the shell wrote it");
        let status = Command::new("pkill").args(["-TERM", "-P", shell.trim(), "postrider"]).status();
        assert!(status.expect("pkill can be run").success());
    }

    /// Waits for a good end; everything that was written.
    #[track_caller]
    pub fn ended(mut self) -> String {
        self.shows("ended with 0");
        let _ = self.child.wait();
        self.screen()
    }
}
