//! The repository's own files: sources and pages that are tested for what they say.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The crates that a release is made of.
const CRATES: [&str; 7] = ["domain", "store", "webhook", "engine", "operate", "admin", "postrider"];

/// Its top level.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where others put their files among ours.
const NOT_OURS: [&str; 2] = [".git", "node_modules"];

/// Every file below a folder that has this extension, with its text.
#[must_use]
pub fn files_below(folder: &Path, extension: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() && NOT_OURS.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            found.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|of_file| of_file == extension) {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            found.push((path, text));
        }
    }
    found
}

/// What a release is compiled from.
#[must_use]
pub fn sources() -> Vec<(PathBuf, String)> {
    CRATES.iter().flat_map(|name| files_below(&repository().join("crates").join(name).join("src"), "rs")).collect()
}
