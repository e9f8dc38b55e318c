//! The console: pages for people, made here and sent whole.
//!
//! Invariants: every page carries a policy that lets nothing in but our own files (no inline script or style, no other host, no
//! frame); nothing is changed but by a form that is posted from our own pages ([`crate::auth`]); what comes from elsewhere is
//! escaped by the templates.

mod entrance;
mod frame;

use axum::{Router, http::HeaderValue, http::header};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::house::House;

/// Scripts, styles, pictures and calls from our own address only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What is seen before the door: the way in, and the files of the pages.
pub(crate) fn entrance() -> Router<House> {
    guarded(entrance::routes())
}

/// The pages behind the door.
pub(crate) fn routes() -> Router<House> {
    guarded(Router::new())
}

fn guarded(pages: Router<House>) -> Router<House> {
    let set = |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    pages
        .layer(set(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set(header::REFERRER_POLICY, "same-origin"))
        .layer(set(header::CACHE_CONTROL, "no-store"))
}
