//! Connect's unary calls in JSON: `POST /zitadel.action.v2.ActionService/GetTarget`, and `GET` for those that change nothing.
//!
//! See the protocol's reference at connectrpc.com. Of its codecs only JSON is spoken, and nothing is compressed.

use std::time::Duration;

use axum::{
    http::{HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tokio::time::timeout;

use super::{
    Version,
    call::Call,
    calls::Asked,
    errors::{ApiError, Code, Protocol},
    incoming::{Incoming, parsed},
    json::bytes,
};

const JSON: &str = "application/json";
const VERSION: &str = "connect-protocol-version";
const TIMEOUT: &str = "connect-timeout-ms";
/// Connect's limit for the header.
const TIMEOUT_DIGITS: usize = 10;

/// What the protos call the service.
pub(super) fn service(version: Version) -> &'static str {
    match version {
        Version::V2 => "zitadel.action.v2.ActionService",
        Version::V2Beta => "zitadel.action.v2beta.ActionService",
    }
}

/// With which methods a call is made.
pub(super) fn methods(call: Call) -> &'static [Method] {
    const WRITING: &[Method] = &[Method::POST];
    const READING: &[Method] = &[Method::POST, Method::GET];
    if call.writes() { WRITING } else { READING }
}

/// Why a call is not answered.
#[derive(Debug)]
pub(super) enum Refusal {
    /// For a reason that both protocols know.
    Error(ApiError),
    /// It is in another codec than JSON: Connect tells that without a body.
    MediaType,
    /// It is compressed: Connect tells in a header what it may be.
    Compressed,
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

impl Refusal {
    pub(super) fn answer(&self, protocol: Protocol) -> Response {
        match self {
            Self::Error(error) => error.answer(protocol),
            Self::Compressed => {
                let error = ApiError::new(Code::Unimplemented, "compressed messages are not read; send it as it is");
                ([(header::ACCEPT_ENCODING, "identity")], error.answer(protocol)).into_response()
            }
            Self::MediaType => {
                let accept_post = HeaderName::from_static("accept-post");
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, [(accept_post, JSON)]).into_response()
            }
        }
    }
}

pub(super) async fn serve(asked: &Asked<'_>, call: Call, incoming: &Incoming) -> Result<String, Refusal> {
    let message = message(incoming)?;
    let answer = asked.answer(call, &message);
    let late = || Refusal::from(ApiError::new(Code::DeadlineExceeded, "the client's time was over"));
    match time_limit(incoming)? {
        None => Ok(answer.await?),
        // A timer ends no sooner than after a millisecond, in which much can be changed.
        Some(Duration::ZERO) => Err(late()),
        Some(limit) => Ok(timeout(limit, answer).await.map_err(|_| late())??),
    }
}

fn message(incoming: &Incoming) -> Result<Value, Refusal> {
    if incoming.is_get {
        return message_of_query(incoming);
    }
    if !incoming.header(header::CONTENT_TYPE.as_str())?.is_some_and(is_json) {
        return Err(Refusal::MediaType);
    }
    is_spoken(incoming.header(VERSION)?, "1")?;
    is_not_compressed(incoming.header(header::CONTENT_ENCODING.as_str())?)?;
    Ok(incoming.message()?)
}

/// `?encoding=json&message=…`, the message percent-encoded or, with `base64=1`, as base64.
fn message_of_query(incoming: &Incoming) -> Result<Value, Refusal> {
    if incoming.asked("encoding") != Some("json") {
        return Err(Refusal::MediaType);
    }
    is_spoken(incoming.asked("connect"), "v1")?;
    is_not_compressed(incoming.asked("compression"))?;
    let text = incoming.asked("message").ok_or_else(|| ApiError::invalid("the query has no message in it"))?;
    if incoming.asked("base64") != Some("1") {
        return Ok(parsed(text.as_bytes())?);
    }
    let decoded = bytes::decode(text).ok_or_else(|| ApiError::invalid("the message in the query is no base64"))?;
    Ok(parsed(&decoded)?)
}

/// JSON is UTF-8, whether that is said or not.
fn is_json(content_type: &str) -> bool {
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let parameter = parameters.trim();
    media_type.trim().eq_ignore_ascii_case(JSON)
        && (parameter.is_empty()
            || parameter.eq_ignore_ascii_case("charset=utf-8")
            || parameter.eq_ignore_ascii_case("charset=\"utf-8\""))
}

fn is_spoken(version: Option<&str>, known: &str) -> Result<(), ApiError> {
    match version {
        Some(version) if version != known => {
            Err(ApiError::invalid(format!("only version {known} of Connect's protocol is spoken")))
        }
        _ => Ok(()),
    }
}

fn is_not_compressed(encoding: Option<&str>) -> Result<(), Refusal> {
    match encoding {
        None | Some("" | "identity") => Ok(()),
        Some(_) => Err(Refusal::Compressed),
    }
}

fn time_limit(incoming: &Incoming) -> Result<Option<Duration>, ApiError> {
    let Some(text) = incoming.header(TIMEOUT)? else { return Ok(None) };
    let is_number = (1..=TIMEOUT_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let millis = text.parse().ok().filter(|_| is_number);
    let refused = || ApiError::invalid(format!("{TIMEOUT} must be milliseconds, at most {TIMEOUT_DIGITS} digits"));
    millis.map(|millis| Some(Duration::from_millis(millis))).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use axum::{body::Bytes, http::HeaderValue};
    use serde_json::json;

    use super::*;

    fn incoming(headers: &[(&'static str, &'static str)], body: &'static str) -> Incoming {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Incoming {
            params: Vec::new(),
            query: Vec::new(),
            headers: headers.collect(),
            is_get: false,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    fn asked(query: &[(&str, &str)]) -> Incoming {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Incoming { query, is_get: true, ..incoming(&[], "") }
    }

    /// The message, or the status and the sentence of the refusal.
    fn told(incoming: &Incoming) -> Result<Value, (u16, String)> {
        message(incoming).map_err(|refusal| match refusal {
            Refusal::Error(error) => (error.code.status().as_u16(), error.message),
            Refusal::MediaType => (415, String::new()),
            Refusal::Compressed => (501, String::new()),
        })
    }

    #[test]
    fn only_json_is_spoken() {
        for content_type in ["application/json", "Application/JSON", "application/json; charset=utf-8"] {
            let incoming = incoming(&[("content-type", content_type)], r#"{"id":"1"}"#);
            assert_eq!(told(&incoming), Ok(json!({ "id": "1" })), "{content_type}");
        }
        for content_type in [
            "application/proto",
            "application/grpc",
            "text/plain",
            "application/json; charset=latin1",
            "application/jsonp",
        ] {
            let incoming = incoming(&[("content-type", content_type)], "{}");
            assert_eq!(told(&incoming), Err((415, String::new())), "{content_type}");
        }
        assert_eq!(told(&incoming(&[], "{}")), Err((415, String::new())));
    }

    #[test]
    fn only_what_is_not_compressed_is_read() {
        let with = |encoding| incoming(&[("content-type", "application/json"), ("content-encoding", encoding)], "{}");
        assert_eq!(told(&with("identity")), Ok(json!({})));
        assert_eq!(told(&with("gzip")), Err((501, String::new())));
    }

    #[test]
    fn only_the_first_version_of_the_protocol_is_spoken() {
        let with =
            |version| incoming(&[("content-type", "application/json"), ("connect-protocol-version", version)], "");
        assert_eq!(told(&with("1")), Ok(json!({})));
        assert_eq!(told(&with("2")), Err((400, "only version 1 of Connect's protocol is spoken".to_owned())));
    }

    #[test]
    fn a_get_has_its_message_in_the_query() {
        let plain = asked(&[("connect", "v1"), ("encoding", "json"), ("message", r#"{"id":"1"}"#)]);
        assert_eq!(told(&plain), Ok(json!({ "id": "1" })));
        let base64 = asked(&[("encoding", "json"), ("base64", "1"), ("message", "eyJpZCI6IjEifQ")]);
        assert_eq!(told(&base64), Ok(json!({ "id": "1" })));
        for (query, status) in [
            (vec![("message", "{}")], 415),
            (vec![("encoding", "proto"), ("message", "{}")], 415),
            (vec![("encoding", "json")], 400),
            (vec![("encoding", "json"), ("message", "")], 400),
            (vec![("encoding", "json"), ("message", "%"), ("base64", "1")], 400),
            (vec![("encoding", "json"), ("message", "{}"), ("connect", "v2")], 400),
            (vec![("encoding", "json"), ("message", "{}"), ("compression", "gzip")], 501),
        ] {
            assert_eq!(told(&asked(&query)).map_err(|(status, _)| status), Err(status), "{query:?}");
        }
    }

    #[test]
    fn a_client_may_say_how_long_it_waits() {
        let limit = |text| time_limit(&incoming(&[("connect-timeout-ms", text)], "")).map_err(|error| error.code);
        assert_eq!(time_limit(&incoming(&[], "")), Ok(None));
        assert_eq!(limit("2500"), Ok(Some(Duration::from_millis(2500))));
        assert_eq!(limit("0"), Ok(Some(Duration::ZERO)));
        assert_eq!(limit("9999999999"), Ok(Some(Duration::from_millis(9_999_999_999))));
        for text in ["", "-1", "+1", "1.5", "soon", "10000000000"] {
            assert_eq!(limit(text), Err(Code::InvalidArgument), "{text}");
        }
    }
}
