//! One object, and where it stands.

use domain::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::{Enumeration, Item};
use crate::zitadel::errors::ApiError;

/// An object whose fields are asked for by their name in `lowerCamelCase`. One that is not there, or `null`, is `None`; one of the
/// wrong kind, or that is there in both spellings, is an error.
#[derive(Clone, Debug)]
pub(crate) struct Message<'a> {
    fields: &'a Map<String, Value>,
    place: String,
}

impl<'a> Message<'a> {
    /// The object at the top.
    pub(crate) fn root(value: &'a Value) -> Result<Self, ApiError> {
        Item::new(value, String::new()).message()
    }

    pub(super) fn new(fields: &'a Map<String, Value>, place: String) -> Self {
        Self { fields, place }
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, ApiError> {
        self.item(name)?.map(|item| item.text()).transpose()
    }

    /// A yes or no.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.item(name)?.map(|item| item.flag()).transpose()
    }

    /// A whole number that is not negative.
    pub(crate) fn count(&self, name: &str) -> Result<Option<u64>, ApiError> {
        self.item(name)?.map(|item| item.count()).transpose()
    }

    /// A span of time.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<SignedDuration>, ApiError> {
        self.item(name)?.map(|item| item.duration()).transpose()
    }

    /// A point in time.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        self.item(name)?.map(|item| item.time()).transpose()
    }

    /// Bytes.
    pub(crate) fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, ApiError> {
        self.item(name)?.map(|item| item.bytes()).transpose()
    }

    /// One of the values of an enum; one that we do not know is an error.
    pub(crate) fn choice<E: Enumeration>(&self, name: &str) -> Result<Option<E>, ApiError> {
        self.item(name)?.map(|item| item.choice()).transpose()
    }

    /// One of the values of an enum; one that we do not know is as if it were not there.
    pub(crate) fn known_choice<E: Enumeration>(&self, name: &str) -> Result<Option<E>, ApiError> {
        Ok(self.item(name)?.map(|item| item.known_choice()).transpose()?.flatten())
    }

    /// A message in this one.
    pub(crate) fn message(&self, name: &str) -> Result<Option<Self>, ApiError> {
        self.item(name)?.map(Item::message).transpose()
    }

    /// A list; one that is not there is empty.
    pub(crate) fn list(&self, name: &str) -> Result<Vec<Item<'a>>, ApiError> {
        let Some(item) = self.item(name)? else { return Ok(Vec::new()) };
        item.list()
    }

    /// The one of these fields that is there: proto's `oneof`. Two of them are an error.
    pub(crate) fn one_of(&self, names: &[&'static str]) -> Result<Option<&'static str>, ApiError> {
        let mut found = None;
        for name in names {
            if self.item(name)?.is_some()
                && let Some(first) = found.replace(*name)
            {
                return Err(self.refused(first, &format!("{name} is there too, and only one of the two may be")));
            }
        }
        Ok(found)
    }

    /// What is wrong with a field: `timeout: at most 270s is possible`.
    pub(crate) fn refused(&self, name: &str, reason: &str) -> ApiError {
        ApiError::invalid(format!("{}: {reason}", self.place_of(name)))
    }

    /// What is wrong with the message itself.
    pub(crate) fn refused_whole(&self, reason: &str) -> ApiError {
        match self.place.as_str() {
            "" => ApiError::invalid(reason),
            place => ApiError::invalid(format!("{place}: {reason}")),
        }
    }

    fn item(&self, name: &str) -> Result<Option<Item<'a>>, ApiError> {
        let there = |spelling: &str| self.fields.get(spelling).filter(|value| !value.is_null());
        let snake = snake(name);
        let value = match (there(name), there(&snake)) {
            (Some(_), Some(_)) if name != snake => {
                return Err(self.refused(name, "it is there in both spellings, and only one may be"));
            }
            (one, other) => one.or(other),
        };
        Ok(value.map(|value| Item::new(value, self.place_of(name))))
    }

    fn place_of(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }
}

/// Puts a field into a message, in place of either spelling.
pub(crate) fn put(fields: &mut Map<String, Value>, name: &str, value: Value) {
    fields.remove(&snake(name));
    fields.insert(name.to_owned(), value);
}

/// `interruptOnError` as proto writes it: `interrupt_on_error`.
fn snake(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 4);
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
