//! A request, read whole.

use axum::{
    RequestExt as _,
    body::{Bytes, to_bytes},
    extract::{Query, RawPathParams, Request},
    http::{HeaderMap, Uri},
};

use serde_json::{Map, Value};

use super::errors::ApiError;

/// No message of the API comes near it.
const LARGEST_BODY: usize = 1024 * 1024;

/// What a call is read from.
pub(super) struct Incoming {
    /// The parts of the path that are no part of the route, by their names there.
    pub(super) params: Vec<(String, String)>,
    /// What stands behind the question mark.
    pub(super) query: Vec<(String, String)>,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// Whether there is nothing in the request but where it goes to.
    pub(super) is_get: bool,
    /// The body.
    pub(super) body: Bytes,
}

impl Incoming {
    pub(super) async fn read(mut request: Request) -> Result<Self, ApiError> {
        let params: RawPathParams =
            request.extract_parts().await.map_err(|_| ApiError::invalid("the path is not UTF-8"))?;
        let params = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, LARGEST_BODY)
            .await
            .map_err(|_| ApiError::invalid("the body did not come whole, or is larger than 1 MiB"))?;
        Ok(Self {
            params,
            query: query(&parts.uri)?,
            headers: parts.headers,
            is_get: parts.method == "GET" || parts.method == "HEAD",
            body,
        })
    }

    /// The body as JSON; one that is empty is an empty message. What is said of one that is neither says where, and not what.
    pub(super) fn message(&self) -> Result<Value, ApiError> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Object(Map::new()));
        }
        parsed(&self.body)
    }

    /// The first value of this name in the query.
    pub(super) fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let value = self.headers.get(name).map(|value| value.to_str());
        value.transpose().map_err(|_| ApiError::invalid(format!("the header {name} is no plain text")))
    }
}

/// A message as JSON.
pub(super) fn parsed(text: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(text).map_err(|error| ApiError::invalid(format!("the body is no JSON: {error}")))
}

fn query(uri: &Uri) -> Result<Vec<(String, String)>, ApiError> {
    let Query(pairs) = Query::try_from_uri(uri).map_err(|_| ApiError::invalid("the query cannot be read"))?;
    Ok(pairs)
}
