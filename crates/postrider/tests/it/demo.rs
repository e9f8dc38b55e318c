//! `demo`: the main job on SQLite, which ends by itself.

use std::time::{Duration, Instant};

use crate::process::Place;

#[test]
fn the_demo_ends_by_itself_with_nothing_lost_or_out_of_order() {
    let place = Place::new();
    let began = Instant::now();
    let done = place.run(&["demo", "--events", "300", "--rate", "300", "--dir", "kept"]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let line = |name: &str| {
        let line = done.out.lines().rfind(|line| line.starts_with(name) && line.ends_with("ms"));
        line.unwrap_or_else(|| panic!("no line of {name}: {}", done.out)).split_whitespace().collect::<Vec<_>>()
    };
    // delivered, retried, parked, lost, out of order
    assert_eq!(line("healthy")[1..6], ["300", "0", "0", "0", "0"]);
    assert_eq!(line("flaky")[1..6], ["300", "74", "0", "0", "0"]);
    assert_eq!(line("late")[1..6], ["300", "0", "0", "0", "0"]);
    let cursors = place.run(&["-c", "kept/postrider.toml", "cursor", "list", "-o", "json"]);
    let cursors: serde_json::Value = serde_json::from_str(&cursors.out).expect("JSON");
    let positions: Vec<_> = cursors.as_array().expect("a list").iter().map(|cursor| &cursor["position"]).collect();
    assert_eq!(positions, ["300"; 3], "{cursors}");
    let again = place.run(&["demo", "--dir", "kept"]);
    assert!(again.code == 1 && again.err.contains("is there already"), "{}", again.err);
}
