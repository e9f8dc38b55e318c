//! The example file is true, and what is wrong is said well.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use figment::{
    Figment,
    error::Kind,
    providers::{Format, Serialized, Toml},
};
use serde_json::{Value, json};

use super::{
    DatabaseUrl,
    raw::{RawColumns, RawConfig},
    validate::Config,
};

const EXAMPLE: &str = include_str!("../../../../config.example.toml");

/// The example with everything switched on that stands behind a bare `#`.
fn switched_on() -> String {
    let bare = |line: &str| {
        line.strip_prefix('#')
            .filter(|rest| rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()))
            .map(str::to_owned)
    };
    EXAMPLE.lines().map(|line| bare(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

fn read(text: &str) -> RawConfig {
    Figment::from(Toml::string(text)).extract().unwrap_or_else(|error| panic!("{error}"))
}

/// Every key that the code knows, found by asking each table for a key that it cannot have.
fn known_keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    collect(&[], &mut keys);
    keys
}

fn collect(path: &[&'static str], keys: &mut BTreeSet<String>) {
    let asked = path.iter().rev().fold(json!({ "?": 0 }), |inner, key| match *key {
        "target" | "execution" => json!({ *key: [inner] }),
        _ => json!({ *key: inner }),
    });
    let Value::Object(_) = asked else { unreachable!("objects are wrapped in objects") };
    let error = Figment::from(Serialized::defaults(asked)).extract::<RawConfig>().err().expect("? is no key");
    let Kind::UnknownField(field, known) = error.kind else { return };
    if field != "?" {
        return;
    }
    for key in known {
        let mut deeper = path.to_vec();
        deeper.push(key);
        keys.insert(deeper.join("."));
        // Below these are names that are not ours, or words that have another shape.
        if !matches!(*key, "headers" | "signing_key" | "signing_keys" | "condition" | "targets" | "start") {
            collect(&deeper, keys);
        }
    }
}

fn keys_of(value: &toml::Value, path: &str, keys: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                keys.insert(path.clone());
                keys_of(value, &path, keys);
            }
        }
        toml::Value::Array(list) => list.iter().for_each(|value| keys_of(value, path, keys)),
        _ => {}
    }
}

#[test]
fn every_known_key_is_in_the_example() {
    let mut shown = BTreeSet::new();
    keys_of(&toml::from_str(&switched_on()).expect("the example is TOML"), "", &mut shown);
    let known = known_keys();
    assert!(known.len() > 60, "{known:?}");
    assert_eq!(known.difference(&shown).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn the_example_is_sound() {
    let config = Config::check(read(EXAMPLE), "config.example.toml".to_owned(), Path::new(""));
    let config = config.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.definitions.targets.len(), 1);
    assert_eq!(config.definitions.executions.len(), 3);
}

#[test]
fn the_defaults_in_the_example_are_those_of_the_code() {
    let (example, code) = (read(EXAMPLE), RawConfig::default());
    assert_eq!(example.projection, code.projection);
    assert_eq!(example.ledger, code.ledger);
    assert_eq!(example.lease, code.lease);
    assert!(example.delivery == code.delivery);
    assert!(example.admin == code.admin);
    assert_eq!(example.log, code.log);
    assert!(example.traces == code.traces);
    assert_eq!(example.retention, code.retention);
    assert_eq!(example.shutdown_grace, code.shutdown_grace);
    assert!(example.state == code.state && example.definitions == code.definitions);
    let mut store = example.event_store;
    store.url = None;
    assert!(store == code.event_store);
    let target = read("[[target]]\nname = 'crm'\nendpoint = 'https://crm.example.com/zitadel'").target.remove(0);
    let shown = &example.target[0];
    assert!(
        shown.kind == target.kind
            && shown.ordering == target.ordering
            && shown.interrupt_on_error == target.interrupt_on_error
            && shown.start == target.start
            && shown.payload == target.payload
            && shown.payload_encoding == target.payload_encoding
            && shown.payload_type == target.payload_type
    );
    let switched_on = read(&switched_on().replace("[[target]]", "[[target]] # switched on"));
    assert!(switched_on.target[0].timeout == Some(code.delivery.timeout));
    assert!(switched_on.target[0].max_in_flight == Some(code.delivery.max_in_flight));
    assert!(switched_on.event_store.columns.is_some_and(|columns| columns.owner.as_deref() == Some("owner")));
    assert!(RawColumns::default().owner.is_none());
}

#[test]
fn a_duration_has_its_unit() {
    assert_eq!(read("shutdown_grace = '90s'").shutdown_grace, Duration::from_secs(90));
    assert!(Figment::from(Toml::string("shutdown_grace = 90")).extract::<RawConfig>().is_err());
}

#[test]
fn the_state_of_a_postgresql_store_is_in_the_same_database() {
    check_state("postgres://me@db/zitadel", "postgres://me@db/zitadel");
}

#[test]
fn the_state_of_a_sqlite_store_is_a_file_beside_it() {
    check_state("sqlite:///dir/events.db", "sqlite:///dir/events.state.db");
    check_state("sqlite:///dir/events?mode=ro", "sqlite:///dir/events.state.db");
    check_state("sqlite://events.sqlite", "sqlite://events.state.sqlite");
}

fn check_state(events: &str, state: &str) {
    let url = DatabaseUrl::parse(events.to_owned()).expect("a URL");
    assert_eq!(url.default_state().expose(), state);
}

#[test]
fn a_database_is_named_without_user_and_password() {
    let url = DatabaseUrl::parse("postgres://me:hush@db:5433/zitadel?password=hush".to_owned()).expect("a URL");
    assert_eq!(format!("{url} {url:?}"), "postgres://db:5433/zitadel postgres://db:5433/zitadel");
}

#[test]
fn a_secret_in_a_file_is_taken_without_the_newline_at_its_end() {
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    fs::write(file.path(), "hush \n").expect("a file can be written");
    let secret = super::RawSecret::File(file.path().to_owned());
    assert_eq!(secret.fetch().expect("the file is there"), "hush ");
    assert!(!format!("{:?}", super::RawSecret::Plain("hush".to_owned())).contains("hush"));
}

const REFERENCE: &str = include_str!("../../../../docs/src/reference/config.md");

/// Key and default of each row of the reference.
fn reference() -> Vec<(String, String)> {
    let rows = REFERENCE.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        Some((cells.next()?.trim_end_matches('`').to_owned(), cells.next()?.trim_matches('`').to_owned()))
    });
    rows.collect()
}

#[test]
fn the_reference_has_every_key_once_and_no_other() {
    let known = known_keys();
    let is_section = |key: &str| known.iter().any(|other| other.starts_with(&format!("{key}.")));
    let wanted: Vec<_> = known.iter().filter(|key| !is_section(key)).cloned().collect();
    let mut shown: Vec<_> = reference().into_iter().map(|(key, _)| key).collect();
    shown.sort();
    assert_eq!(shown, wanted);
}

/// Those of the code are held against the example above.
#[test]
fn the_defaults_in_the_reference_are_those_of_the_example() {
    let example: toml::Value = toml::from_str(EXAMPLE).expect("the example is TOML");
    for (key, default) in reference() {
        let first = |value: &toml::Value| value.as_array().and_then(|list| list.first()).cloned();
        let found = key.split('.').try_fold(example.clone(), |value, part| {
            let inner = value.get(part)?.clone();
            if matches!(part, "target" | "execution") { first(&inner) } else { Some(inner) }
        });
        // What the example has to have, or shows something with.
        let shown = matches!(
            &*key,
            "event_store.url"
                | "target.name"
                | "target.endpoint"
                | "target.signing_key"
                | "target.headers"
                | "target.exclude"
                | "execution.condition"
                | "execution.targets"
        );
        match found.filter(|_| !shown) {
            None => assert_eq!(default, "–", "{key} has no default in the example"),
            Some(value) => {
                let said: toml::Table =
                    toml::from_str(&format!("said = {default}")).unwrap_or_else(|_| panic!("{key}: {default}"));
                assert_eq!(said["said"], value, "{key}");
            }
        }
    }
}
