//! The JSON of every command: which fields there are, and of which types. From runs of the real binary on a state that a daemon
//! serves.

use std::collections::BTreeSet;

use crate::process::Place;

use super::{pin, scene};

/// Commands that print no JSON, or not one document.
const WITHOUT: [&str; 6] = ["run", "demo", "listen", "completions", "man", "top"];

/// Every command that does something, found by asking each for its help.
pub fn leaves() -> BTreeSet<String> {
    let (place, mut leaves) = (Place::new(), BTreeSet::new());
    collect(&place, &[], &mut leaves);
    leaves
}

fn collect(place: &Place, path: &[String], leaves: &mut BTreeSet<String>) {
    let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
    arguments.push("--help");
    let help = place.run(&arguments).out;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    if names.is_empty() {
        leaves.insert(path.join(" "));
    }
    for name in names.into_iter().filter(|name| !name.is_empty() && *name != "help") {
        collect(place, &[path, &[name.to_owned()]].concat(), leaves);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_of_every_command_has_the_fields_that_it_had() {
    let shapes = scene::shapes().await;
    let expected: BTreeSet<String> = leaves().into_iter().filter(|name| !WITHOUT.contains(&name.as_str())).collect();
    assert!(expected.len() > 35, "{expected:?}");
    let seen: BTreeSet<String> = shapes.keys().cloned().collect();
    assert_eq!(seen, expected, "every command is run here, with -o json");
    let found: Vec<String> = shapes.iter().map(|(command, shape)| format!("{command}\n{shape}")).collect();
    pin::check("commands.txt", &found.join("\n"));
}
