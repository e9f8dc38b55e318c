//! How an act is asked for, and what is said of it.

use serde_json::Value;
use store::By;

use crate::Caller;

/// How an act is made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct How {
    /// Why, for the audit.
    pub reason: Option<String>,
    /// Only say what would come of it, and change nothing.
    pub dry_run: bool,
}

impl How {
    /// In the name of somebody.
    #[must_use]
    pub fn by<'a>(&'a self, caller: &'a Caller) -> By<'a> {
        caller.by().because(self.reason.as_deref()).rehearsed(self.dry_run)
    }
}

/// What came of an act, for programs and in a sentence.
#[derive(Clone, PartialEq, Debug)]
pub struct Told {
    /// Its names are a promise to scripts.
    pub answer: Value,
    /// For people.
    pub sentence: String,
    /// Nothing was changed.
    pub dry_run: bool,
}

/// `1 event`, `2 events`.
#[must_use]
pub fn count_of_events(count: u64) -> String {
    crate::words::number(count, "event")
}
