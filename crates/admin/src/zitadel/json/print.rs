//! Messages in proto3's JSON, written: what a field holds, for `#[serde(serialize_with = …)]` or as a field's type.
//!
//! What has its default value is left out, as ZITADEL's gateway and Connect both leave it out; a member of a `oneof` is not.

use std::time::Duration;

use domain::Timestamp;
use serde::{Serialize, Serializer};

use super::{bytes, duration};

/// A number of 64 bits: a string.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Long(pub(crate) u64);

impl Long {
    /// Whether it is left out.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    pub(crate) fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl Serialize for Long {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A point in time: RFC 3339 in UTC, with as many digits behind the point as it needs, in threes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Stamp(pub(crate) Timestamp);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = duration::digits(self.0.subsec_nanosecond().unsigned_abs());
        serializer.collect_str(&format_args!("{:.digits$}", self.0))
    }
}

/// A span of time: seconds with an `s` behind them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Span(pub(crate) Duration);

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&duration::print(self.0))
    }
}

/// Bytes: base64.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&bytes::encode(&self.0))
    }
}

/// Whether a flag is left out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
pub(crate) fn is_false(flag: &bool) -> bool {
    !flag
}
