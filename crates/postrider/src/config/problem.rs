//! What is wrong with a config, in sentences: where, what, and what to do about it.
//!
//! A value is repeated only where it cannot be a secret.

use std::fmt;

use figment::error::{Actual, Error, Kind};

/// Everything that was found wrong with one config.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// The file, or the environment.
    pub origin: String,
    /// At least one.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug)]
pub struct Problem {
    /// The key, as `target[0].endpoint`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and what to do.
    pub text: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { path, text }) in self.problems.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            let colon = if path.is_empty() { "" } else { ": " };
            write!(f, "{newline}{}: {path}{colon}{text}", self.origin)?;
        }
        Ok(())
    }
}

impl ConfigError {
    /// One problem with the file as a whole.
    pub fn whole(origin: impl Into<String>, text: impl Into<String>) -> Self {
        Self { origin: origin.into(), problems: vec![Problem { path: String::new(), text: text.into() }] }
    }

    /// What figment found while reading. `file` is where values that are not from the environment come from.
    pub fn reading(error: Error, file: &str) -> Self {
        let mut origin = file.to_owned();
        let problems = error
            .into_iter()
            .map(|error| {
                if error.metadata.as_ref().is_some_and(|metadata| metadata.name == super::load::ENVIRONMENT) {
                    "the environment".clone_into(&mut origin);
                }
                Problem { path: dotted(&error.path), text: sentence(&error) }
            })
            .collect();
        Self { origin, problems }
    }
}

/// `target`, `0`, `endpoint` as `target[0].endpoint`.
fn dotted(path: &[String]) -> String {
    path.iter().fold(String::new(), |path, part| match part.parse::<usize>() {
        Ok(index) => format!("{path}[{index}]"),
        Err(_) if path.is_empty() => part.clone(),
        Err(_) => format!("{path}.{part}"),
    })
}

fn sentence(error: &Error) -> String {
    match &error.kind {
        Kind::UnknownField(found, known) => format!("there is no key {found:?} here; {}", meant(found, known)),
        Kind::UnknownVariant(found, known) => format!("{found:?} is not known; {}", meant(found, known)),
        Kind::MissingField(name) => format!("the key {name:?} is missing; add it"),
        Kind::InvalidValue(Actual::Str(found), expected) if !may_be_secret(&error.path) => {
            format!("{found:?} does not fit; {} is needed", readable(expected))
        }
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            format!("{} does not fit; {} is needed", shape(actual), readable(expected))
        }
        Kind::Message(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The nearest known name if one is near, else all of them.
fn meant(found: &str, known: &[&'static str]) -> String {
    operate::nearest(found, known.iter().copied())
        .map_or_else(|| format!("known are {}", known.join(", ")), |near| format!("is {near:?} meant?"))
}

fn readable(expected: &str) -> &str {
    match expected {
        "u32" | "u64" | "usize" => "a whole number that is not negative",
        "a Duration" | "a duration" | "Option<Duration>" => "a duration such as \"10s\" or \"500ms\"",
        "path string" => "a path in quotes",
        other => other,
    }
}

fn may_be_secret(path: &[String]) -> bool {
    const SECRET: [&str; 4] = ["url", "signing_key", "master_key", "previous_master_key"];
    path.iter().any(|part| part == "headers" || SECRET.iter().any(|secret| part.starts_with(secret)))
}

/// What kind of value it is, without the value.
fn shape(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "a boolean",
        Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) => "a string",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "this value",
    }
}
