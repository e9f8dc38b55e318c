//! What was accepted once is accepted for good: the configs and definitions of earlier versions, as they were written then.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    process::{Done, Place},
    stored,
};

use super::{config, pin};

const KEYS: [(&str, &str); 3] = [
    ("KEY_NEW", "a new key"),
    ("KEY_URL", "sqlite://nowhere/state.db"),
    ("KEY_MASTER_BEFORE", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
];

/// Files of `accepted` whose names begin so, in order.
fn files(prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(pin::folder().join("accepted")).expect("there are files");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a folder can be read").path()).collect();
    files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)));
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(!files.is_empty(), "there is a file of the first version");
    files
}

fn stem(path: &Path) -> String {
    path.file_stem().expect("it has a name").to_string_lossy().into_owned()
}

fn apply(place: &Place, more: &[&str]) -> Done {
    place.run_with(&[&["apply", "-f", "definitions.toml", "-o", "json"], more].concat(), &KEYS)
}

fn json_of(place: &Place, arguments: &[&str]) -> Value {
    let done = place.run(&[arguments, &["-o", "json"]].concat());
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {}{}", done.out, done.err))
}

/// A store of five events, and a key in a file.
fn place() -> Place {
    let place = stored::stored(5);
    place.write("key-old", "an old key\n");
    place
}

#[test]
fn definitions_of_every_version_mean_what_they_meant() {
    for file in files("definitions-") {
        let place = place();
        place.write("definitions.toml", &fs::read_to_string(&file).expect("a file can be read"));
        let applied = apply(&place, &["--prune"]);
        assert_eq!(applied.code, 0, "{}: {}", file.display(), applied.err);
        assert_eq!(apply(&place, &[]).out.trim(), "[]", "a second time nothing changes");
        let mut targets = json_of(&place, &["target", "list"]);
        for target in targets.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            target.remove("id").expect("a target has an id");
            if target["start"] == "now" || target["start"].as_str().is_some_and(|start| start.contains('T')) {
                // Found in the store, when it is created.
                target.remove("start_position").expect("a target has one");
            }
        }
        let meant = json!({ "targets": targets, "executions": json_of(&place, &["execution", "list"]) });
        let meant = serde_json::to_string_pretty(&meant).expect("JSON can be printed");
        pin::check(&format!("accepted/{}.json", stem(&file)), &format!("{meant}\n"));
    }
}

#[test]
fn each_key_of_a_target_is_taken_without_the_others() {
    let place = place();
    for file in files("definitions-") {
        let text = fs::read_to_string(&file).expect("a file can be read");
        let definitions: toml::Table = toml::from_str(&text).expect("it is TOML");
        for target in definitions["target"].as_array().into_iter().flatten().filter_map(toml::Value::as_table) {
            let required = ["name", "endpoint", "signing_key", "signing_keys"];
            for key in target.keys().filter(|key| !required.contains(&key.as_str())) {
                let mut alone = target.clone();
                // A burst is one of a rate.
                alone.retain(|name, _| {
                    required.contains(&name) || name == key || (key == "rate_burst" && name == "rate_limit")
                });
                let alone = toml::Table::from_iter([("target".to_owned(), toml::Value::Array(vec![alone.into()]))]);
                place.write("definitions.toml", &alone.to_string());
                let applied = apply(&place, &["--dry-run"]);
                assert_eq!(applied.code, 0, "{alone}\n{}", applied.err);
            }
        }
    }
}

#[test]
fn configs_of_every_version_are_taken() {
    for file in files("config-") {
        let place = place();
        let text = fs::read_to_string(&file).expect("a file can be read");
        place.write("postrider.toml", &text).write("master-key", &"b".repeat(64));
        let definitions = file.with_file_name(format!("{}.toml", stem(&file).replace("config-", "definitions-")));
        let name = definitions.file_name().expect("it has a name").to_string_lossy().into_owned();
        place.write(&name, &fs::read_to_string(&definitions).expect("each version has both"));
        let done = place.run_with(&["cursor", "list"], &KEYS);
        // The databases are not there: that is as far as it can come.
        assert_eq!(done.code, 1, "{}", done.err);
    }
}

#[test]
fn every_key_there_is_was_written_down_for_some_version() {
    let mut written = BTreeSet::new();
    for file in files("config-").into_iter().chain(files("definitions-")) {
        let text = fs::read_to_string(&file).expect("a file can be read");
        paths(&toml::Value::Table(toml::from_str(&text).expect("it is TOML")), "", &mut written);
    }
    // Other ways to say what another key says, and conditions that are refused.
    let elsewhere = |path: &str| {
        ["_env", "_file", "master_key", "state.url"].iter().any(|end| path.ends_with(end))
            || ["request", "response", "function"].iter().any(|kind| path == format!("execution.condition.{kind}"))
    };
    let missing: Vec<_> =
        config::pinned().into_iter().filter(|path| !written.contains(path) && !elsewhere(path)).collect();
    assert_eq!(missing, Vec::<String>::new(), "put them into files for the next version, in tests/compat/accepted");
}

fn paths(value: &toml::Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                found.insert(path.clone());
                paths(value, &path, found);
            }
        }
        toml::Value::Array(list) => {
            for value in list {
                paths(value, path, found);
            }
        }
        _ => {}
    }
}
