//! An endpoint and how to call it.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{EventKey, InstanceId, Limits, Position, SigningKey, TargetId, TargetName, TypePattern, Wrapping};

/// How a target's answer is used (ZITADEL's target types).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// The status decides, the body is not looked at.
    #[default]
    Webhook,
    /// As `webhook`; the body would be used by request and response conditions.
    Call,
    /// The answer is not awaited.
    Async,
}

/// In which order the calls to one target are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ordering {
    /// One call at a time, in the order of the key.
    #[default]
    Strict,
    /// In order within each aggregate.
    Aggregate,
    /// In any order.
    None,
}

/// Whether the payload goes with the event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PayloadMode {
    /// As stored.
    #[default]
    Full,
    /// Left out.
    None,
}

/// How the payload stands in the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PayloadEncoding {
    /// Base64 of the JSON text: what ZITADEL sends.
    #[default]
    Base64,
    /// The JSON text itself, embedded.
    Json,
}

/// How the body is wrapped (ZITADEL's payload types).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PayloadType {
    /// As it is: JSON.
    #[default]
    Json,
    /// As a JWT that is signed with postrider's own key, whose public half is published.
    Jwt,
    /// As that JWT, encrypted for the target's active public key.
    Jwe,
}

/// Who may change a target or an execution: what is in a file belongs to the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// From the config or a definitions file.
    #[default]
    File,
    /// Created by the command line or the API.
    Api,
}

/// Where a new target begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Start {
    /// The horizon at the time it is created.
    #[default]
    Now,
    /// The first event there is.
    Beginning,
    /// A position of the store, inclusive.
    At(Position),
    /// The first event of this time.
    Time(Timestamp),
}

impl Start {
    /// This place as a cursor, once it is known to be at `position`: `now` leaves out what is at the horizon, every other
    /// place includes what is there.
    #[must_use]
    pub fn cursor_at(self, position: Position) -> EventKey {
        match self {
            Self::Now => EventKey::after(position),
            Self::Beginning | Self::At(_) | Self::Time(_) => EventKey::before(position),
        }
    }
}

/// The text is no start.
#[derive(Debug, thiserror::Error)]
#[error(
    "{text:?} is no place in the store: now, beginning, a position, or a time with its offset (2025-03-27T10:00:00Z) is needed"
)]
pub struct StartError {
    text: String,
}

impl FromStr for Start {
    type Err = StartError;

    fn from_str(text: &str) -> Result<Self, StartError> {
        match text {
            "now" => Ok(Self::Now),
            "beginning" => Ok(Self::Beginning),
            // As it is printed, with its order behind a slash: all that is at the position comes again.
            _ => (text.split_once('/').map_or(text, |(position, _)| position).parse().map(Self::At).ok())
                .or_else(|| text.parse().map(Self::Time).ok())
                .ok_or_else(|| StartError { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::Beginning => f.write_str("beginning"),
            Self::At(position) => write!(f, "{position}"),
            Self::Time(time) => write!(f, "{time}"),
        }
    }
}

impl Serialize for Start {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Start {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A URL that can be called: http or https, with a host, without credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

/// Why a text is no endpoint. Never repeats the text: it may hold credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It does not parse.
    #[error("the endpoint is no URL; one such as https://crm.example.com/zitadel is needed")]
    NoUrl,
    /// Some other scheme.
    #[error("the endpoint's scheme must be http or https")]
    Scheme,
    /// `user:password@`.
    #[error("the endpoint has credentials in it; put them into a header of the target instead")]
    Credentials,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let mut url = Url::parse(text).map_err(|_| EndpointError::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EndpointError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::Credentials);
        }
        url.set_fragment(None);
        Ok(Self(url))
    }
}

impl Endpoint {
    /// The URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// With its path, for somebody who asked for just this endpoint; the query is still left out.
    #[must_use]
    pub fn without_query(&self) -> String {
        let mut url = self.0.clone();
        url.set_query(None);
        url.to_string()
    }

    /// The whole URL as text, for the state. Its query may hold a token: do not log it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Scheme, host and port. People put tokens into queries, and services that hand out hooks put them into paths.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.0.port().map(|port| format!(":{port}")).unwrap_or_default();
        let rest = if self.0.path() == "/" && self.0.query().is_none() { "" } else { "…" };
        write!(f, "{}://{}{port}/{rest}", self.0.scheme(), self.0.host_str().unwrap_or_default())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An endpoint and how to call it.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// For good.
    pub id: TargetId,
    /// For people.
    pub name: TargetName,
    /// The one instance it belongs to: only executions of that instance may name it. `None`: any may.
    pub instance: Option<InstanceId>,
    /// How its answer is used.
    pub kind: TargetKind,
    /// What is called.
    pub endpoint: Endpoint,
    /// From the first byte of the request to the last one read of the answer.
    pub timeout: Duration,
    /// Whether targets behind this one in an execution need its verdict first.
    pub interrupt_on_error: bool,
    /// One `v1` of the signature for each that is in force.
    pub signing_keys: Vec<SigningKey>,
    /// In which order.
    pub ordering: Ordering,
    /// How many calls at a time on each instance, where the ordering allows more than one.
    pub max_in_flight: u32,
    /// What its endpoint can take.
    pub limits: Limits,
    /// As it was defined; `start_position` is what counts.
    pub start: Start,
    /// `start`, resolved once when the target was created; see [`Target::first_cursor`].
    pub start_position: Position,
    /// Sent with each call. The values may be secrets.
    pub headers: BTreeMap<String, String>,
    /// Event types that are never sent to this target.
    pub exclude: Vec<TypePattern>,
    /// Whether the payload goes with the event.
    pub payload: PayloadMode,
    /// How the payload stands in the body.
    pub payload_encoding: PayloadEncoding,
    /// How the body is wrapped.
    pub payload_type: PayloadType,
    /// With what. Keys are made and changed by acts of their own: a change of the definitions leaves them.
    pub wrapping: Wrapping,
    /// Set by an operator: nothing is sent, the cursor stays.
    pub paused: bool,
    /// Who may change it.
    pub source: Source,
}

impl Target {
    /// A webhook with every setting at its default: strict order, 10 s, no keys, from the beginning, from the API.
    #[must_use]
    pub fn new(id: TargetId, name: TargetName, endpoint: Endpoint) -> Self {
        Self {
            id,
            name,
            instance: None,
            kind: TargetKind::Webhook,
            endpoint,
            timeout: Duration::from_secs(10),
            interrupt_on_error: false,
            signing_keys: Vec::new(),
            ordering: Ordering::Strict,
            max_in_flight: 1,
            limits: Limits::default(),
            start: Start::Beginning,
            start_position: Position::ZERO,
            headers: BTreeMap::new(),
            exclude: Vec::new(),
            payload: PayloadMode::Full,
            payload_encoding: PayloadEncoding::Base64,
            payload_type: PayloadType::Json,
            wrapping: Wrapping::default(),
            paused: false,
            source: Source::Api,
        }
    }

    /// The keys that calls of this time are signed with.
    pub fn keys_in_force(&self, now: Timestamp) -> impl Iterator<Item = &SigningKey> {
        self.signing_keys.iter().filter(move |key| key.in_force(now))
    }

    /// A new key, beside which those of before are in force until `until`, or not at all without it. One that ends
    /// earlier than that still does.
    pub fn rotate_key(&mut self, new: SigningKey, until: Option<Timestamp>) {
        let old = std::mem::take(&mut self.signing_keys);
        if let Some(until) = until {
            self.signing_keys.extend(old.into_iter().map(|key| {
                let end = key.expires_at().map_or(until, |end| end.min(until));
                key.until(Some(end))
            }));
        }
        // Behind those that receivers know: one that looks at the first signature only is not surprised.
        self.signing_keys.push(new);
    }

    /// Where a cursor of this target stands on an instance that it has none on yet.
    #[must_use]
    pub fn first_cursor(&self) -> EventKey {
        self.start.cursor_at(self.start_position)
    }
}

/// Without keys and header values.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
