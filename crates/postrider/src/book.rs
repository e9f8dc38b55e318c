//! Every command that a page of the repository tells to type is one: its name, its subcommands and its flags, as clap knows them.

use std::{fs, path::PathBuf};

use clap::{ArgAction, Command};
use test_support::{files_below, repository};

use crate::cli;

/// The changelog is none of them: it tells also of what was.
fn pages() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for file in ["README.md", "config.example.toml"] {
        let path = repository().join(file);
        let text = fs::read_to_string(&path).expect("a page can be read");
        found.push((path, text));
    }
    found.extend(["docs", "deploy"].iter().flat_map(|folder| files_below(&repository().join(folder), "md")));
    found
}

/// What a page tells to type: lines of its shell blocks, and code within its text, that begin with `postrider`.
fn commands(text: &str) -> Vec<String> {
    let (mut lines, mut prose) = (Vec::new(), String::new());
    let mut block: Option<&str> = None;
    let mut unfinished = String::new();
    for line in text.lines() {
        if let Some(info) = line.trim_start().strip_prefix("```") {
            block = if block.is_some() { None } else { Some(info.split_whitespace().next().unwrap_or("text")) };
            continue;
        }
        let typed = match block {
            None => {
                prose.push_str(line.trim_start_matches(['#', ' ']));
                prose.push('\n');
                continue;
            }
            Some("console") => line.trim_start().strip_prefix("$ ").or((!unfinished.is_empty()).then_some(line)),
            Some("sh" | "bash" | "shell") => Some(line),
            Some(_) => None,
        };
        let Some(typed) = typed else { continue };
        unfinished.push_str(typed.trim());
        if unfinished.ends_with('\\') {
            unfinished.pop();
            unfinished.push(' ');
        } else {
            lines.push(std::mem::take(&mut unfinished));
        }
    }
    // A span never goes beyond its paragraph.
    for paragraph in prose.split("\n\n").filter(|paragraph| !paragraph.contains("``")) {
        lines.extend(paragraph.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")));
    }
    lines.into_iter().filter_map(|line| after_assignments(&line)).collect()
}

/// `NAME=value postrider …` without what is before; `None` if something else is called.
fn after_assignments(line: &str) -> Option<String> {
    let mut rest = line.trim();
    while let Some((word, more)) = rest.split_once(' ') {
        let assigns =
            word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
        if !assigns {
            break;
        }
        rest = more.trim_start();
    }
    (rest == "postrider" || rest.starts_with("postrider ")).then(|| rest.to_owned())
}

/// As a shell would, as far as the pages go. What is after a pipe or a comment is something else.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, ';') => words.extend(word.take().into_iter().chain([";".to_owned()])),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    let end = words.iter().position(|word| matches!(word.as_str(), "|" | ">" | "&&" | ";" | "&" | "#" | "||" | "<"));
    words.truncate(end.unwrap_or(words.len()));
    words
}

/// What is wrong with a command, if anything is.
fn wrong(line: &str) -> Option<String> {
    let mut command = cli::command();
    command.build();
    let mut command = &command;
    let words = words(line);
    let mut words = words.iter().skip(1).map(String::as_str).peekable();
    while let Some(word) = words.next() {
        if matches!(word, "--help" | "-h" | "--version" | "-V" | "…") {
            continue;
        }
        if let Some(flag) = word.strip_prefix("--") {
            let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
            let Some(known) = command.get_arguments().find(|known| known.get_long() == Some(name)) else {
                return Some(format!("`{line}`: {} has no --{name}", command.get_name()));
            };
            if value.is_none() && takes_value(known) {
                words.next();
            }
        } else if let Some(short) = word.strip_prefix('-').and_then(|rest| rest.chars().next()) {
            let Some(known) = command.get_arguments().find(|known| known.get_short() == Some(short)) else {
                return Some(format!("`{line}`: {} has no -{short}", command.get_name()));
            };
            if takes_value(known) {
                words.next();
            }
        } else if command.has_subcommands() {
            // In capitals it stands for any.
            if word.chars().all(|c| c.is_ascii_uppercase()) {
                return None;
            }
            match find(command, word) {
                Some(found) => command = found,
                None => return Some(format!("`{line}`: {} has no {word}", command.get_name())),
            }
        } else if command.get_positionals().next().is_none() {
            return Some(format!("`{line}`: {} takes no {word}", command.get_name()));
        }
    }
    None
}

fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Command> {
    command.get_subcommands().find(|known| known.get_name() == name)
}

fn takes_value(arg: &clap::Arg) -> bool {
    let optional = arg.get_num_args().is_some_and(|number| number.min_values() == 0);
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) && !optional
}

#[test]
fn every_command_in_the_pages_is_one() {
    let mut seen = 0;
    let mut amiss = Vec::new();
    for (path, text) in pages() {
        for command in commands(&text) {
            seen += 1;
            amiss.extend(wrong(&command).map(|why| format!("{}: {why}", path.display())));
        }
    }
    assert!(seen > 100, "only {seen} commands were found");
    assert_eq!(amiss, Vec::<String>::new());
}

#[test]
fn a_command_that_is_none_is_found() {
    for sound in [
        "postrider",
        "postrider COMMAND --help",
        "postrider -c a.toml cursor seek crm --to now --reason \"a b\" | less",
        "postrider target create a --endpoint https://a --interrupt-on-error --paused",
        "postrider target",
        "postrider explain user.human.added",
    ] {
        assert_eq!(wrong(sound), None);
    }
    for (bad, why) in [
        ("postrider cursors", "has no cursors"),
        ("postrider cursor seek crm --too now", "has no --too"),
        ("postrider check -x", "has no -x"),
        ("postrider check now", "takes no now"),
    ] {
        assert!(wrong(bad).is_some_and(|said| said.contains(why)), "{bad}");
    }
    let page = "`A=b postrider check`, `cursor list`\n```sh\npostrider run \\\n  --no-migrate\n```\n```console\n$ postrider demo\npostrider says\n```\n";
    assert_eq!(commands(page), ["postrider run  --no-migrate", "postrider demo", "postrider check"]);
}
