//! `scripts/with-postgres`, of which every other test makes use.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

fn with_postgres(folder: &Path, command: &[&str]) -> Child {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/with-postgres");
    Command::new(script)
        .args(command)
        .env("TMPDIR", folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the script can be started")
}

/// A folder that the server's user may enter.
fn folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("the folder is ours");
    folder
}

/// The processes that work in a folder, which PostgreSQL's all do.
fn processes_in(folder: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("this needs Linux's /proc").filter_map(Result::ok);
    let inside =
        processes.filter(|process| fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder)));
    inside.map(|process| process.file_name().to_string_lossy().into_owned()).collect()
}

fn assert_nothing_is_left(folder: &Path) {
    assert_eq!(processes_in(folder), Vec::<String>::new(), "processes are left");
    let files: Vec<_> = fs::read_dir(folder).expect("the folder is ours").filter_map(Result::ok).collect();
    assert!(files.is_empty(), "files are left: {files:?}");
}

/// Reads the command's first line, by which time it runs.
fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut line).expect("the command says something");
    line.trim().to_owned()
}

#[test]
fn the_commands_exit_code_is_kept_and_nothing_is_left() {
    let folder = folder();
    let mut child = with_postgres(folder.path(), &["sh", "-c", "echo $POSTRIDER_TEST_POSTGRES; exit 7"]);
    let url = first_line(&mut child);
    assert!(url.starts_with("postgres://postgres@127.0.0.1:"), "{url}");
    assert_eq!(child.wait().expect("it ends").code(), Some(7));
    assert_nothing_is_left(folder.path());
}

#[test]
fn a_signal_ends_the_command_and_the_server_and_the_script() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = folder();
        let mut child = with_postgres(folder.path(), &["sh", "-c", "echo $$; exec sleep 1000"]);
        let command = first_line(&mut child);
        assert!(!processes_in(folder.path()).is_empty(), "the server runs");
        kill_process(Pid::from_child(&child), signal).expect("it is our child");
        let started = Instant::now();
        while child.try_wait().expect("it is our child").is_none() {
            assert!(started.elapsed() < Duration::from_secs(30), "{signal:?} is not heard");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!Path::new("/proc").join(command).exists(), "{signal:?}: the command is still there");
        assert_nothing_is_left(folder.path());
    }
}

#[test]
fn a_server_that_a_killed_test_left_frozen_goes_too() {
    let folder = folder();
    // What a test leaves that is killed after PrivatePostgres::freeze: a stopped process in the script's folder.
    let mut child = with_postgres(
        folder.path(),
        &["sh", "-c", "cd \"$POSTRIDER_TEST_FOLDER\" && { sleep 1000 & } && kill -STOP $! && echo $!"],
    );
    let left: String = first_line(&mut child);
    assert!(child.wait().expect("it ends").success());
    assert!(!left.is_empty());
    assert_nothing_is_left(folder.path());
}
