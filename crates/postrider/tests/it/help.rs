//! What `--help` says, of every command. A change here is a change of the interface.

use crate::process::Place;

#[test]
fn every_command_has_its_help() {
    let commands = [
        "",
        "run",
        "demo",
        "check",
        "migrate",
        "apply",
        "target",
        "target list",
        "target get",
        "target create",
        "target update",
        "target delete",
        "target test",
        "target rotate-key",
        "target key",
        "target key add",
        "target key list",
        "target key activate",
        "target key deactivate",
        "target key remove",
        "target pause",
        "target resume",
        "execution",
        "execution list",
        "execution set",
        "execution delete",
        "explain",
        "audit",
        "audit-deliveries",
        "cursor",
        "cursor list",
        "cursor show",
        "cursor seek",
        "cursor skip",
        "cursor halt",
        "cursor unhalt",
        "failed",
        "failed list",
        "failed show",
        "failed retry",
        "failed discard",
        "delivery",
        "delivery list",
        "delivery show",
        "delivery resend",
        "key",
        "key rotate-master",
        "key rotate-web",
        "key list-web",
        "worker",
        "worker list",
        "top",
        "listen",
        "verify",
        "healthcheck",
        "completions",
        "man",
    ];
    for command in commands {
        let mut arguments: Vec<_> = command.split_whitespace().collect();
        arguments.push("--help");
        let done = Place::new().run(&arguments);
        assert_eq!(done.code, 0, "{command}: {}", done.err);
        let name = if command.is_empty() { "postrider".to_owned() } else { command.replace(' ', "_") };
        insta::assert_snapshot!(name, done.out);
    }
}

#[test]
fn a_command_that_is_not_there_is_wrong_usage() {
    assert_eq!(Place::new().run(&["curser", "list"]).code, 2);
}

#[test]
fn completions_are_printed() {
    let done = Place::new().run(&["completions", "bash"]);
    assert!(done.code == 0 && done.out.contains("cursor"), "{}", done.err);
}
