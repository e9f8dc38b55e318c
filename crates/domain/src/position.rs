//! Where an event stands in the order of the whole store.
//!
//! SQL and this file must agree: every text column is compared with `COLLATE "C"`, which is what `Ord` on UTF-8 text
//! does, and `position` is compared as an exact decimal. The derived `Ord` of [`EventKey`] follows the order of its
//! fields, so that order is part of the contract with `store`.

use std::{fmt, str::FromStr};

use rust_decimal::{Decimal, prelude::ToPrimitive as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{AggregateId, AggregateType, EventType, InstanceId};

/// A position: an exact decimal, in ZITADEL the seconds since the epoch with six decimals.
///
/// In JSON it is a string, so that no reader makes a float of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(Decimal);

/// The text is no decimal of at most 28 digits.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is no position: a decimal number of at most 28 digits is needed")]
pub struct PositionError {
    text: String,
}

impl Position {
    /// Before every event: positions are not negative.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// A position of a whole number, as sequences and rowids are.
    #[must_use]
    pub fn from_integer(number: i64) -> Self {
        Self(number.into())
    }

    /// The position that ZITADEL's clock stamps at this time: seconds since the epoch with six decimals.
    #[must_use]
    pub fn from_micros(micros_since_epoch: i64) -> Self {
        Self(Decimal::new(micros_since_epoch, 6))
    }

    /// Exactly `mantissa` / 10^`scale`, with as many decimals; refused where a position cannot hold that.
    pub fn from_parts(mantissa: i128, scale: u32) -> Result<Self, PositionError> {
        let decimal = Decimal::try_from_i128_with_scale(mantissa, scale);
        decimal.map(Self).map_err(|_| PositionError { text: format!("{mantissa}e-{scale}") })
    }

    /// The position at this share of the way to another, in thousandths, with as many decimals as the two have.
    #[must_use]
    pub fn part_of_the_way(self, to: Self, thousandths: u32) -> Self {
        let way = to.0.checked_sub(self.0).unwrap_or_default();
        let scale = self.0.scale().max(to.0.scale());
        let part = way.checked_mul(Decimal::new(thousandths.min(1000).into(), 3)).unwrap_or(way);
        Self(self.0.checked_add(part.round_dp(scale)).unwrap_or(to.0))
    }

    /// How much of the way from one position to another lies before this one, in thousandths: 0 at its beginning or before it, 1000
    /// at its end or behind it.
    #[must_use]
    pub fn share_of_the_way(self, from: Self, to: Self) -> u32 {
        if self >= to {
            return 1000;
        }
        let thousandth = to.0.checked_sub(from.0).unwrap_or_default() / Decimal::ONE_THOUSAND;
        let gone = self.0.checked_sub(from.0).unwrap_or_default().max(Decimal::ZERO);
        gone.checked_div(thousandth).and_then(|share| share.to_u32()).unwrap_or_default().min(1000)
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-');
        let decimal = if plain { Decimal::from_str_exact(text).ok() } else { None };
        decimal.map(Self).ok_or_else(|| PositionError { text: text.to_owned() })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The full key of an event: the order in which everything is read, delivered and settled.
///
/// A cursor is a key too: everything up to and including it is settled.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// Shared by the events of one transaction.
    pub position: Position,
    /// Tells apart the events of one transaction, from 1; 0 where a store has no such column.
    pub in_tx_order: i64,
    /// Empty where a store has no instances.
    pub instance_id: InstanceId,
    /// With `aggregate_id`, the ordering key of mode `aggregate`.
    pub aggregate_type: AggregateType,
    /// See `aggregate_type`.
    pub aggregate_id: AggregateId,
    /// The event's number within its aggregate, from 1.
    pub sequence: i64,
}

impl EventKey {
    /// Just before the first event at `position`: as a cursor, that event comes next.
    #[must_use]
    pub fn before(position: Position) -> Self {
        Self::edge(position, i64::MIN)
    }

    /// Just after the last event at `position`: as a cursor, everything at `position` is settled.
    ///
    /// The edge is the highest `in_tx_order` an `INTEGER` column can hold.
    #[must_use]
    pub fn after(position: Position) -> Self {
        Self::edge(position, i64::from(i32::MAX))
    }

    /// Whether this is a place between events ([`Self::before`], [`Self::after`]) and not an event's own key.
    #[must_use]
    pub fn is_edge(&self) -> bool {
        self.aggregate_type.as_str().is_empty() && self.aggregate_id.as_str().is_empty() && self.sequence == 0
    }

    fn edge(position: Position, in_tx_order: i64) -> Self {
        Self {
            position,
            in_tx_order,
            instance_id: "".into(),
            aggregate_type: "".into(),
            aggregate_id: "".into(),
            sequence: 0,
        }
    }
}

/// A list of its six parts, in their order: short, since it is stored for many events.
impl Serialize for EventKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.position, self.in_tx_order, &self.instance_id, &self.aggregate_type, &self.aggregate_id, self.sequence)
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EventKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (position, in_tx_order, instance_id, aggregate_type, aggregate_id, sequence) =
            Deserialize::deserialize(deserializer)?;
        Ok(Self { position, in_tx_order, instance_id, aggregate_type, aggregate_id, sequence })
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.in_tx_order {
            _ if !self.is_edge() => write!(
                f,
                "{}/{} {} {}#{}",
                self.position, self.in_tx_order, self.aggregate_type, self.aggregate_id, self.sequence
            ),
            i64::MIN => write!(f, "before {}", self.position),
            _ => write!(f, "after {}", self.position),
        }
    }
}

/// An event in one line, for logs and errors: where it stands and what it is, never what it carries.
pub(crate) fn describe(key: &EventKey, event_type: Option<&EventType>) -> String {
    event_type.map_or_else(|| key.to_string(), |event_type| format!("{event_type} at {key}"))
}

#[cfg(test)]
mod tests;
