//! Which version this is, and of which commit.

#[path = "../../build/commit.rs"]
mod commit;

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

use crate::process::Place;

/// Runs git in a folder, as nobody in particular.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "a test").env(format!("GIT_{who}_EMAIL"), "test@example.com");
    }
    let done = command.args(arguments).output().expect("git can be run");
    assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("git speaks text").trim_end().to_owned()
}

fn repository() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    git(folder.path(), &["init", "--quiet", "--initial-branch", "main"]);
    commit(folder.path());
    folder
}

fn commit(folder: &Path) {
    git(folder, &["commit", "--quiet", "--allow-empty", "--message", "more"]);
}

fn found(folder: &Path) -> Option<String> {
    commit::of(folder).map(|(commit, _)| commit)
}

#[track_caller]
fn check(folder: &Path) {
    assert_eq!(found(folder), Some(git(folder, &["rev-parse", "HEAD"])));
}

#[test]
fn the_version_names_the_commit_that_the_binary_is_made_of() {
    let said = Place::new().run(&["--version"]).out;
    // Where the commit is said from outside, or there is none, the binary was built knowing the same.
    let commit = option_env!("POSTRIDER_COMMIT").filter(|said| !said.is_empty()).map(str::to_owned);
    let commit = commit.or_else(|| found(&test_support::repository()));
    let commit = commit.map_or("of no known commit".to_owned(), |commit| commit[..commit::SHOWN].to_owned());
    assert_eq!(said, format!("postrider {} ({commit})\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_commit_is_found_on_a_branch_and_off_it_loose_and_packed() {
    let folder = repository();
    check(folder.path());
    git(folder.path(), &["pack-refs", "--all"]);
    check(folder.path());
    commit(folder.path());
    check(folder.path());
    git(folder.path(), &["checkout", "--quiet", "--detach", "HEAD~"]);
    check(folder.path());
}

#[test]
fn the_commit_of_a_worktree_is_its_own() {
    let folder = repository();
    let other = tempfile::tempdir().expect("a temporary folder can be made");
    let tree = other.path().join("tree");
    git(folder.path(), &["worktree", "add", "--quiet", "-b", "a/side", &tree.to_string_lossy()]);
    commit(&tree);
    check(&tree);
    check(folder.path());
    assert_ne!(found(&tree), found(folder.path()));
}

#[test]
fn a_new_commit_changes_a_file_that_the_build_watches() {
    let folder = repository();
    git(folder.path(), &["pack-refs", "--all"]);
    let stamps = || {
        let (_, watched) = commit::of(folder.path()).expect("there is a commit");
        watched.into_iter().map(|path| fs::read(path).expect("what is watched is there")).collect::<Vec<_>>()
    };
    let before = stamps();
    commit(folder.path());
    assert_ne!(before, stamps());
}

#[test]
fn sources_without_a_repository_of_their_own_have_no_commit() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    assert_eq!(found(folder.path()), None);
    let others = repository();
    let inside = others.path().join("postrider-0.1.0");
    fs::create_dir(&inside).expect("a folder can be made");
    assert_eq!(found(&inside), None);
}

#[test]
fn what_is_no_commit_is_not_taken_for_one() {
    let id = "0123456789ABCDEF0123456789abcdef01234567";
    assert_eq!(commit::said(id), Ok(id.to_ascii_lowercase()));
    for wrong in ["main", "0123456789ab", &id[1..], "g123456789abcdef0123456789abcdef01234567"] {
        assert!(commit::said(wrong).is_err(), "{wrong}");
    }
    let folder = repository();
    fs::write(folder.path().join(".git/HEAD"), "ref: refs/heads/.invalid\n").expect("a file can be written");
    assert_eq!(found(folder.path()), None);
}
