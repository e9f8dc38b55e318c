//! How a command that cannot do what it was asked for ends.

use std::{io, process::ExitCode};

use operate::OperateError;

use crate::config::ConfigError;

/// Done, and the answer is no: a signature that is not right, a check with an error.
pub const FAILED: u8 = 1;
/// Wrong usage or configuration.
pub const USAGE: u8 = 2;

/// The operator asked for something that cannot be: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Shorthand for an [`anyhow::Error`] of [`Usage`].
pub fn usage(text: impl Into<String>) -> anyhow::Error {
    Usage(text.into()).into()
}

/// Says what went wrong, with its causes, and how the process ends.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        // Whoever read our output has seen enough.
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {error:#}");
    let wrong = error.downcast_ref::<Usage>().is_some()
        || error.downcast_ref::<ConfigError>().is_some()
        || error.downcast_ref::<OperateError>().is_some_and(OperateError::is_usage);
    ExitCode::from(if wrong { USAGE } else { FAILED })
}
