//! What goes wrong in a call, as ZITADEL's clients know it: one of gRPC's codes and a sentence for people.
//!
//! The code decides the HTTP status, which is the same for REST (as grpc-gateway answers) and for Connect; only the body differs.
//!
//! Invariant: a sentence never repeats what was sent: a text that is at the wrong place may be a secret.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// gRPC's codes, those that are answered here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Code {
    /// The call cannot be right, whatever is defined.
    InvalidArgument,
    /// The client's time was over before there was an answer.
    DeadlineExceeded,
    /// It is not there, or not for this caller.
    NotFound,
    /// Its name is taken.
    AlreadyExists,
    /// The caller may not.
    PermissionDenied,
    /// Too much was asked at once.
    ResourceExhausted,
    /// What is defined stands in the way.
    FailedPrecondition,
    /// There is no such call, or not in this form.
    Unimplemented,
    /// Our own trouble; the log says which.
    Internal,
    /// The database is away: the same call may succeed later.
    Unavailable,
    /// Nobody knows who calls.
    Unauthenticated,
}

impl Code {
    /// As gRPC counts.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::InvalidArgument => 3,
            Self::DeadlineExceeded => 4,
            Self::NotFound => 5,
            Self::AlreadyExists => 6,
            Self::PermissionDenied => 7,
            Self::ResourceExhausted => 8,
            Self::FailedPrecondition => 9,
            Self::Unimplemented => 12,
            Self::Internal => 13,
            Self::Unavailable => 14,
            Self::Unauthenticated => 16,
        }
    }

    /// As Connect writes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::PermissionDenied => "permission_denied",
            Self::ResourceExhausted => "resource_exhausted",
            Self::FailedPrecondition => "failed_precondition",
            Self::Unimplemented => "unimplemented",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::Unauthenticated => "unauthenticated",
        }
    }

    /// The HTTP status that grpc-gateway and Connect both give it.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::InvalidArgument | Self::FailedPrecondition => StatusCode::BAD_REQUEST,
            Self::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::AlreadyExists => StatusCode::CONFLICT,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
        }
    }
}

/// Why a call has no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ApiError {
    /// What kind of trouble it is.
    pub(crate) code: Code,
    /// For people.
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The call cannot be right.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// As a call over this protocol is told.
    pub(crate) fn answer(&self, protocol: Protocol) -> Response {
        let body = match protocol {
            Protocol::Rest => json!({ "code": self.code.number(), "message": self.message, "details": [] }),
            Protocol::Connect => json!({ "code": self.code.name(), "message": self.message }),
        };
        (self.code.status(), [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
    }
}

/// The two ways in which a call comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    /// `/v2/actions/…`, as grpc-gateway translates.
    Rest,
    /// `/zitadel.action.v2.ActionService/…`, Connect's unary calls.
    Connect,
}

impl Protocol {
    /// That of a path, if it is one of this API's or looks like one.
    pub(crate) fn of(path: &str) -> Option<Self> {
        if path.starts_with("/zitadel.") {
            Some(Self::Connect)
        } else if ["/v2/", "/v2beta/"].iter().any(|prefix| path.starts_with(prefix)) {
            Some(Self::Rest)
        } else {
            None
        }
    }
}

/// A refusal by whoever stands before these routes, in the words of the protocol that a path belongs to. `None`: it belongs to
/// neither.
pub(crate) fn refusal(path: &str, status: StatusCode, sentence: &str) -> Option<Response> {
    let code = match status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::Unimplemented,
        StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        status if status.is_client_error() => Code::InvalidArgument,
        _ => Code::Internal,
    };
    let mut response = ApiError::new(code, sentence).answer(Protocol::of(path)?);
    *response.status_mut() = status;
    Some(response)
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::Value;

    use super::*;

    const ALL: [Code; 11] = [
        Code::InvalidArgument,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::FailedPrecondition,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::Unauthenticated,
    ];

    #[test]
    fn each_code_has_the_number_name_and_status_that_clients_know() {
        let told: Vec<_> =
            ALL.map(|code| format!("{} {} {}", code.number(), code.name(), code.status().as_u16())).into();
        assert_eq!(
            told,
            [
                "3 invalid_argument 400",
                "4 deadline_exceeded 504",
                "5 not_found 404",
                "6 already_exists 409",
                "7 permission_denied 403",
                "8 resource_exhausted 429",
                "9 failed_precondition 400",
                "12 unimplemented 501",
                "13 internal 500",
                "14 unavailable 503",
                "16 unauthenticated 401",
            ]
        );
    }

    async fn check(answer: Response, status: u16, body: Value) {
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json");
        let bytes = to_bytes(answer.into_body(), 1024).await.expect("a body");
        assert_eq!(serde_json::from_slice::<Value>(&bytes).expect("JSON"), body);
    }

    #[tokio::test]
    async fn an_error_has_the_body_of_its_protocol() {
        let sentence = "there is no target of this id";
        let error = ApiError::new(Code::NotFound, sentence);
        let rest = json!({ "code": 5, "message": sentence, "details": [] });
        check(error.answer(Protocol::Rest), 404, rest).await;
        let connect = json!({ "code": "not_found", "message": sentence });
        check(error.answer(Protocol::Connect), 404, connect).await;
    }

    #[tokio::test]
    async fn who_stands_before_the_routes_refuses_in_the_same_words() {
        let refused = |path: &str, status| refusal(path, status, "a sentence");
        let answer = refused("/v2beta/actions/targets", StatusCode::UNAUTHORIZED).expect("it is REST");
        check(answer, 401, json!({ "code": 16, "message": "a sentence", "details": [] })).await;
        let answer =
            refused("/zitadel.action.v2.ActionService/X", StatusCode::METHOD_NOT_ALLOWED).expect("it is Connect");
        check(answer, 405, json!({ "code": "unimplemented", "message": "a sentence" })).await;
        for (status, code) in [(403, 7), (404, 5), (429, 8), (503, 14), (413, 3), (500, 13)] {
            let answer = refused("/v2/x", StatusCode::from_u16(status).expect("a status")).expect("it is REST");
            check(answer, status, json!({ "code": code, "message": "a sentence", "details": [] })).await;
        }
        assert!(refused("/api/v1/targets", StatusCode::UNAUTHORIZED).is_none());
    }
}
