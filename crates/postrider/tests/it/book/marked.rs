//! No block that says it is tested is left out.

use std::collections::BTreeSet;

use test_support::files_below;

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

#[test]
fn every_block_that_is_marked_is_run() {
    let mut marks = BTreeSet::new();
    for (_, text) in files_below(&pages(), "md") {
        marks.extend(marked(&text).into_iter().map(|(mark, _)| mark));
    }
    assert_eq!(marks, RUN.map(str::to_owned).into());
}

/// What is included is a file of the repository with a test of its own.
#[test]
fn no_sql_is_left_unmarked() {
    for (path, text) in files_below(&pages(), "md") {
        let lines: Vec<_> = text.lines().map(str::trim_start).collect();
        for (line, next) in lines.iter().zip(lines.iter().skip(1)).filter(|(line, _)| line.starts_with("```sql")) {
            assert!(line.contains(" test=") || next.starts_with("{{#include"), "{}: {next}", path.display());
        }
    }
}
