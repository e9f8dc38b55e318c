//! The bench cannot rot: it is run with sizes that say nothing, and everything it says is looked at.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// The daemon's binary, beside the bench's. It is there when the whole workspace is tested; otherwise it is built.
fn daemon() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_postrider-bench")).with_file_name("postrider");
    if !path.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--locked", "--package", "postrider", "--manifest-path"]);
        build.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"));
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the daemon can be built");
    }
    path
}

#[test]
fn the_bench_measures_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let figures = folder.path().join("figures.json");
    let output = Command::new(env!("CARGO_BIN_EXE_postrider-bench"))
        .args(["--quick", "--only", "strict-1", "--json"])
        .arg(&figures)
        .arg("--daemon")
        .arg(daemon())
        .output()
        .expect("the bench runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("delivered over reqwest alone"), "{out}");
    let text = std::fs::read_to_string(&figures).expect("the figures are written");
    let report: Value = serde_json::from_str(&text).expect("the figures are JSON");
    let figures = report["figures"].as_array().expect("a list of figures");
    assert!(figures.len() >= 12, "{text}");
    for figure in figures {
        let what = figure["what"].as_str().expect("a figure says what it is of");
        let median = figure["median"].as_f64().expect("each was measured");
        assert!(median > 0.0 || what.contains("processor time") || what.starts_with("of "), "{what} is {median}");
        assert!(figure["holds"].is_null(), "nothing is judged by so little");
    }
}

#[test]
fn a_daemon_that_is_not_there_is_a_failure() {
    let output = Command::new(env!("CARGO_BIN_EXE_postrider-bench"))
        .args(["--quick", "--only", "strict-1", "--daemon", "/nowhere/postrider"])
        .output()
        .expect("the bench runs");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("/nowhere/postrider can be run"), "{err}");
}
