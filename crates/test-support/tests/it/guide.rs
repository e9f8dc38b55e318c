//! The receivers' guide shows code that is there: what it includes is marked in files that `scripts/test-receivers` runs.

use std::{collections::BTreeSet, fs, path::Path};

#[test]
fn what_the_receivers_guide_includes_is_there() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src");
    let guide = fs::read_to_string(docs.join("receivers.md")).expect("the guide is there");
    let mut seen = BTreeSet::new();
    for include in guide.split("{{#include ").skip(1) {
        let (path, anchor) =
            include.split_once("}}").and_then(|(include, _)| include.split_once(':')).expect("an anchor");
        let file = fs::read_to_string(docs.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let lines: Vec<&str> = file.lines().map(str::trim).collect();
        for mark in [format!("ANCHOR: {anchor}"), format!("ANCHOR_END: {anchor}")] {
            let marked = lines.iter().filter(|line| line.trim_start_matches(['/', '#', ' ']) == mark).count();
            assert_eq!(marked, 1, "{mark} in {path}");
        }
        seen.insert((path.to_owned(), anchor.to_owned()));
    }
    assert_eq!(seen.len(), 12, "four receivers, each in three parts: {seen:?}");
}
