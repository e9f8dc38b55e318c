//! What is fuzzed of the config: no text makes reading it panic, and what is accepted can be used.
//!
//! Files and environment variables that a text names are not looked at.

use std::{path::Path, time::Duration};

use super::{
    definitions::{self, Defaults},
    load,
    validate::{Config, Problems},
};

/// A config file.
pub fn config(text: &str) {
    let mut raw = match load::read_text("a file", text) {
        Ok(raw) => raw,
        Err(error) => return drop(error.to_string()),
    };
    (raw.event_store.url_env, raw.event_store.url_file) = (None, None);
    (raw.state.url_env, raw.state.url_file) = (None, None);
    (raw.state.master_key_env, raw.state.master_key_file) = (None, None);
    (raw.state.previous_master_key_env, raw.state.previous_master_key_file) = (None, None);
    raw.definitions.file = None;
    match Config::check(raw, "a file".to_owned(), Path::new("")) {
        Ok(config) => assert_eq!(config.definitions.contradictions(), None, "it was looked for"),
        Err(error) => assert!(!error.problems.is_empty() && !error.to_string().is_empty(), "what is wrong is told"),
    }
}

/// A definitions file.
pub fn definitions(text: &str) {
    let Ok(raw) = load::read_text("a file", text) else { return };
    let mut problems = Problems::default();
    let defaults = Defaults { timeout: Duration::from_secs(10), max_in_flight: 16 };
    let spec = definitions::check(&raw.target, &raw.execution, defaults, &mut problems);
    assert_eq!(spec.targets.len() == raw.target.len(), problems.0.iter().all(|it| !it.path.starts_with("target[")));
    drop(spec.contradictions());
}

#[cfg(test)]
#[path = "../../../../fuzz/bodies/mod.rs"]
mod bodies;

#[cfg(test)]
mod tests {
    use super::bodies;

    #[test]
    fn no_config_file_makes_reading_it_panic() {
        bodies::try_texts("config", super::config);
    }

    #[test]
    fn no_definitions_file_makes_reading_it_panic() {
        bodies::try_texts("definitions", super::definitions);
    }
}
