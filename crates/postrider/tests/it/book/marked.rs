//! No block that says it is tested is left out.

use std::{collections::BTreeSet, fs, path::Path};

use super::{marked, pages};

/// What the tests beside this one run.
const RUN: [&str; 24] = [
    "backup-state",
    "custom-config",
    "custom-table",
    "explain",
    "explained",
    "forget-instance",
    "grants-config",
    "grants-events",
    "grants-existing",
    "grants-list",
    "grants-state",
    "grants-welcome",
    "index-custom",
    "index-there",
    "look-before",
    "migrate-as-owner",
    "pgbouncer",
    "refusals",
    "remove-all",
    "restore-state",
    "roles",
    "sizes",
    "start-check",
    "start-config",
];

fn collect(folder: &Path, marks: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the book is there") {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() {
            collect(&path, marks);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(&path).expect("a page can be read");
            marks.extend(marked(&text).into_iter().map(|(mark, _)| mark));
        }
    }
}

#[test]
fn every_block_that_is_marked_is_run() {
    let mut marks = BTreeSet::new();
    collect(&pages(), &mut marks);
    assert_eq!(marks, RUN.map(str::to_owned).into());
}
