//! Where tracing goes: standard error, as text for people or JSON for machines.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt};

use crate::{config::LogFormat, output::colour_wanted};

/// The daemon's log.
pub fn daemon(level: &str, format: LogFormat) {
    // The driver repeats what the server says, such as that a table is there already. Who wants it can ask for it.
    let filter = EnvFilter::try_new(format!("sqlx=warn,{level}")).unwrap_or_else(|_| EnvFilter::new("info"));
    let base = fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => base.with_ansi(colour_wanted(io::stderr().is_terminal())).init(),
        LogFormat::Json => base.json().flatten_event(true).init(),
    }
}

/// For commands that answer a question: warnings only, and in few words.
pub fn quiet() {
    fmt()
        .with_env_filter(EnvFilter::new("warn"))
        .with_writer(io::stderr)
        .with_ansi(colour_wanted(io::stderr().is_terminal()))
        .without_time()
        .with_target(false)
        .init();
}
