//! A target as it is shown to a caller.

use domain::{PayloadType, Role, Target, TargetKind, Timestamp};
use serde::Serialize;
use store::Dates;

use crate::zitadel::{
    Version,
    json::print::{Span, Stamp, is_false},
};

/// What of a target a caller may see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sight {
    /// All of it.
    Whole,
    /// Not its signing key, and not its endpoint's query, which may hold a token.
    WithoutSecrets,
}

impl Sight {
    /// Of somebody with this role.
    pub(crate) fn of(role: Role) -> Self {
        if role >= Role::Admin { Self::Whole } else { Self::WithoutSecrets }
    }
}

/// A target in ZITADEL's words. What is empty is left out, as in all of proto's JSON.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShownTarget {
    /// What it is known by.
    pub(crate) id: String,
    /// When it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) creation_date: Option<Stamp>,
    /// When it was changed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) change_date: Option<Stamp>,
    /// What people call it.
    pub(crate) name: String,
    /// How its answer is used.
    #[serde(flatten)]
    pub(crate) kind: ShownKind,
    /// How long a call may take.
    pub(crate) timeout: Span,
    /// What is called, as far as the caller may see it.
    pub(crate) endpoint: String,
    /// The newest of its keys, if the caller may see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_key: Option<String>,
    /// How the body is wrapped; `v2beta` knows nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_type: Option<&'static str>,
}

/// How a target's answer is used: proto's `oneof`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub(crate) enum ShownKind {
    /// Its status.
    #[serde(rename = "restWebhook")]
    Webhook(Interrupts),
    /// Its status and its body.
    #[serde(rename = "restCall")]
    Call(Interrupts),
    /// Not at all.
    #[serde(rename = "restAsync")]
    Async {},
}

/// Whether an error stops the execution.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Interrupts {
    #[serde(skip_serializing_if = "is_false")]
    interrupt_on_error: bool,
}

impl ShownKind {
    fn of(target: &Target) -> Self {
        let interrupts = Interrupts { interrupt_on_error: target.interrupt_on_error };
        match target.kind {
            TargetKind::Webhook => Self::Webhook(interrupts),
            TargetKind::Call => Self::Call(interrupts),
            TargetKind::Async => Self::Async {},
        }
    }

    /// As ZITADEL counts them.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Webhook(_) => 0,
            Self::Call(_) => 1,
            Self::Async {} => 2,
        }
    }

    /// Whether an error stops the execution.
    pub(crate) fn interrupts(self) -> bool {
        match self {
            Self::Webhook(interrupts) | Self::Call(interrupts) => interrupts.interrupt_on_error,
            Self::Async {} => false,
        }
    }
}

impl ShownTarget {
    /// As somebody sees it at this time.
    pub(crate) fn of(target: &Target, dates: Option<&Dates>, version: Version, sight: Sight, now: Timestamp) -> Self {
        let newest = target.keys_in_force(now).last();
        Self {
            id: target.id.to_string(),
            creation_date: dates.map(|dates| Stamp(dates.created_at)),
            change_date: dates.map(|dates| Stamp(dates.changed_at)),
            name: target.name.to_string(),
            kind: ShownKind::of(target),
            timeout: Span(target.timeout),
            endpoint: match sight {
                Sight::Whole => target.endpoint.as_str().to_owned(),
                Sight::WithoutSecrets => target.endpoint.without_query(),
            },
            signing_key: newest.filter(|_| sight == Sight::Whole).map(|key| key.expose().to_owned()),
            payload_type: (version == Version::V2).then_some(match target.payload_type {
                PayloadType::Json => "PAYLOAD_TYPE_JSON",
                PayloadType::Jwt => "PAYLOAD_TYPE_JWT",
                PayloadType::Jwe => "PAYLOAD_TYPE_JWE",
            }),
        }
    }
}
