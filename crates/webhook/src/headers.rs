//! What goes with the body: who we are, which event it is, the signature over it, and what the target adds.

use std::collections::{BTreeMap, HashSet};

use domain::{PayloadType, Position, Timestamp};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::Call;

const SIGNATURE: HeaderName = HeaderName::from_static("zitadel-signature");
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const ATTEMPT: HeaderName = HeaderName::from_static("postrider-attempt");
const POSITION: HeaderName = HeaderName::from_static("postrider-position");
const PREVIOUS_POSITION: HeaderName = HeaderName::from_static("postrider-previous-position");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Why a target cannot have a header. Never repeats the value: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The name has characters that no header's name has.
    #[error("{0:?} is no name of a header")]
    Name(String),
    /// The value cannot stand in a header.
    #[error("the value of the header {0:?} has characters that a header cannot carry")]
    Value(String),
    /// One that postrider sets itself.
    #[error("the header {0:?} is set by postrider")]
    Reserved(String),
    /// One that belongs to the connection or to the framing of the request.
    #[error("the header {0:?} belongs to the connection or to how the body is sent, and cannot be set by a target")]
    Connection(String),
    /// The same name in another case.
    #[error("the header {0:?} is there more than once")]
    Duplicate(String),
}

/// Whether a target may have these headers of its own; for when definitions are set.
///
/// Ours cannot be overridden (`Content-Type`, `ZITADEL-Signature`, `Webhook-Id`, `Traceparent`, `Postrider-…`), except
/// `User-Agent`. Neither can what belongs to the connection (RFC 9110, section 7.6.1), nor `Host`, nor what frames the body.
pub fn check_headers(headers: &BTreeMap<String, String>) -> Result<(), HeaderError> {
    let mut seen = HashSet::new();
    for (name, value) in headers {
        let parsed = own_name(name)?;
        own_value(name, value)?;
        if !seen.insert(parsed) {
            return Err(HeaderError::Duplicate(name.clone()));
        }
    }
    Ok(())
}

fn own_name(name: &str) -> Result<HeaderName, HeaderError> {
    let parsed = HeaderName::try_from(name).map_err(|_| HeaderError::Name(name.to_owned()))?;
    match parsed.as_str() {
        "content-type" | "zitadel-signature" | "webhook-id" | "traceparent" => {
            Err(HeaderError::Reserved(name.to_owned()))
        }
        ours if ours.starts_with("postrider-") => Err(HeaderError::Reserved(name.to_owned())),
        "host"
        | "content-length"
        | "content-encoding"
        | "transfer-encoding"
        | "connection"
        | "keep-alive"
        | "te"
        | "trailer"
        | "upgrade"
        | "expect"
        | "proxy-connection"
        | "proxy-authenticate"
        | "proxy-authorization"
        | "http2-settings" => Err(HeaderError::Connection(name.to_owned())),
        _ => Ok(parsed),
    }
}

fn own_value(name: &str, value: &str) -> Result<HeaderValue, HeaderError> {
    let mut value = HeaderValue::try_from(value).map_err(|_| HeaderError::Value(name.to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Everything that goes with this body; the target's own headers only if asked for. One that [`check_headers`] refuses
/// is never sent.
pub(crate) fn headers(call: &Call<'_>, own: bool, body: &[u8]) -> HeaderMap {
    let Call { target, event, .. } = call;
    let mut headers = HeaderMap::with_capacity(8 + target.headers.len());
    for (name, value) in target.headers.iter().filter(|_| own) {
        if let (Ok(name), Ok(value)) = (own_name(name), own_value(name, value)) {
            headers.insert(name, value);
        }
    }
    let content_type = match target.payload_type {
        PayloadType::Json => "application/json",
        PayloadType::Jwt | PayloadType::Jwe => "application/jwt",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let mut keys = target.keys_in_force(call.now).peekable();
    if keys.peek().is_some() {
        headers.insert(SIGNATURE, ascii(domain::sign(body, call.now.as_second(), keys)));
    }
    let webhook_id = domain::webhook_id(&target.id, &event.key, call.generation);
    headers.insert(TRACEPARENT, ascii(traceparent(&webhook_id, call.attempt, call.now)));
    headers.insert(WEBHOOK_ID, ascii(webhook_id));
    headers.insert(ATTEMPT, call.attempt.into());
    headers.insert(POSITION, position((event.key.position, event.key.in_tx_order)));
    if let Some(previous) = call.previous {
        headers.insert(PREVIOUS_POSITION, position(previous));
    }
    headers
}

fn position((position, in_tx_order): (Position, i64)) -> HeaderValue {
    ascii(format!("{position}/{in_tx_order}"))
}

fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("digits, letters and punctuation can stand in a header")
}

/// W3C trace context: all attempts are one trace, each is a span of its own, also when the count begins again.
fn traceparent(webhook_id: &str, attempt: u32, now: Timestamp) -> String {
    let trace = webhook_id.trim_start_matches("msg_");
    format!("00-{trace}-{:016x}-01", span(trace, attempt, now))
}

fn span(trace: &str, attempt: u32, now: Timestamp) -> u64 {
    let seed = u64::from_str_radix(trace.get(..16).unwrap_or_default(), 16).unwrap_or_default();
    let time = u64::from_ne_bytes(now.as_microsecond().to_ne_bytes());
    mix(seed ^ mix(time) ^ u64::from(attempt)).max(1)
}

/// What a call is called in traces, which its receiver is told with `traceparent`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpanIds {
    /// The same for all attempts to deliver an event to a target: what is in its `Webhook-Id`.
    pub trace: [u8; 16],
    /// This attempt.
    pub span: [u8; 8],
}

impl SpanIds {
    /// Of a call.
    #[must_use]
    pub fn of(call: &Call<'_>) -> Self {
        let webhook_id = domain::webhook_id(&call.target.id, &call.event.key, call.generation);
        let trace = webhook_id.trim_start_matches("msg_");
        let number = u128::from_str_radix(trace, 16).unwrap_or_default();
        Self { trace: number.to_be_bytes(), span: span(trace, call.attempt, call.now).to_be_bytes() }
    }
}

/// Splitmix64's finalizer: spreads near values over the whole range.
fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&str, &str)], expected: &Result<(), HeaderError>) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(&check_headers(&headers), expected);
    }

    #[test]
    fn a_target_may_add_headers_but_not_ours_nor_the_connections() {
        check(&[("X-Tenant", "acme"), ("Authorization", "Bearer x"), ("User-Agent", "acme")], &Ok(()));
        for name in ["ZITADEL-Signature", "content-type", "WEBHOOK-ID", "Postrider-Anything", "traceparent"] {
            check(&[(name, "x")], &Err(HeaderError::Reserved(name.to_owned())));
        }
        for name in ["Host", "Content-Length", "Transfer-Encoding", "connection", "TE", "Upgrade", "Expect"] {
            check(&[(name, "x")], &Err(HeaderError::Connection(name.to_owned())));
        }
        check(&[("X Y", "x")], &Err(HeaderError::Name("X Y".to_owned())));
        check(&[("", "x")], &Err(HeaderError::Name(String::new())));
        check(&[("X-A", "a\r\nHost: b")], &Err(HeaderError::Value("X-A".to_owned())));
        check(&[("X-A", "1"), ("x-a", "2")], &Err(HeaderError::Duplicate("x-a".to_owned())));
    }

    #[test]
    fn attempts_share_a_trace_and_have_spans_of_their_own() {
        let id = "msg_0123456789abcdef0123456789abcdef";
        let now = Timestamp::UNIX_EPOCH;
        let (first, second) = (traceparent(id, 1, now), traceparent(id, 2, now));
        assert_eq!(first[..36], second[..36]);
        assert_eq!(&first[..36], "00-0123456789abcdef0123456789abcdef-");
        assert_ne!(first[36..], second[36..]);
        assert_eq!(first.len(), 55);
    }
}
