//! The names of environment variables: one for every key of the config, and those that the program reads besides.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::Value;
use test_support::sources;

use crate::{process::Place, stored};

use super::{config, pin};

/// The name of a key in the environment.
fn variable(path: &str) -> String {
    format!("POSTRIDER_{}", path.to_uppercase().replace('.', "__"))
}

#[test]
fn every_key_is_read_from_the_variable_that_it_was_read_from() {
    let place = Place::new();
    let mut names = BTreeSet::new();
    for path in config::pinned() {
        // Lists of tables, and what is in them, are written in files.
        if ["target", "execution"].iter().any(|list| path == *list || path.starts_with(&format!("{list}."))) {
            continue;
        }
        let name = variable(&path);
        let read = place.run_with(&["cursor", "list"], &[(&name, "[[[]]]")]);
        if read.code == 2 && read.err.contains(&format!("{path}[0]")) || read.err.contains(&format!("{path}: ")) {
            names.insert(name);
        }
    }
    assert!(names.len() > 50, "{names:?}");
    names.extend(named_in_the_sources());
    let names: Vec<String> = names.into_iter().collect();
    pin::check("environment.txt", &format!("{}\n", names.join("\n")));
}

/// A variable that nobody reads would be a setting that silently is none.
#[test]
fn a_section_and_a_key_that_stand_one_underscore_apart_are_refused() {
    let place = Place::new();
    let paths = config::pinned();
    let of_sections = paths.iter().filter_map(|path| path.split_once('.').map(|(section, _)| (section, path)));
    let sections: BTreeMap<_, _> =
        of_sections.filter(|(section, _)| !["target", "execution"].contains(section)).collect();
    assert!(sections.len() > 8, "{sections:?}");
    for path in sections.into_values() {
        let name = variable(path);
        let slip = name.replace("__", "_");
        let done = place.run_with(&["cursor", "list"], &[(&slip, "1")]);
        let meant = name.split("__").take(2).collect::<Vec<_>>().join("__");
        assert!(done.code == 2 && done.err.contains(&format!("is {meant}")), "{slip}: {} {}", done.code, done.err);
    }
}

/// Names of ours that stand in the sources as a whole text.
fn named_in_the_sources() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, text) in sources() {
        // What is read while it is compiled is nobody's to set.
        let text = text.replace("env!(\"", "env!(\"-");
        let quoted = text.split('"').skip(1).step_by(2);
        let is_name = |text: &&str| {
            let rest = text.strip_prefix("POSTRIDER_").unwrap_or_default();
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        };
        names.extend(quoted.filter(is_name).map(str::to_owned));
    }
    names
}

#[test]
fn who_acts_is_named_by_the_variables_that_named_it() {
    let place = stored::stored(1);
    let actor = |environment: &[(&str, &str)]| {
        let acted = place.run_with(&["target", "pause", "demo"], environment);
        assert_eq!(acted.code, 0, "{}", acted.err);
        let audit = place.run(&["audit", "--limit", "1", "-o", "json"]);
        let audit: Value = serde_json::from_str(&audit.out).expect("it is JSON");
        let resumed = place.run(&["target", "resume", "demo"]);
        assert_eq!(resumed.code, 0, "{}", resumed.err);
        audit[0]["actor"].as_str().unwrap_or_default().split('@').next().unwrap_or_default().to_owned()
    };
    assert_eq!(actor(&[("USER", "ben")]), "ben");
    assert_eq!(actor(&[("USER", "root"), ("SUDO_USER", "ben")]), "ben");
    assert_eq!(actor(&[("USER", ""), ("LOGNAME", "ben")]), "ben");
    assert_eq!(actor(&[("SUDO_USER", "ben"), ("POSTRIDER_ACTOR", "deploy")]), "deploy");
}

#[test]
fn the_config_is_where_the_variable_says() {
    let place = stored::stored(1);
    fs::rename(place.path().join("postrider.toml"), place.path().join("other.toml")).expect("a file can be renamed");
    assert_eq!(place.run(&["cursor", "list"]).code, 2);
    assert_eq!(place.run_with(&["cursor", "list"], &[("POSTRIDER_CONFIG", "other.toml")]).code, 0);
}
