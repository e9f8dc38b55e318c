//! What commands print: tables for people, JSON for programs. Results go to standard output, remarks to standard error.

mod table;

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use serde::Serialize;

pub use operate::words::{age, entry, number, place, time, writer};
pub use table::{Table, Tone};

/// For whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Format {
    // Aligned columns for people. No doc comments here: they would make every help twice as long.
    #[default]
    Table,
    // JSON with stable field names.
    Json,
}

impl Format {
    /// One result in the way that was asked for.
    pub fn print<T: Serialize>(self, value: &T, table: impl FnOnce() -> Table) -> anyhow::Result<()> {
        match self {
            Self::Table => say(&table().render(colour_wanted(io::stdout().is_terminal()))),
            Self::Json => say(&format!("{}\n", serde_json::to_string_pretty(value)?)),
        }
    }

    /// A sentence that is the whole answer; as JSON, `value`.
    pub fn tell<T: Serialize>(self, value: &T, sentence: &str) -> anyhow::Result<()> {
        match self {
            Self::Table => say(&format!("{sentence}\n")),
            Self::Json => say(&format!("{}\n", serde_json::to_string_pretty(value)?)),
        }
    }
}

/// Text to standard output; a closed pipe is an error that ends the command quietly.
pub fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Whether to colour, given whether a terminal reads it (<https://no-color.org>).
pub fn colour_wanted(terminal: bool) -> bool {
    terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Text from elsewhere on one line, without anything that a terminal would obey.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
