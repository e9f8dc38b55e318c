//! What is shown where a page cannot be, or something is not done.

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use maud::{Markup, html};

use super::{
    POLICY,
    frame::{self, Place},
    visit::Who,
};
use crate::problem::Problem;

/// A refusal that becomes a page.
#[derive(Clone, Debug)]
pub(super) struct Trouble(Problem);

impl Trouble {
    /// In a sentence.
    pub(super) fn detail(&self) -> &str {
        &self.0.detail
    }

    pub(super) fn status(&self) -> StatusCode {
        self.0.status
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self(Problem::new(StatusCode::NOT_FOUND, "not_found", detail))
    }

    /// Whether the form itself can be mended, by whoever filled it in.
    pub(super) fn is_about_the_form(&self) -> bool {
        matches!(self.0.status, StatusCode::BAD_REQUEST | StatusCode::CONFLICT)
    }
}

impl<E: Into<Problem>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let problem = self.0.clone();
        let mut response = self.0.into_response();
        response.extensions_mut().insert(problem);
        response
    }
}

/// For addresses that nothing is at.
pub(super) async fn nowhere() -> Trouble {
    Trouble::not_found("there is nothing at this address")
}

/// Gives refusals the form of a page, with the navigation of whoever asked, where a page was asked for.
pub(super) async fn as_a_page(request: Request, next: Next) -> Response {
    let who = Who::of(request.extensions());
    let wants_page = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let wants_page = wants_page.is_none_or(|accept| accept.contains("text/html") || accept.contains("*/*"));
    let is_api = request.uri().path().starts_with("/api/");
    let response = next.run(request).await;
    match (response.extensions().get::<Problem>(), who) {
        (Some(problem), Some(who)) if wants_page && !is_api => {
            let title = title(problem.status);
            page(problem, frame::page(&who, Place::Elsewhere, title, &said(title, problem)))
        }
        _ => response,
    }
}

/// A page for somebody whom the door does not let in, and not for want of a token.
pub(crate) fn refusal(problem: &Problem) -> Response {
    let title = title(problem.status);
    let mut page = page(problem, frame::alone(title, &said(title, problem)));
    // The door is outside of what gives the other pages theirs.
    page.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    page
}

fn page(problem: &Problem, page: Markup) -> Response {
    let mut response = (problem.status, page).into_response();
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => "Not yours to do",
        StatusCode::NOT_FOUND => "Not there",
        StatusCode::SERVICE_UNAVAILABLE => "Not at the moment",
        StatusCode::TOO_MANY_REQUESTS => "Too many attempts",
        StatusCode::INTERNAL_SERVER_ERROR => "Something went wrong",
        _ => "It was not done",
    }
}

fn said(title: &str, problem: &Problem) -> Markup {
    html! {
        h1 { (title) }
        p.note.bad role="alert" { (sentence(&problem.detail)) }
        p {
            @match problem.status {
                StatusCode::SERVICE_UNAVAILABLE => "Nothing was changed. Load the page again in a moment.",
                StatusCode::FORBIDDEN => "Nothing was changed. Somebody whose token has another role may.",
                _ => "Nothing was changed.",
            }
        }
        p { a href="/" { "Go to the overview" } }
    }
}

/// With a full stop, which the sentences of `operate` do not have. Their first letter stays as it is: it may be that of a name.
pub(super) fn sentence(text: &str) -> String {
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{text}{end}")
}
