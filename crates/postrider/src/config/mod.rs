//! The config: read from defaults, file, environment and flags (`load`), in the shape of `raw`, checked once (`validate`,
//! `definitions`), and after that known to be sound.
//!
//! Invariant: whoever holds a [`Config`] need not check anything in it again, apart from the signing keys, which are
//! fetched when a command needs them.

mod definitions;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
mod load;
mod problem;
mod raw;
mod secret;
#[cfg(test)]
mod tests;
mod traces;
mod url;
mod validate;
mod words;

pub use self::{
    definitions::{COMMAND_LINE, DefinitionsSpec, TargetSpec},
    load::Sources,
    problem::ConfigError,
    raw::{HorizonName, LogFormat, LoggedAttempts, OnExhausted, RawColumns},
    secret::RawSecret,
    url::DatabaseUrl,
    validate::{Config, TableSpec},
};
