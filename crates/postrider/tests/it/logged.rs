//! The daemon's log: the names of its lines, as code, documentation and a running daemon have them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use domain::LogEvent;
use serde_json::Value;
use test_support::sources;

use crate::{
    process::{Place, ask_to_stop, wait_until},
    stored::stored,
    terminal::Terminal,
};

/// The last line of a start.
const STARTED: &str = "courier.started";

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

/// Which levels each name is logged at, as the code says.
fn in_code() -> BTreeMap<String, BTreeSet<String>> {
    let mut levels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, text) in sources() {
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

/// What a daemon writes that is started with these arguments, and stopped once its courier runs.
fn log(place: &Place, arguments: &[&str]) -> String {
    let file = place.path().join("log");
    let to = || fs::File::options().append(true).open(&file).expect("the log is there");
    fs::write(&file, "").expect("a file can be made");
    let mut daemon = place.command(arguments).stdout(to()).stderr(to()).spawn().expect("the binary can be run");
    let read = || fs::read_to_string(&file).expect("the log is text");
    wait_until(|| if read().contains(STARTED) { Ok(()) } else { Err(read()) });
    ask_to_stop(&daemon);
    assert_eq!(daemon.wait().expect("it is our child").code(), Some(0), "{}", read());
    read()
}

#[test]
fn lines_are_json_where_nobody_reads_them_and_text_on_a_terminal() {
    let place = stored(1);
    place.write("postrider.toml", "[event_store]\nurl = \"sqlite://events.db\"\n[admin]\nlisten = \"127.0.0.1:0\"\n");
    let piped = log(&place, &["run"]);
    let lines: Vec<Value> = piped
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}")))
        .collect();
    let names: Vec<_> = lines.iter().map(|line| line["event"].as_str().expect("each has a name")).collect();
    assert_eq!((names.first(), names.last()), (Some(&"daemon.starting"), Some(&"daemon.stopped")), "{piped}");
    // The name of a target and not that of a module.
    let courier = lines.iter().find(|line| line["event"] == STARTED).expect("there is a target");
    assert_eq!((&courier["target"], &courier["instance"]), (&"demo".into(), &"demo".into()), "{piped}");
    let terminal = Terminal::begin(&place, "run");
    terminal.shows(STARTED);
    terminal.ask_to_stop();
    let on_a_terminal = terminal.ended();
    let plain = on_a_terminal.replace("\u{1b}[3m", "").replace("\u{1b}[2m", "").replace("\u{1b}[0m", "");
    assert!(plain.contains("starting event=\"daemon.starting\""), "{on_a_terminal}");
    assert!(!on_a_terminal.lines().any(|line| line.starts_with('{')), "{on_a_terminal}");
    let asked_for = log(&place, &["run", "--log-format", "text"]);
    assert!(asked_for.contains(" INFO ") && !asked_for.starts_with('{'), "{asked_for}");
}
