//! A migration that has landed never changes: databases have it already, with this checksum.

use std::{collections::BTreeMap, fs};

use sha2::{Digest, Sha256};

use super::pin;

const PIN: &str = "migrations.sha256";

/// Every migration by its path in the repository, with its checksum as `sha256sum` prints it.
fn migrations() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for kind in ["postgres", "sqlite"] {
        let folder = format!("migrations/{kind}");
        for entry in fs::read_dir(pin::folder().join("../..").join(&folder)).expect("there are migrations") {
            let path = entry.expect("a folder can be read").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("migrations have plain names");
            let sum = hex::encode(Sha256::digest(fs::read(&path).expect("a migration can be read")));
            found.insert(format!("{folder}/{name}"), sum);
        }
    }
    found
}

#[test]
fn a_migration_that_has_landed_stays_as_it_is() {
    let found = migrations();
    let pinned = fs::read_to_string(pin::folder().join(PIN)).unwrap_or_default();
    // Also where pins are renewed: only new ones are added.
    for (sum, path) in pinned.lines().filter_map(|line| line.split_once("  ")) {
        let now = found.get(path);
        assert_eq!(
            now.map(String::as_str),
            Some(sum),
            "{path} has landed and must not change: databases that have it would refuse to start. Undo the change, and put \
             what is needed into a new migration"
        );
    }
    let lines: Vec<String> = found.iter().map(|(path, sum)| format!("{sum}  {path}")).collect();
    pin::check(PIN, &format!("{}\n", lines.join("\n")));
}

#[test]
fn both_databases_have_the_same_migrations() {
    let of = |kind: &str| -> Vec<String> {
        let prefix = format!("migrations/{kind}/");
        migrations().into_keys().filter_map(|path| path.strip_prefix(&prefix).map(str::to_owned)).collect()
    };
    assert_eq!(of("postgres"), of("sqlite"));
}
