//! What others rely on, as it is written down in `tests/compat`: reality is held against it, line by line.

use std::{env, fs, path::PathBuf};

use similar::TextDiff;
use test_support::repository;

/// Set, it writes what was found instead of comparing it.
const RENEW: &str = "POSTRIDER_RENEW_PINS";

/// The folder of the pins.
pub fn folder() -> PathBuf {
    repository().join("tests/compat")
}

/// Whether pins are to be written instead of compared.
pub fn renewing() -> bool {
    env::var_os(RENEW).is_some_and(|value| !value.is_empty())
}

/// Compares what was found with the pin of this name, or renews the pin.
#[track_caller]
pub fn check(name: &str, found: &str) {
    let path = folder().join(name);
    if renewing() {
        fs::write(&path, found).unwrap_or_else(|error| panic!("tests/compat/{name} cannot be written: {error}"));
        return;
    }
    let pinned = fs::read_to_string(&path).unwrap_or_default();
    if let Some(said) = difference(name, &pinned, found) {
        panic!("{said}");
    }
}

/// What there is to say where the two differ.
fn difference(name: &str, pinned: &str, found: &str) -> Option<String> {
    if pinned == found {
        return None;
    }
    let lines = TextDiff::from_lines(pinned, found);
    let lines = lines.unified_diff().header(&format!("tests/compat/{name}"), "what is there now").to_string();
    Some(format!(
        "what others rely on has changed:\n\n{lines}\nIf that is meant, renew the pin and say so in CHANGELOG.md, as \
         tests/compat/README.md tells:\n\n    {RENEW}=1 scripts/with-postgres cargo nextest run -p postrider -E 'test(compat::)'\n"
    ))
}

#[test]
fn what_has_changed_is_shown_by_lines_with_the_way_to_renew_it() {
    assert_eq!(difference("a.txt", "one\ntwo\n", "one\ntwo\n"), None);
    let said = difference("a.txt", "one\ntwo\n", "one\n2\n").expect("they differ");
    for part in ["--- tests/compat/a.txt", "\n one\n-two\n+2\n", RENEW, "tests/compat/README.md", "CHANGELOG.md"] {
        assert!(said.contains(part), "{part:?} is missing:\n{said}");
    }
}
