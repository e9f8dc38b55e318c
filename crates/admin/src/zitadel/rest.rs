//! REST, as grpc-gateway translates it for ZITADEL: the path and the method say which call it is, the body is the message.
//!
//! What the path says comes before what the body says. The body's content type is not looked at, as the gateway does not; a body
//! that is empty is an empty message.

use axum::http::Method;
use serde_json::{Map, Value};

use super::{
    Version, call::Call, calls::Asked, errors::ApiError, incoming::Incoming, json::put, messages::search::Shape,
};

/// Below the prefix: with which methods, where, and what is called. `search` is where ZITADEL v4 has its searches, `_search` where
/// versions before had them; ZITADEL itself has neither the `GET`s of lists nor more than one method for a change.
pub(super) const ROUTES: &[(&[Method], &str, Call)] = &[
    (&[Method::POST], "targets", Call::CreateTarget),
    (&[Method::GET], "targets", Call::ListTargets),
    (&[Method::POST], "targets/search", Call::ListTargets),
    (&[Method::POST], "targets/_search", Call::ListTargets),
    (&[Method::GET], "targets/{id}", Call::GetTarget),
    (&[Method::POST, Method::PUT, Method::PATCH], "targets/{id}", Call::UpdateTarget),
    (&[Method::DELETE], "targets/{id}", Call::DeleteTarget),
    (&[Method::POST], "targets/{targetId}/publickeys", Call::AddPublicKey),
    (&[Method::POST], "targets/{targetId}/publickeys/search", Call::ListPublicKeys),
    (&[Method::POST], "targets/{targetId}/publickeys/{keyId}/activate", Call::ActivatePublicKey),
    (&[Method::POST], "targets/{targetId}/publickeys/{keyId}/deactivate", Call::DeactivatePublicKey),
    (&[Method::DELETE], "targets/{targetId}/publickeys/{keyId}", Call::RemovePublicKey),
    (&[Method::PUT, Method::POST], "executions", Call::SetExecution),
    (&[Method::GET], "executions", Call::ListExecutions),
    (&[Method::POST], "executions/search", Call::ListExecutions),
    (&[Method::POST], "executions/_search", Call::ListExecutions),
    (&[Method::GET], "executions/functions", Call::ListExecutionFunctions),
    (&[Method::GET], "executions/methods", Call::ListExecutionMethods),
    (&[Method::GET], "executions/services", Call::ListExecutionServices),
];

/// Where the routes of a version are.
pub(super) fn prefix(version: Version) -> &'static str {
    match version {
        Version::V2 => "/v2/actions",
        Version::V2Beta => "/v2beta/actions",
    }
}

/// What lists look like at a path.
pub(super) fn shape(version: Version, path: &str) -> Shape {
    if version == Version::V2Beta && path.ends_with("/_search") { Shape::Result } else { Shape::Named }
}

pub(super) async fn serve(asked: &Asked<'_>, call: Call, incoming: &Incoming) -> Result<String, ApiError> {
    asked.answer(call, &message(incoming)?).await
}

fn message(incoming: &Incoming) -> Result<Value, ApiError> {
    let mut message = incoming.message()?;
    if let Value::Object(fields) = &mut message {
        if incoming.is_get {
            add_query(fields, &incoming.query);
        }
        for (name, value) in &incoming.params {
            put(fields, name, Value::String(value.clone()));
        }
    }
    Ok(message)
}

/// `pagination.limit=5` is the field `limit` of the message `pagination`. Nothing that is asked with `GET` lies deeper.
fn add_query(fields: &mut Map<String, Value>, query: &[(String, String)]) {
    for (name, text) in query {
        let value = match text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => Value::String(text.to_owned()),
        };
        match name.split_once('.') {
            None => put(fields, name, value),
            Some((outer, inner)) => {
                let outer = fields.entry(outer).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(fields) = outer {
                    put(fields, inner, value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Bytes, http::HeaderMap};
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(body: &'static str, params: &[(&str, &str)], query: &[(&str, &str)], expected: Result<Value, &str>) {
        let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let incoming = Incoming {
            params: owned(params),
            query: owned(query),
            headers: HeaderMap::new(),
            is_get: true,
            body: Bytes::from_static(body.as_bytes()),
        };
        let read = message(&incoming).map_err(|error| error.message);
        assert_eq!(read, expected.map_err(ToOwned::to_owned));
    }

    #[test]
    fn an_empty_body_is_an_empty_message() {
        check("", &[], &[], Ok(json!({})));
        check(" \r\n", &[], &[], Ok(json!({})));
    }

    #[test]
    fn what_the_path_says_comes_before_the_body() {
        check(
            r#"{"keyId":"a","key_id":"b","name":"c"}"#,
            &[("id", "1"), ("keyId", "2")],
            &[],
            Ok(json!({ "id": "1", "keyId": "2", "name": "c" })),
        );
        check("[]", &[("id", "1")], &[], Ok(json!([])));
    }

    #[test]
    fn a_get_has_its_message_in_the_query() {
        check(
            "",
            &[],
            &[("pagination.limit", "5"), ("pagination.asc", "true"), ("sorting_column", "TARGET_FIELD_NAME_ID")],
            Ok(json!({ "pagination": { "limit": "5", "asc": true }, "sorting_column": "TARGET_FIELD_NAME_ID" })),
        );
        check("", &[], &[("pagination", "5"), ("pagination.limit", "5")], Ok(json!({ "pagination": "5" })));
        check("", &[], &[("a.b.c", "1")], Ok(json!({ "a": { "b.c": "1" } })));
    }

    #[test]
    fn a_body_that_is_no_json_is_told_where_and_not_what() {
        check(r#"{"endpoint": secret}"#, &[], &[], Err("the body is no JSON: expected value at line 1 column 14"));
    }

    #[test]
    fn searches_of_old_have_the_shape_of_old() {
        assert_eq!(shape(Version::V2Beta, "targets/_search"), Shape::Result);
        for (version, path) in [
            (Version::V2Beta, "targets/search"),
            (Version::V2Beta, "targets"),
            (Version::V2, "targets/_search"),
            (Version::V2, "executions/search"),
        ] {
            assert_eq!(shape(version, path), Shape::Named, "{path}");
        }
    }
}
