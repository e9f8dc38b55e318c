//! Why a request is not answered as it was meant: RFC 9457, with the kind of refusal beside it.

use aide::{OperationOutput, generate::GenContext, openapi};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::LogEvent;
use operate::{Kind, OperateError};
use schemars::JsonSchema;
use serde::Serialize;
use store::StoreError;
use tracing::{error, warn};

const MEDIA_TYPE: &str = "application/problem+json";

/// A refusal, in a sentence and by its kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// A word for programs.
    pub(crate) kind: &'static str,
    /// For people. Never a secret.
    pub(crate) detail: String,
    /// Seconds after which it may be asked again.
    pub(crate) retry_after: Option<u64>,
}

/// As it is written down.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
struct Written {
    /// What the status means.
    title: String,
    /// The HTTP status.
    status: u16,
    /// A word for programs: `invalid`, `unauthenticated`, `denied`, `not_found`, `already_exists`, `precondition`, `overtaken`,
    /// `too_many`, `unavailable`, `internal`.
    kind: String,
    /// What is wrong, and what to do, in a sentence.
    detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), retry_after: None }
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", detail)
    }

    pub(crate) fn starting() -> Self {
        let detail = "postrider is starting: the databases are not reached yet";
        Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail) }
    }

    pub(crate) fn unauthenticated() -> Self {
        let detail = "a token is needed that is in force: Authorization: Bearer pr_…";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    }

    /// Adds what is said in headers, whatever the body looks like.
    pub(crate) fn with_headers(&self, mut response: Response) -> Response {
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// How a refusal of `operate` stands in HTTP. What went wrong inside is logged and not told.
pub(crate) fn of(error: &OperateError) -> (StatusCode, &'static str, String) {
    let said = |status, kind| (status, kind, error.to_string());
    match error.kind() {
        Kind::Invalid => said(StatusCode::BAD_REQUEST, "invalid"),
        Kind::NotFound => said(StatusCode::NOT_FOUND, "not_found"),
        Kind::AlreadyExists => said(StatusCode::CONFLICT, "already_exists"),
        Kind::Precondition | Kind::Nothing => said(StatusCode::CONFLICT, "precondition"),
        Kind::Denied => said(StatusCode::FORBIDDEN, "denied"),
        Kind::Overtaken => {
            let detail = "somebody else changed something meanwhile; look again";
            (StatusCode::CONFLICT, "overtaken", detail.to_owned())
        }
        Kind::Unavailable => {
            warn!(event = LogEvent::AdminDatabaseAway.name(), error = chain(error), "a request could not be answered");
            let detail = "a database does not answer at the moment; try again";
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail.to_owned())
        }
        Kind::Internal => {
            error!(
                event = LogEvent::AdminRequestFailed.name(),
                error = chain(error),
                "a request could not be answered"
            );
            let detail = "something went wrong inside; the log of the daemon says what";
            (StatusCode::INTERNAL_SERVER_ERROR, "internal", detail.to_owned())
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl From<OperateError> for Problem {
    fn from(error: OperateError) -> Self {
        let (status, kind, detail) = of(&error);
        Self::new(status, kind, detail)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        OperateError::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let written = Written {
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            kind: self.kind.to_owned(),
            detail: self.detail.clone(),
        };
        let mut response = (self.status, Json(written)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        self.with_headers(response)
    }
}

impl OperationOutput for Problem {
    type Inner = Self;

    fn operation_response(ctx: &mut GenContext, operation: &mut openapi::Operation) -> Option<openapi::Response> {
        let mut response = Json::<Written>::operation_response(ctx, operation)?;
        "Why it was not done.".clone_into(&mut response.description);
        if let Some(json) = response.content.shift_remove("application/json") {
            response.content.insert(MEDIA_TYPE.to_owned(), json);
        }
        Some(response)
    }

    /// Any status that is not told otherwise.
    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut openapi::Operation,
    ) -> Vec<(Option<u16>, openapi::Response)> {
        Self::operation_response(ctx, operation).map(|response| (None, response)).into_iter().collect()
    }
}
