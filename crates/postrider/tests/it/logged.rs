//! The daemon's log: the names of its lines, as code, documentation and a running daemon have them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use domain::LogEvent;
use serde_json::Value;

use crate::stored::stored;

/// The crates that a daemon is made of.
const CRATES: [&str; 7] = ["domain", "store", "webhook", "engine", "operate", "admin", "postrider"];

fn documented() -> BTreeMap<String, String> {
    let rows =
        include_str!("../../../../docs/src/reference/logs.md").lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let mut columns = row.split(" | ");
        let mut next = || columns.next().expect("a row has five columns").to_owned();
        let (name, level) = (next().trim_end_matches('`').to_owned(), next());
        let (_, when, what) = (next(), next(), next());
        assert!(!when.is_empty() && what.trim_end_matches([' ', '|']).len() > 5, "{name} is not explained");
        (name, level)
    })
    .collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Which levels each name is logged at, as the code says.
fn in_code() -> BTreeMap<String, BTreeSet<String>> {
    let mut files = Vec::new();
    for name in CRATES {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src"), &mut files);
    }
    let mut levels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source is text");
        for level in ["info", "warn", "error"] {
            for (at, called) in text.match_indices(&format!("{level}!(")) {
                if text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
                    continue;
                }
                let line = text[at + called.len()..].trim_start();
                let variant = line.strip_prefix("event = LogEvent::").and_then(|rest| rest.split('.').next());
                let variant =
                    variant.unwrap_or_else(|| panic!("a line without a name in {}: {:.80}", file.display(), line));
                let event = LogEvent::ALL.iter().find(|event| format!("{event:?}") == variant);
                let name = event.expect("it compiles").name().to_owned();
                levels.entry(name).or_default().insert(level.to_owned());
            }
        }
    }
    levels
}

#[test]
fn every_line_that_is_logged_has_a_name_and_every_name_is_documented_with_its_level() {
    let documented = documented();
    let names: BTreeSet<_> = LogEvent::ALL.iter().map(|event| event.name().to_owned()).collect();
    assert_eq!(names.len(), LogEvent::ALL.len(), "a name is there twice");
    assert_eq!(
        documented.keys().cloned().collect::<BTreeSet<_>>(),
        names,
        "docs/src/reference/logs.md has other names than the code"
    );
    for name in &names {
        let letters = |letter: char| letter.is_ascii_lowercase() || letter == '_' || letter == '.';
        assert!(name.chars().all(letters) && name.matches('.').count() == 1, "{name} is not written as the others are");
    }
    let in_code: BTreeMap<_, _> = in_code();
    let expected: BTreeMap<_, _> =
        documented.into_iter().map(|(name, level)| (name, BTreeSet::from([level]))).collect();
    assert_eq!(
        in_code, expected,
        "docs/src/reference/logs.md has other levels than the code, or a name is never logged"
    );
}

#[test]
fn lines_are_json_where_nobody_reads_them_and_text_on_a_terminal() {
    let place = stored(1);
    place.write("postrider.toml", "[event_store]\nurl = \"sqlite://events.db\"\n[admin]\nlisten = \"127.0.0.1:0\"\n");
    let run = |command: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(place.path()).env_clear();
        shell.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let done = shell.output().expect("a shell can be run");
        String::from_utf8([&done.stdout[..], &done.stderr[..]].concat()).expect("the log is text")
    };
    let binary = env!("CARGO_BIN_EXE_postrider");
    let piped = run(&format!("timeout -s TERM 2 {binary} run"));
    let lines: Vec<Value> = piped
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}")))
        .collect();
    let names: Vec<_> = lines.iter().map(|line| line["event"].as_str().expect("each has a name")).collect();
    assert_eq!((names.first(), names.last()), (Some(&"daemon.starting"), Some(&"daemon.stopped")), "{piped}");
    // The name of a target and not that of a module.
    let courier = lines.iter().find(|line| line["event"] == "courier.started").expect("there is a target");
    assert_eq!((&courier["target"], &courier["instance"]), (&"demo".into(), &"demo".into()), "{piped}");
    let on_a_terminal = run(&format!("script -qec 'timeout -s TERM 2 {binary} run' /dev/null"));
    let plain = on_a_terminal.replace("\u{1b}[3m", "").replace("\u{1b}[2m", "").replace("\u{1b}[0m", "");
    assert!(plain.contains("starting event=\"daemon.starting\""), "{on_a_terminal}");
    assert!(!on_a_terminal.lines().any(|line| line.starts_with('{')), "{on_a_terminal}");
    let asked_for = run(&format!("timeout -s TERM 2 {binary} run --log-format text"));
    assert!(asked_for.contains(" INFO ") && !asked_for.starts_with('{'), "{asked_for}");
}
