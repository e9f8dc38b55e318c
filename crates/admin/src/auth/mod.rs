//! Who asks: a bearer token, or the cookie of a browser in which somebody typed one in ([`Sessions`]).
//!
//! Every route behind the door comes through [`door`], which finds the token in the state, so that one that was revoked opens
//! nothing from that moment on. Failed attempts are bounded for each address ([`Attempts`]). A browser that sends a cookie must
//! also say that the request comes from our own pages before it may change anything; the console's forms carry a secret besides.

mod attempts;
mod session;

use std::{fmt, net::IpAddr, time::Instant};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use operate::Caller;

pub(crate) use attempts::Attempts;
pub(crate) use session::{Session, Sessions, cookie_of, ends, is_over_tls, starts};

use crate::{console, health::METRICS, house::House, listen::Peer, problem::Problem, zitadel};

/// The way in, for people.
pub(crate) const LOGIN: &str = "/login";

/// With what somebody came in.
#[derive(Clone)]
pub(crate) enum Pass {
    /// A program.
    Token(String),
    /// A browser: what its cookie says, and what that stands for.
    Session(String, Session),
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pass(…)")
    }
}

/// Lets pass who shows a token in force, with their [`Caller`] and their [`Pass`] in the request.
pub(crate) async fn door(State(house): State<House>, mut request: Request, next: Next) -> Response {
    if house.has_open_metrics() && request.uri().path() == METRICS {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let found = match shown(&house, &request) {
        Ok(pass) => pass.caller(&house, peer).await.map(|caller| (caller, pass)),
        Err(problem) => Err(problem),
    };
    match found {
        Ok((caller, pass)) => {
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(pass);
            next.run(request).await
        }
        Err(problem) => refused(&request, problem),
    }
}

/// The pass that a request shows.
fn shown(house: &House, request: &Request) -> Result<Pass, Problem> {
    if let Some(token) = bearer(request.headers()) {
        return Ok(Pass::Token(token));
    }
    let cookie = cookie_of(request.headers()).ok_or_else(Problem::unauthenticated)?;
    if !is_safe(request.method()) && !is_from_our_pages(request.headers()) {
        return Err(foreign());
    }
    let session = house.sessions().find(&cookie, Instant::now()).ok_or_else(Problem::unauthenticated)?;
    Ok(Pass::Session(cookie, session))
}

impl Pass {
    /// Whether its holder has logged out, or its session has ended by itself. Costs nothing; says nothing of its token.
    pub(crate) fn is_over(&self, house: &House) -> bool {
        match self {
            Self::Token(_) => false,
            Self::Session(cookie, _) => house.sessions().find(cookie, Instant::now()).is_none(),
        }
    }

    /// Whose it is, as long as it is worth something: asked again for what lasts longer than a request.
    pub(crate) async fn caller(&self, house: &House, peer: Option<IpAddr>) -> Result<Caller, Problem> {
        match self {
            Self::Token(token) => check(house, peer, token).await,
            Self::Session(cookie, _) => {
                let session = house.sessions().find(cookie, Instant::now()).ok_or_else(Problem::unauthenticated)?;
                check(house, peer, &session.token).await
            }
        }
    }
}

/// Why a request that another page made is refused.
fn foreign() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "denied", "this request comes from a page that is not ours")
}

/// For what is before the door, and would be done in the name of whoever it lets in.
pub(crate) fn must_be_from_our_pages(headers: &HeaderMap) -> Result<(), Problem> {
    if is_from_our_pages(headers) { Ok(()) } else { Err(foreign()) }
}

/// Whose token this is.
pub(crate) async fn check(house: &House, peer: Option<IpAddr>, shown: &str) -> Result<Caller, Problem> {
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

/// People are led to the way in, or read why not; programs are told, each in its own tongue.
fn refused(request: &Request, problem: Problem) -> Response {
    let accepted = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if let Some(response) = zitadel::refusal(request.uri().path(), problem.status, &problem.detail) {
        return problem.with_headers(response);
    }
    if !accepted.is_some_and(|accept| accept.contains("text/html")) {
        return problem.into_response();
    }
    if problem.status == StatusCode::UNAUTHORIZED {
        return Redirect::to(LOGIN).into_response();
    }
    console::refusal(&problem)
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
