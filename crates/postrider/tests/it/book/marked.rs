//! No block that says it is tested is left out.

use std::{collections::BTreeSet, fs, path::Path};

use super::{marked, pages};

/// What the tests beside this one run.
const RUN: [&str; 32] = [
    "after-upgrade",
    "backup-state",
    "created-paused",
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
    "leaked-signing-key",
    "look-before",
    "migrate-as-owner",
    "pgbouncer",
    "refusals",
    "remove-all",
    "remove-target",
    "restore-state",
    "roles",
    "rotate-master",
    "rotate-signing-key",
    "rotate-web",
    "seek-to-time",
    "sizes",
    "start-check",
    "start-config",
];

fn collect(folder: &Path, look: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).expect("the book is there") {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() {
            collect(&path, look);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            look(&path, &fs::read_to_string(&path).expect("a page can be read"));
        }
    }
}

#[test]
fn every_block_that_is_marked_is_run() {
    let mut marks = BTreeSet::new();
    collect(&pages(), &mut |_, text| marks.extend(marked(text).into_iter().map(|(mark, _)| mark)));
    assert_eq!(marks, RUN.map(str::to_owned).into());
}

/// What is included is a file of the repository with a test of its own.
#[test]
fn no_sql_is_left_unmarked() {
    collect(&pages(), &mut |path, text| {
        let lines: Vec<_> = text.lines().map(str::trim_start).collect();
        for (line, next) in lines.iter().zip(lines.iter().skip(1)).filter(|(line, _)| line.starts_with("```sql")) {
            assert!(line.contains(" test=") || next.starts_with("{{#include"), "{}: {next}", path.display());
        }
    });
}
