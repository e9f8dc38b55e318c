//! Values that may be written in more than one way.

use std::{fmt, marker::PhantomData};

use domain::{Position, Start};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::raw::RawCondition;

/// `now`, `beginning`, a position or a time; a whole number may stand without quotes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct RawStart(pub Start);

impl<'de> Deserialize<'de> for RawStart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl Visitor<'_> for Words {
            type Value = RawStart;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "\"now\", \"beginning\", a position in quotes, or a time in quotes (\"2025-03-27T10:00:00Z\")",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawStart, E> {
                text.parse().map(RawStart).map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RawStart, E> {
                Ok(RawStart(Start::At(Position::from_integer(number))))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<RawStart, E> {
                number.to_string().parse().map(|position| RawStart(Start::At(position))).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Words)
    }
}

/// Bytes: a number, or a text with a unit (`256KiB`, `1MB`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RawSize(pub u64);

impl<'de> Deserialize<'de> for RawSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl Visitor<'_> for Words {
            type Value = RawSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes, or a size in quotes (\"256KiB\")")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawSize, E> {
                let size = text.parse::<bytesize::ByteSize>();
                size.map(|size| RawSize(size.as_u64())).map_err(|_| {
                    E::custom(format!("{text:?} is no size; a number of bytes or one such as \"256KiB\" is needed"))
                })
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RawSize, E> {
                u64::try_from(number).map(RawSize).map_err(|_| E::custom("a size cannot be negative"))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<RawSize, E> {
                Ok(RawSize(number))
            }
        }
        deserializer.deserialize_any(Words)
    }
}

/// One entry of an execution's list: a name, or `{ include = { … } }`.
#[derive(Clone, PartialEq)]
pub enum RawExecutionTarget {
    Name(String),
    Include(RawCondition),
}

impl<'de> Deserialize<'de> for RawExecutionTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Include {
            include: RawCondition,
        }
        deserializer.deserialize_any(StringOr::<Include, Self> {
            expecting: "a target's name, or { include = { group = \"…\" } }",
            text: |name| Self::Name(name.to_owned()),
            table: |include| Ok(Self::Include(include.include)),
            marker: PhantomData,
        })
    }
}

/// Reads a string in one way and a table in another, and says what would be right otherwise.
pub struct StringOr<T, V> {
    pub expecting: &'static str,
    pub text: fn(&str) -> V,
    pub table: fn(T) -> Result<V, &'static str>,
    pub marker: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>, V> Visitor<'de> for StringOr<T, V> {
    type Value = V;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<V, E> {
        Ok((self.text)(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V, A::Error> {
        (self.table)(T::deserialize(MapAccessDeserializer::new(map))?).map_err(A::Error::custom)
    }
}
