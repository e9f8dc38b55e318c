//! Messages in proto3's JSON, read: fields by either spelling (`lowerCamelCase` and `snake_case`), what is unknown passed over,
//! `null` as if it were not there.
//!
//! The cast: [`Message`] is an object and knows where it stands in the whole, so that an error names the field; [`Item`] is one
//! entry of a list; [`print`] is the other way round.
//!
//! Deliberately absent: descriptors. Each message of the API is read by hand, field by field, in `messages`.

pub(crate) mod bytes;
mod duration;
mod enumeration;
mod item;
mod message;
pub(crate) mod print;

pub(crate) use enumeration::Enumeration;
pub(crate) use item::Item;
pub(crate) use message::{Message, put};

#[cfg(test)]
mod tests;
