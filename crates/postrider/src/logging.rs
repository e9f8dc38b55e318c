//! Where tracing goes: standard error, as text for people or JSON for machines.

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    EnvFilter,
    fmt::{
        self, SubscriberBuilder,
        format::{DefaultFields, Format, Full},
    },
};

use crate::{config::LogFormat, output::colour_wanted};

type Base = SubscriberBuilder<DefaultFields, Format<Full>, EnvFilter, fn() -> io::Stderr>;

/// The daemon's log.
pub fn daemon(level: &str, format: LogFormat) {
    // The driver repeats what the server says, such as that a table is there already. Who wants it can ask for it.
    let filter = EnvFilter::try_new(format!("sqlx=warn,{level}")).unwrap_or_else(|_| EnvFilter::new("info"));
    let base: Base = fmt::fmt().with_env_filter(filter).with_writer(io::stderr);
    let terminal = io::stderr().is_terminal();
    match format {
        LogFormat::Auto if !terminal => json(base),
        LogFormat::Auto | LogFormat::Text => base.with_ansi(colour_wanted(terminal)).init(),
        LogFormat::Json => json(base),
    }
}

/// Without the module that a line comes from: it would be a second `target` beside the name of one.
fn json(base: Base) {
    base.with_target(false).json().flatten_event(true).init();
}

/// For commands that answer a question: warnings only, and in few words.
pub fn quiet() {
    fmt::fmt()
        .with_env_filter(EnvFilter::new("warn"))
        .with_writer(io::stderr)
        .with_ansi(colour_wanted(io::stderr().is_terminal()))
        .without_time()
        .with_target(false)
        .init();
}
