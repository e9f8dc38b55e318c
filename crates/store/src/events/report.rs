//! What a store says about itself.

use std::fmt;

use domain::{Position, Writer};

/// Where the head is and who may still write below it: what `domain::Horizon` decides on.
#[derive(Clone, Debug)]
pub struct Probe {
    /// `H` of the horizon: read before the writers were listed.
    pub head: Position,
    /// Every transaction that may still add events.
    pub writers: Vec<Writer>,
    /// Which server answered, where it can be told.
    pub identity: Option<Identity>,
}

/// Which server this is, and on which timeline: a change is a failover or a restore.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Identity {
    /// Made by `initdb`, the same on all copies.
    pub system_identifier: String,
    /// Raised by every promotion.
    pub timeline: i64,
}

/// Whether those who add events say so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notifies {
    /// There is no trigger.
    Never,
    /// Some do: events can come in another way, as through a partition that is new.
    Sometimes,
    /// However they are added.
    Always,
}

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// It works; it could be better.
    Warning,
    /// It does not work, or it loses events.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One line of `postrider check`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was looked at, in a word or two.
    pub subject: String,
    /// What was found, and what would help.
    pub text: String,
}

impl Finding {
    /// As it should be.
    pub(crate) fn ok(subject: &str, text: impl Into<String>) -> Self {
        Self { severity: Severity::Ok, subject: subject.to_owned(), text: text.into() }
    }

    /// It works; it could be better.
    pub(crate) fn warning(subject: &str, text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, subject: subject.to_owned(), text: text.into() }
    }

    /// It does not work, or it loses events.
    pub(crate) fn error(subject: &str, text: impl Into<String>) -> Self {
        Self { severity: Severity::Error, subject: subject.to_owned(), text: text.into() }
    }
}
