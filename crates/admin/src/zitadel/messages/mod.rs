//! The messages of the action service, read from JSON and written to it, and what they mean in our own words.
//!
//! Each is checked when it is read, by the rules that ZITADEL's protos have for it; what needs to know what is defined is checked by
//! whoever carries the call out.

pub(crate) mod condition;
pub(crate) mod execution;
pub(crate) mod keys;
pub(crate) mod search;
pub(crate) mod target;

use super::{errors::ApiError, json::Message};

/// How long an id may be.
const LONGEST_ID: usize = 200;

/// A text that must be there, of at least one and at most so many characters.
fn required<'a>(message: &Message<'a>, name: &str, longest: usize) -> Result<&'a str, ApiError> {
    bounded(message, name, longest)?.ok_or_else(|| message.refused(name, "it is needed"))
}

/// A text that, if it is there, has at least one and at most so many characters.
fn bounded<'a>(message: &Message<'a>, name: &str, longest: usize) -> Result<Option<&'a str>, ApiError> {
    let Some(text) = message.text(name)? else { return Ok(None) };
    match text.chars().count() {
        0 => Err(message.refused(name, "it must not be empty")),
        length if length > longest => Err(message.refused(name, &format!("at most {longest} characters are possible"))),
        _ => Ok(Some(text)),
    }
}
