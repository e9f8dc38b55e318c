//! Every key of a config: what it takes, and what stands there where it is left out. The binary itself is asked: for the keys by
//! one that no table has, for the types by values that fit none.
//!
//! Defaults are those of `config.example.toml`, which the binary's own tests hold against the code, and those of a target that has
//! nothing but what is required.

use std::{fmt::Write as _, fs};

use serde_json::Value;

use crate::{process::Place, stored};

use super::pin;

const PIN: &str = "config.txt";

/// Tables whose keys are names of the operator's.
const NAMES: [&str; 1] = ["headers"];

/// One key of the config, such as `projection.bulk_limit`, and what is said where it is given what no key takes.
struct Key {
    path: String,
    takes: String,
}

/// The paths of all keys, as they are pinned; that the pin is true is another test's business. While pins are renewed, as they are.
pub fn pinned() -> Vec<String> {
    if pin::renewing() {
        return keys().into_iter().map(|key| key.path).collect();
    }
    let pin = fs::read_to_string(pin::folder().join(PIN)).expect("there is a pin");
    let lines = pin.lines().take_while(|line| !line.is_empty());
    lines.filter_map(|line| Some(line.split_once(": ")?.0.to_owned())).collect()
}

/// All of them, each table before what is in it.
fn keys() -> Vec<Key> {
    let mut keys = Vec::new();
    collect(&Place::new(), "", &mut keys);
    keys
}

fn collect(place: &Place, table: &str, keys: &mut Vec<Key>) {
    for name in names(place, table) {
        let path = if table.is_empty() { name } else { format!("{table}.{name}") };
        let inner = !NAMES.iter().any(|last| path.ends_with(last)) && !names(place, &path).is_empty();
        let takes = if inner { of_table(place, &path) } else { takes(place, &path) };
        keys.push(Key { path: path.clone(), takes });
        if inner {
            collect(place, &path, keys);
        }
    }
}

/// Where a table may be written in another way, what is said of it.
fn of_table(place: &Place, path: &str) -> String {
    let said = said(place, path, "[[]]");
    let ways = said.split_once("does not fit; ").and_then(|(_, needed)| needed.split_once(" is needed"));
    ways.filter(|(ways, _)| ways.contains('{')).map_or_else(|| "table".to_owned(), |(ways, _)| ways.to_owned())
}

/// What is said of a config in which a key has this value.
fn said(place: &Place, path: &str, value: &str) -> String {
    let (table, key) = path.rsplit_once('.').unwrap_or(("", path));
    let text = match table.split_once('.') {
        _ if table.is_empty() => format!("{key} = {value}\n"),
        None if is_list(table) => format!("[[{table}]]\n{key} = {value}\n"),
        Some((list, rest)) if is_list(list) => format!("[[{list}]]\n{rest}.{key} = {value}\n"),
        _ => format!("[{table}]\n{key} = {value}\n"),
    };
    place.write("postrider.toml", &text).run(&["cursor", "list"]).err
}

fn is_list(table: &str) -> bool {
    matches!(table, "target" | "execution")
}

/// The keys of a table, which it names where it is asked for one that it cannot have.
fn names(place: &Place, table: &str) -> Vec<String> {
    let asked = if table.is_empty() { "\"?\"".to_owned() } else { format!("{table}.\"?\"") };
    let said = said(place, &asked, "0");
    let Some((_, known)) = said.split_once("there is no key \"?\" here; known are ") else { return Vec::new() };
    known.lines().next().unwrap_or_default().split(", ").map(str::to_owned).collect()
}

/// What fits a key, from what is said of two values of which it takes one at most.
fn takes(place: &Place, path: &str) -> String {
    let last = path.rsplit('.').next().unwrap_or(path);
    let mut words: Vec<String> = Vec::new();
    for value in ["\"?\"", "[[]]"] {
        let said = said(place, path, value);
        let line = said.lines().find(|line| line.contains(last)).or(said.lines().next()).unwrap_or_default();
        let said = (line.split_once("does not fit; ").map(|(_, needed)| needed))
            .or_else(|| line.split_once("is not known; ").map(|(_, known)| known))
            // A key that is only there so that more can be said than that it is not known.
            .or_else(|| line.split_once("this version delivers events only").map(|_| "nothing: it is refused"));
        let each = if line.contains("[0]: ") && value == "[[]]" { "a list: " } else { "" };
        // What a type is called in the code is nobody's business.
        let said = said.filter(|said| !said.starts_with("enum "));
        words.extend(said.map(|said| format!("{each}{}", said.trim_end_matches(" is needed"))));
    }
    words.dedup();
    assert!(!words.is_empty(), "nothing is known of {path}: {}", said(place, path, "[[]]"));
    words.join("; ")
}

/// What a config has where the example shows a default: not behind a bare `#`, and not of one target.
fn default(example: &toml::Table, path: &str) -> Option<String> {
    let mut value = None;
    let mut table = Some(example);
    for part in path.split('.') {
        value = table?.get(part);
        table = value.and_then(toml::Value::as_table);
    }
    value
        .filter(|value| !value.is_table() && !value.is_array() || value.as_array().is_some_and(Vec::is_empty))
        .map(toml::Value::to_string)
}

#[test]
fn a_config_has_the_keys_types_and_defaults_that_it_had() {
    let keys = keys();
    assert!(keys.len() > 80, "{}", keys.len());
    let mut example: toml::Table =
        toml::from_str(include_str!("../../../../../config.example.toml")).expect("it is TOML");
    if let Some(toml::Value::Table(store)) = example.get_mut("event_store") {
        store.remove("url");
    }
    let mut text = String::new();
    for Key { path, takes } in &keys {
        write!(text, "{path}: {takes}").expect("a string takes it");
        match default(&example, path) {
            Some(default) if takes != "table" => writeln!(text, " [default: {default}]"),
            _ => writeln!(text),
        }
        .expect("a string takes it");
    }
    let target = smallest_target();
    let target = serde_json::to_string_pretty(&target).expect("JSON can be printed");
    writeln!(text, "\na target with a name, an endpoint and a key only: {target}").expect("a string takes it");
    pin::check(PIN, &text);
}

/// As it is shown, without what is another each time.
fn smallest_target() -> Value {
    let place = stored::stored(1);
    place.write(
        "more.toml",
        "[[target]]\nname = \"crm\"\nendpoint = \"https://crm.example.com/\"\nsigning_key = \"hush\"\n",
    );
    let applied = place.run(&["apply", "-f", "more.toml"]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    let shown = place.run(&["target", "get", "crm", "-o", "json"]);
    let mut target: Value = serde_json::from_str(&shown.out).expect("it is JSON");
    for changing in ["id", "start_position"] {
        target.as_object_mut().and_then(|fields| fields.remove(changing)).expect("it has one");
    }
    target
}
