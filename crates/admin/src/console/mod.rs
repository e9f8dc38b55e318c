//! The console: pages for people, made here and sent whole.
//!
//! The cast: a [`Visit`](visit::Visit) is who looks at a page, and [`Posted`](visit::Posted) a form that they sent; the
//! [`frame`] is what every page has around it, [`parts`] are what pages are made of, and [`live`] sends parts again that have
//! changed while a page is open. One file for each page, a folder for that of a target.
//!
//! Every page works without the script ([`assets`]): what asks for a confirmation is a page of its own, which the script shows in a
//! dialog.
//!
//! Invariants: every page carries a policy that lets nothing in but our own files (no inline script or style, no other host, no
//! frame); nothing is changed but by a form that is posted from our own pages ([`crate::auth`]) and carries the secret of its
//! session; which role something takes is the type of what its handler is given ([`visit::For`], [`visit::Posted`]), and what a
//! role may not do is not offered; what comes from elsewhere is escaped by the templates.

mod assets;
mod attempt;
mod audit;
mod docs;
mod entrance;
mod event;
mod events;
mod executions;
mod flash;
mod frame;
mod live;
mod overview;
mod parts;
mod payload;
mod pictures;
mod target;
mod tokens;
mod trouble;
mod visit;
mod workers;

use axum::{Router, http::HeaderValue, http::header, middleware::from_fn};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::house::House;

pub(crate) use trouble::refusal;

/// Scripts, styles, pictures and calls from our own address only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Every page without a name in its address, for tests that walk them all.
#[cfg(test)]
pub(crate) const PAGES: &[&str] =
    &["/", "/targets/new", "/executions", "/events", "/workers", "/audit", "/tokens", "/docs"];

/// What is seen before the door: the way in, and the files of the pages.
pub(crate) fn entrance() -> Router<House> {
    guarded(entrance::routes()).merge(assets::routes())
}

/// The pages behind the door.
pub(crate) fn routes() -> Router<House> {
    let pages = Router::new()
        .merge(entrance::way_out())
        .merge(overview::routes())
        .merge(target::routes())
        .merge(attempt::routes())
        .merge(executions::routes())
        .merge(events::routes())
        .merge(event::routes())
        .merge(workers::routes())
        .merge(audit::routes())
        .merge(tokens::routes())
        .merge(docs::routes())
        .merge(live::routes())
        .fallback(trouble::nowhere);
    guarded(pages.layer(from_fn(trouble::as_a_page)))
}

fn guarded(pages: Router<House>) -> Router<House> {
    let set = |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    pages
        .layer(set(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set(header::REFERRER_POLICY, "same-origin"))
        .layer(set(header::CACHE_CONTROL, "no-store"))
}

#[cfg(test)]
mod tests;
