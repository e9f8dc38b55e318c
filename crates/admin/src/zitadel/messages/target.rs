//! Targets: how one shall be, and how one is shown.

mod shown;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domain::{Endpoint, PayloadType, SignedDuration, Target, TargetId, TargetKind, TargetName};

use super::{LONGEST_ID, bounded, required};
use crate::zitadel::{
    errors::ApiError,
    json::{Enumeration, Message},
};

pub(crate) use shown::{ShownTarget, Sight};

const LONGEST_NAME: usize = 1000;
const LONGEST_ENDPOINT: usize = 2048;
const LONGEST_TIMEOUT: Duration = Duration::from_secs(270);
/// The state keeps microseconds, and no endpoint answers in one.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);
const KINDS: [&str; 3] = ["restWebhook", "restCall", "restAsync"];

/// A target as `CreateTarget` wants it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CreateTarget {
    name: TargetName,
    endpoint: Endpoint,
    kind: TargetKind,
    interrupt_on_error: bool,
    timeout: Timeout,
    payload_type: PayloadType,
}

/// What `UpdateTarget` changes; what is `None` stays as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct UpdateTarget {
    /// Which.
    pub(crate) id: TargetId,
    /// A new signing key, and for how long those before it still sign.
    pub(crate) rotate: Option<Duration>,
    name: Option<TargetName>,
    endpoint: Option<Endpoint>,
    kind: Option<(TargetKind, bool)>,
    timeout: Option<Timeout>,
    payload_type: Option<PayloadType>,
}

/// How long a call may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Timeout {
    /// As long as those to all targets that say nothing else: no time at all means that too.
    Usual,
    /// So long.
    Of(Duration),
}

impl Timeout {
    fn or_usual(self, usual: Duration) -> Duration {
        match self {
            Self::Usual => usual,
            Self::Of(timeout) => timeout,
        }
    }
}

impl CreateTarget {
    pub(crate) fn read(message: &Message<'_>) -> Result<Self, ApiError> {
        let (kind, interrupt_on_error) = kind(message)?.ok_or_else(|| {
            message
                .refused_whole("one of restWebhook, restCall and restAsync is needed: how the target's answer is used")
        })?;
        Ok(Self {
            name: name(message, required(message, "name", LONGEST_NAME)?)?,
            endpoint: endpoint(message, required(message, "endpoint", LONGEST_ENDPOINT)?)?,
            kind,
            interrupt_on_error,
            timeout: timeout(message)?.unwrap_or(Timeout::Usual),
            payload_type: payload_type(message)?.unwrap_or_default(),
        })
    }

    /// As a target that begins with the next event; its keys, and to whom it belongs, are the caller's to add.
    pub(crate) fn into_target(self, usual_timeout: Duration) -> Target {
        Target {
            kind: self.kind,
            timeout: self.timeout.or_usual(usual_timeout),
            interrupt_on_error: self.interrupt_on_error,
            payload_type: self.payload_type,
            start: domain::Start::Now,
            // The state gives it its own.
            ..Target::new("".into(), self.name, self.endpoint)
        }
    }
}

impl UpdateTarget {
    pub(crate) fn read(message: &Message<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            id: id(message)?,
            rotate: (message.duration("expirationSigningKey")?)
                .map(|overlap| span(message, "expirationSigningKey", overlap))
                .transpose()?,
            name: bounded(message, "name", LONGEST_NAME)?.map(|text| name(message, text)).transpose()?,
            endpoint: (bounded(message, "endpoint", LONGEST_ENDPOINT)?)
                .map(|text| endpoint(message, text))
                .transpose()?,
            kind: kind(message)?,
            timeout: timeout(message)?,
            payload_type: payload_type(message)?,
        })
    }

    /// Changes everything but the keys.
    pub(crate) fn apply(self, target: &mut Target, usual_timeout: Duration) {
        target.name = self.name.unwrap_or_else(|| target.name.clone());
        target.endpoint = self.endpoint.unwrap_or_else(|| target.endpoint.clone());
        (target.kind, target.interrupt_on_error) = self.kind.unwrap_or((target.kind, target.interrupt_on_error));
        target.timeout = self.timeout.map_or(target.timeout, |timeout| timeout.or_usual(usual_timeout));
        target.payload_type = self.payload_type.unwrap_or(target.payload_type);
    }
}

/// The id that `GetTarget`, `UpdateTarget` and `DeleteTarget` are about.
pub(crate) fn id(message: &Message<'_>) -> Result<TargetId, ApiError> {
    required(message, "id", LONGEST_ID).map(TargetId::from)
}

/// Spaces are possible, other than at the command line; what would move about on a terminal is not.
fn name(message: &Message<'_>, text: &str) -> Result<TargetName, ApiError> {
    if text.contains(char::is_control) {
        return Err(message.refused("name", "it must not have control characters in it"));
    }
    Ok(text.into())
}

fn endpoint(message: &Message<'_>, text: &str) -> Result<Endpoint, ApiError> {
    text.parse().map_err(|error: domain::EndpointError| message.refused("endpoint", &error.to_string()))
}

/// How the answer is used, and whether an error stops the execution.
fn kind(message: &Message<'_>) -> Result<Option<(TargetKind, bool)>, ApiError> {
    let Some(found) = message.one_of(&KINDS)? else { return Ok(None) };
    let Some(settings) = message.message(found)? else { return Ok(None) };
    let kind = match found {
        "restWebhook" => TargetKind::Webhook,
        "restCall" => TargetKind::Call,
        _ => TargetKind::Async,
    };
    // What is not awaited stops nothing.
    let interrupts = kind != TargetKind::Async && settings.flag("interruptOnError")?.unwrap_or_default();
    Ok(Some((kind, interrupts)))
}

fn timeout(message: &Message<'_>) -> Result<Option<Timeout>, ApiError> {
    let Some(given) = message.duration("timeout")? else { return Ok(None) };
    let timeout = span(message, "timeout", given)?;
    if timeout.is_zero() {
        Ok(Some(Timeout::Usual))
    } else if timeout < SHORTEST_TIMEOUT {
        Err(message.refused("timeout", "at least 0.001s is possible"))
    } else if timeout > LONGEST_TIMEOUT {
        Err(message.refused("timeout", "at most 270s is possible"))
    } else {
        Ok(Some(Timeout::Of(timeout)))
    }
}

/// A duration that is not negative.
fn span(message: &Message<'_>, name: &str, given: SignedDuration) -> Result<Duration, ApiError> {
    given.try_into().map_err(|_| message.refused(name, "it must not be negative"))
}

/// A payload type, or that nothing was said of it.
#[derive(Clone, Copy)]
struct Wanted(Option<PayloadType>);

impl Enumeration for Wanted {
    const VALUES: &'static [(&'static str, i64, Self)] = &[
        ("PAYLOAD_TYPE_UNSPECIFIED", 0, Self(None)),
        ("PAYLOAD_TYPE_JSON", 1, Self(Some(PayloadType::Json))),
        ("PAYLOAD_TYPE_JWT", 2, Self(Some(PayloadType::Jwt))),
        ("PAYLOAD_TYPE_JWE", 3, Self(Some(PayloadType::Jwe))),
    ];
}

/// One that we do not know is refused, other than by ZITADEL: who misspells it would get bodies that are not protected.
fn payload_type(message: &Message<'_>) -> Result<Option<PayloadType>, ApiError> {
    Ok(message.choice::<Wanted>("payloadType")?.and_then(|Wanted(payload_type)| payload_type))
}
