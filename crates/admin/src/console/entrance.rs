//! Logging in and out: a token is typed in, and kept by the daemon for as long as the session lasts.

use std::time::Instant;

use axum::{
    Extension, Form, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    frame,
    trouble::{Trouble, sentence},
    visit::{Look, Posted},
};
use crate::{
    auth::{self, LOGIN, Pass},
    house::House,
    listen::Peer,
    problem::Problem,
};

/// Before the door.
pub(super) fn routes() -> Router<House> {
    Router::new().route(LOGIN, get(page).post(enter))
}

/// Behind it: nobody is logged out by somebody else's page.
pub(super) fn way_out() -> Router<House> {
    Router::new().route("/logout", post(leave))
}

/// What the way in was asked for.
#[derive(Deserialize, Default)]
struct Asked {
    /// Set after somebody logged out.
    #[serde(default)]
    out: bool,
}

async fn page(Query(asked): Query<Asked>) -> Markup {
    let said = asked.out.then(|| html! { p.note.good role="status" { "You are logged out." } });
    form(said.as_ref())
}

fn form(said: Option<&Markup>) -> Markup {
    let content = html! {
        h1.brand { "postrider" }
        @if let Some(said) = said { (said) }
        form method="post" action=(LOGIN) {
            div.field {
                label for="token" { "Token" }
                input #token name="token" type="password" autocomplete="current-password" required autofocus
                    aria-describedby="token-help";
                p #token-help.help {
                    "An administrator makes one with " code { "postrider token create" } ", or on the page of tokens."
                }
            }
            button.primary type="submit" { "Log in" }
        }
    };
    frame::alone("Log in", &content)
}

fn refused(status: StatusCode, detail: &str) -> Response {
    let said = html! { p.note.bad role="alert" { (sentence(detail)) } };
    (status, form(Some(&said))).into_response()
}

/// What was typed in.
#[derive(Deserialize)]
struct Typed {
    token: String,
}

async fn enter(
    State(house): State<House>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Response {
    // Or somebody would work in the name of whoever has made the page that sent this.
    if let Err(problem) = auth::must_be_from_our_pages(&headers) {
        return refused(problem.status, &problem.detail);
    }
    let (token, peer) = (typed.token.trim(), peer.map(|Extension(peer)| peer.0.ip()));
    match auth::check(&house, peer, token).await {
        Ok(_) => {
            let cookie = house.sessions().begin(token, Instant::now());
            let cookie = auth::starts(&cookie, auth::is_over_tls(house.has_tls(), &headers));
            ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
        }
        Err(Problem { status: StatusCode::UNAUTHORIZED, .. }) => {
            let detail = "this token opens nothing: it was mistyped, has expired or was revoked";
            refused(StatusCode::UNAUTHORIZED, detail)
        }
        Err(problem) => refused(problem.status, &problem.detail),
    }
}

async fn leave(
    Extension(pass): Extension<Pass>,
    headers: HeaderMap,
    posted: Posted<Look>,
) -> Result<Response, Trouble> {
    let house = &posted.visit.house;
    if let Pass::Session(cookie, _) = &pass {
        house.sessions().end(cookie);
    }
    let gone = auth::ends(auth::is_over_tls(house.has_tls(), &headers));
    Ok(([(header::SET_COOKIE, gone)], Redirect::to("/login?out=true")).into_response())
}
