//! Which events an execution is for, and which are kept out.
//!
//! ZITADEL's API has conditions that are no events: its own requests, responses and functions. They are kept as they were set
//! ([`ApiCondition`]), so that its clients find again what they wrote; no event ever matches one.
//!
//! Matching is by dot-separated segment: the group `user` is for `user.human.added`, not for `username.added`, and not
//! for an event type that is exactly `user`. The texts are ZITADEL's execution ids: `event/user.human.added`,
//! `event/user.human.*`, `event`. Comparison is byte for byte, as in SQL.

mod api;

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::EventType;

pub use api::{ApiCondition, ApiScope};

const KIND: &str = "event";
const BELOW: &str = ".*";

/// Which events an execution is for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Condition {
    /// One event type.
    Event(EventType),
    /// Everything below a group, which is named without the `.*`.
    Group(Arc<str>),
    /// Every event.
    All,
    /// No event: a request, response or function of ZITADEL's own.
    Api(ApiCondition),
}

/// Event types to keep out: `user.human.password.*` (everything below), one event type, or `*`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypePattern(Condition);

/// Why a text is no condition or pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// It begins with none of the kinds there are.
    #[error(
        "{0:?} is no condition; one such as event/user.human.added, event/user.human.*, or event for all of them is needed"
    )]
    NoCondition(String),
    /// ZITADEL has these; an event store does not.
    #[error("{0:?} is a condition of ZITADEL's API, not of its events; only those that begin with event are delivered")]
    OtherKind(String),
    /// No segments, an empty one, or characters that no event type has.
    #[error(
        "{0:?} is no event type or group; segments with dots between them are needed, such as user.human.added or user.human.*"
    )]
    NoType(String),
}

impl Condition {
    /// The condition for one event type.
    pub fn event(event_type: &str) -> Result<Self, ConditionError> {
        if segments_are_sound(event_type) {
            Ok(Self::Event(event_type.into()))
        } else {
            Err(ConditionError::NoType(event_type.to_owned()))
        }
    }

    /// The condition for everything below a group, with or without the `.*`, as ZITADEL takes it.
    pub fn group(group: &str) -> Result<Self, ConditionError> {
        let name = group.strip_suffix(BELOW).unwrap_or(group);
        if segments_are_sound(name) {
            Ok(Self::Group(name.into()))
        } else {
            Err(ConditionError::NoType(group.to_owned()))
        }
    }

    /// Whether the condition is for events of this type.
    #[must_use]
    pub fn matches(&self, event_type: &EventType) -> bool {
        match self {
            Self::Event(one) => one == event_type,
            Self::Group(group) => is_below(event_type.as_str(), group),
            Self::All => true,
            Self::Api(_) => false,
        }
    }

    /// Whether it is for events at all.
    #[must_use]
    pub fn is_for_events(&self) -> bool {
        !matches!(self, Self::Api(_))
    }

    /// From its text, if it is for events: whoever writes another one by hand most likely expects calls that never come.
    pub fn for_events(text: &str) -> Result<Self, ConditionError> {
        match text.parse()? {
            Self::Api(_) => Err(ConditionError::OtherKind(text.to_owned())),
            condition => Ok(condition),
        }
    }

    /// Whether one may include the other: both are for events, or both for the same kind of call.
    #[must_use]
    pub fn is_of_the_kind_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Api(one), Self::Api(other)) => one.kind() == other.kind(),
            _ => self.is_for_events() && other.is_for_events(),
        }
    }

    /// Whether every event type that `other` is for is one this is for.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Api(_), _) | (_, Self::Api(_)) => false,
            (Self::All, _) => true,
            (_, Self::Event(event_type)) => self.matches(event_type),
            (Self::Group(wide), Self::Group(narrow)) => wide == narrow || is_below(narrow, wide),
            (Self::Event(_) | Self::Group(_), _) => false,
        }
    }

    /// The text without its kind: `user.human.added`, `user.human.*`, `*`.
    fn from_pattern(text: &str) -> Result<Self, ConditionError> {
        if text == "*" {
            Ok(Self::All)
        } else if text.ends_with(BELOW) {
            Self::group(text)
        } else {
            Self::event(text)
        }
    }
}

fn is_below(name: &str, group: &str) -> bool {
    name.strip_prefix(group).is_some_and(|rest| rest.starts_with('.'))
}

fn segments_are_sound(text: &str) -> bool {
    text.split('.').all(|segment| !segment.is_empty())
        && !text.contains(|c: char| c == '*' || c.is_control() || c.is_whitespace())
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        match text.split_once('/') {
            None if text == KIND => Ok(Self::All),
            // `event/*` is refused: ZITADEL writes `event`, and one thing has one name.
            Some((KIND, "*")) => Err(ConditionError::NoCondition(text.to_owned())),
            Some((KIND, pattern)) => Self::from_pattern(pattern),
            _ => ApiCondition::from_id(text).map(Self::Api).ok_or_else(|| ConditionError::NoCondition(text.to_owned())),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event_type) => f.pad(&format!("{KIND}/{}", event_type.as_str())),
            Self::Group(group) => f.pad(&format!("{KIND}/{group}{BELOW}")),
            Self::All => f.pad(KIND),
            Self::Api(api) => f.pad(&api.to_string()),
        }
    }
}

impl TypePattern {
    /// Whether events of this type are kept out.
    #[must_use]
    pub fn matches(&self, event_type: &EventType) -> bool {
        self.0.matches(event_type)
    }

    /// Whether nothing of what `condition` is for is left.
    pub(crate) fn covers(&self, condition: &Condition) -> bool {
        self.0.covers(condition)
    }
}

impl FromStr for TypePattern {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        Condition::from_pattern(text).map(Self)
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Condition::Event(event_type) => f.pad(event_type.as_str()),
            Condition::Group(group) => f.pad(&format!("{group}{BELOW}")),
            Condition::All => f.pad("*"),
            Condition::Api(_) => unreachable!("a pattern is made of event types"),
        }
    }
}

impl fmt::Debug for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

macro_rules! serialize_as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

serialize_as_text!(Condition);
serialize_as_text!(TypePattern);

#[cfg(test)]
mod tests;
