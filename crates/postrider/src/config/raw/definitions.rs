//! `[definitions]`, `[[target]]` and `[[execution]]`: who is called for which events.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use domain::{Ordering, PayloadEncoding, PayloadMode, PayloadType, TargetKind};
use serde::Deserialize;

use crate::config::{
    secret::RawSecret,
    words::{RawExecutionTarget, RawSize, RawStart},
};

#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawDefinitions {
    pub file: Option<PathBuf>,
}

#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTarget {
    pub name: String,
    #[serde(default, rename = "type")]
    pub kind: TargetKind,
    pub endpoint: String,
    #[serde(default, with = "humantime_serde")]
    pub timeout: Option<Duration>,
    #[serde(default)]
    pub interrupt_on_error: bool,
    #[serde(default)]
    pub signing_key: Option<RawSecret>,
    #[serde(default)]
    pub signing_keys: Vec<RawSecret>,
    #[serde(default)]
    pub ordering: Ordering,
    #[serde(default)]
    pub max_in_flight: Option<u32>,
    #[serde(default)]
    pub rate_limit: Option<String>,
    #[serde(default)]
    pub rate_burst: Option<u32>,
    #[serde(default)]
    pub max_request: Option<RawSize>,
    #[serde(default)]
    pub max_answer: Option<RawSize>,
    #[serde(default)]
    pub start: RawStart,
    #[serde(default)]
    pub headers: BTreeMap<String, RawSecret>,
    #[serde(default)]
    pub exclude: Vec<String>,
    #[serde(default)]
    pub payload: PayloadMode,
    #[serde(default)]
    pub payload_encoding: PayloadEncoding,
    #[serde(default)]
    pub payload_type: PayloadType,
    /// The one instance it belongs to.
    #[serde(default)]
    pub instance: Option<String>,
}

#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawExecution {
    pub condition: RawCondition,
    #[serde(default)]
    pub targets: Vec<RawExecutionTarget>,
    #[serde(default)]
    pub instance: Option<String>,
    #[serde(default)]
    pub exclude: Vec<String>,
}

/// Of these exactly one is meant; `validate` says so.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawCondition {
    pub event: Option<String>,
    pub group: Option<String>,
    pub all: Option<bool>,
    /// ZITADEL knows these; events never match them.
    pub request: Option<serde::de::IgnoredAny>,
    /// See `request`.
    pub response: Option<serde::de::IgnoredAny>,
    /// See `request`.
    pub function: Option<serde::de::IgnoredAny>,
}
