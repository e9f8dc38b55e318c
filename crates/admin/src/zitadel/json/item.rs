//! One value, and where it stands.

use domain::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Enumeration, Message, bytes, duration};
use crate::zitadel::errors::ApiError;

/// A value that is there: a field's, or an entry of a list.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    value: &'a Value,
    place: String,
}

impl<'a> Item<'a> {
    pub(super) fn new(value: &'a Value, place: String) -> Self {
        Self { value, place }
    }

    /// Whether it is a text, where a text and a message are both possible.
    pub(crate) fn is_text(&self) -> bool {
        self.value.is_string()
    }

    /// As a text.
    pub(crate) fn text(&self) -> Result<&'a str, ApiError> {
        self.value.as_str().ok_or_else(|| self.refused("a string is needed"))
    }

    /// As a message.
    pub(crate) fn message(self) -> Result<Message<'a>, ApiError> {
        match self.value {
            Value::Object(fields) => Ok(Message::new(fields, self.place)),
            _ => Err(self.refused("an object is needed")),
        }
    }

    /// What is wrong with it.
    pub(crate) fn refused(&self, reason: &str) -> ApiError {
        match self.place.as_str() {
            "" => ApiError::invalid(format!("the body: {reason}")),
            place => ApiError::invalid(format!("{place}: {reason}")),
        }
    }

    pub(super) fn flag(&self) -> Result<bool, ApiError> {
        self.value.as_bool().ok_or_else(|| self.refused("true or false is needed"))
    }

    /// Proto's numbers of 64 bits are strings in JSON; both are read, for the smaller ones too.
    pub(super) fn count(&self) -> Result<u64, ApiError> {
        let number = match self.value {
            Value::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(whole)),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| self.refused("a whole number, not negative, is needed"))
    }

    pub(super) fn duration(&self) -> Result<SignedDuration, ApiError> {
        let parsed = self.value.as_str().and_then(duration::parse);
        parsed.ok_or_else(|| self.refused("a duration in seconds is needed, such as \"10s\" or \"0.5s\""))
    }

    pub(super) fn time(&self) -> Result<Timestamp, ApiError> {
        let parsed = self.value.as_str().and_then(|text| text.parse().ok());
        parsed.ok_or_else(|| self.refused("a time with its offset is needed, such as \"2025-03-27T10:00:00Z\""))
    }

    pub(super) fn bytes(&self) -> Result<Vec<u8>, ApiError> {
        let decoded = self.value.as_str().and_then(bytes::decode);
        decoded.ok_or_else(|| self.refused("base64 is needed"))
    }

    pub(super) fn choice<E: Enumeration>(&self) -> Result<E, ApiError> {
        self.known_choice()?.ok_or_else(|| {
            let names: Vec<_> = E::VALUES.iter().map(|(name, ..)| *name).collect();
            self.refused(&format!("one of {} is needed", names.join(", ")))
        })
    }

    pub(super) fn known_choice<E: Enumeration>(&self) -> Result<Option<E>, ApiError> {
        let found = match self.value {
            Value::String(given) => E::VALUES.iter().find(|(name, ..)| name == given),
            Value::Number(given) => E::VALUES.iter().find(|(_, number, _)| given.as_i64() == Some(*number)),
            _ => return Err(self.refused("the name of a value, or its number, is needed")),
        };
        Ok(found.map(|(.., value)| *value))
    }

    pub(super) fn list(&self) -> Result<Vec<Self>, ApiError> {
        let Value::Array(values) = self.value else { return Err(self.refused("a list is needed")) };
        (values.iter().enumerate())
            .map(|(at, value)| {
                let item = Self::new(value, format!("{}[{at}]", self.place));
                if value.is_null() { Err(item.refused("null is no entry of a list")) } else { Ok(item) }
            })
            .collect()
    }
}

/// `1e2` and `100.0` are whole numbers too; those that a double cannot tell from their neighbours are not.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and within the bounds")]
fn whole(number: f64) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_991.0;
    (number.fract() == 0.0 && (0.0..=EXACT).contains(&number)).then_some(number as u64)
}
