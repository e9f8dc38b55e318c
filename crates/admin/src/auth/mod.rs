//! Who asks: a bearer token, or the same token in the cookie of a browser that logged in.
//!
//! Every route behind the door comes through [`door`], which finds the token in the state, so that one that was revoked opens
//! nothing from that moment on. Failed attempts are bounded for each address ([`Attempts`]). A browser that sends a cookie must
//! also say that the request comes from our own pages before it may change anything.

mod attempts;
mod session;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use operate::Caller;

pub(crate) use attempts::Attempts;
pub(crate) use session::{cookie_of, ends, starts};

use crate::{health::METRICS, house::House, listen::Peer, problem::Problem, zitadel};

/// The way in, for people.
pub(crate) const LOGIN: &str = "/login";

/// Lets pass who shows a token in force, with their [`Caller`] in the request.
pub(crate) async fn door(State(house): State<House>, mut request: Request, next: Next) -> Response {
    if house.has_open_metrics() && request.uri().path() == METRICS {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let found = match shown(&request) {
        Ok(shown) => check(&house, peer, &shown).await,
        Err(problem) => Err(problem),
    };
    match found {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => refused(&request, problem),
    }
}

/// The token that a request shows.
fn shown(request: &Request) -> Result<String, Problem> {
    if let Some(token) = bearer(request.headers()) {
        return Ok(token);
    }
    let cookie = cookie_of(request.headers()).ok_or_else(Problem::unauthenticated)?;
    if !is_safe(request.method()) && !is_from_our_pages(request.headers()) {
        let detail = "this request comes from a page that is not ours";
        return Err(Problem::new(StatusCode::FORBIDDEN, "denied", detail));
    }
    Ok(cookie)
}

/// Whose token this is.
pub(crate) async fn check(house: &House, peer: Option<std::net::IpAddr>, shown: &str) -> Result<Caller, Problem> {
    let operator = house.operator()?;
    house.attempts().may_try(peer, shown)?;
    let Some(token) = operator.state.token(shown).await? else {
        house.attempts().failed(peer, shown);
        return Err(Problem::unauthenticated());
    };
    house.attempts().succeeded(shown);
    Ok(Caller { name: token.name, role: token.role, instance: token.instance })
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// What browsers say themselves and no page can forge (`Sec-Fetch-Site`), or, of those that do not, the origin.
fn is_from_our_pages(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    match (text(header::HeaderName::from_static("sec-fetch-site")), text(header::ORIGIN)) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            let host = text(header::HOST);
            origin.split_once("://").map(|(_, authority)| authority) == host && host.is_some()
        }
        (None, None) => false,
    }
}

/// People are led to the way in; programs are told, each in its own tongue.
fn refused(request: &Request, problem: Problem) -> Response {
    let wants_page = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let wants_page = wants_page.is_some_and(|accept| accept.contains("text/html")) && request.method() == Method::GET;
    if problem.status == StatusCode::UNAUTHORIZED && wants_page {
        return Redirect::to(LOGIN).into_response();
    }
    match zitadel::refusal(request.uri().path(), problem.status, &problem.detail) {
        Some(response) => problem.with_headers(response),
        None => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn a_token_is_found_behind_its_scheme_in_any_case() {
        let shown = |value| bearer(&headers(&[("authorization", value)]));
        assert_eq!(shown("Bearer pr_a_b").as_deref(), Some("pr_a_b"));
        assert_eq!(shown("bearer  pr_a_b ").as_deref(), Some("pr_a_b"));
        assert_eq!(shown("Basic pr_a_b"), None);
        assert_eq!(shown("pr_a_b"), None);
    }

    #[test]
    fn a_request_is_from_our_pages_only_if_the_browser_says_so() {
        let check = |list: &[(&'static str, &'static str)], expected| {
            assert_eq!(is_from_our_pages(&headers(list)), expected, "{list:?}");
        };
        check(&[("sec-fetch-site", "same-origin")], true);
        check(&[("sec-fetch-site", "same-site")], false);
        check(&[("sec-fetch-site", "cross-site")], false);
        check(&[("sec-fetch-site", "none")], false);
        check(&[("sec-fetch-site", "cross-site"), ("origin", "http://a:1"), ("host", "a:1")], false);
        check(&[("origin", "http://a:1"), ("host", "a:1")], true);
        check(&[("origin", "http://b:1"), ("host", "a:1")], false);
        check(&[("origin", "null"), ("host", "a:1")], false);
        check(&[("origin", "http://a:1")], false);
        check(&[], false);
    }
}
