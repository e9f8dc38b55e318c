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

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    const ALL: [Code; 10] = [
        Code::InvalidArgument,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
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
                "9 failed_precondition 400",
                "12 unimplemented 501",
                "13 internal 500",
                "14 unavailable 503",
                "16 unauthenticated 401",
            ]
        );
    }

    #[track_caller]
    fn check(protocol: Protocol, body: &str) {
        let answer = ApiError::new(Code::NotFound, "there is no target of this id").answer(protocol);
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let bytes = runtime.block_on(to_bytes(answer.into_body(), 1024)).expect("a body");
        let told: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(told, serde_json::from_str::<serde_json::Value>(body).expect("JSON"));
    }

    #[test]
    fn an_error_has_the_body_of_its_protocol() {
        check(Protocol::Rest, r#"{"code":5,"message":"there is no target of this id","details":[]}"#);
        check(Protocol::Connect, r#"{"code":"not_found","message":"there is no target of this id"}"#);
    }
}
