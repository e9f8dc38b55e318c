//! Logging in and out: a token is typed in, and kept in a cookie that no script reads.

use axum::{
    Extension, Form, Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::frame;
use crate::{
    auth::{self, LOGIN},
    house::House,
    listen::Peer,
};

pub(super) fn routes() -> Router<House> {
    Router::new().route(LOGIN, get(page).post(enter)).route("/logout", post(leave))
}

/// What the way in was asked for.
#[derive(Deserialize, Default)]
struct Asked {
    /// Set after somebody logged out.
    #[serde(default)]
    out: bool,
}

async fn page(Query(asked): Query<Asked>) -> Markup {
    let said = asked.out.then_some("You are logged out.");
    form(said)
}

fn form(said: Option<&str>) -> Markup {
    let content = html! {
        h1 { "postrider" }
        @if let Some(said) = said { p role="status" { (said) } }
        form method="post" action=(LOGIN) {
            label for="token" { "Token" }
            input id="token" name="token" type="password" autocomplete="current-password" required autofocus;
            p { "Made with " code { "postrider token create" } "." }
            button type="submit" { "Log in" }
        }
    };
    frame::alone("Log in", &content)
}

/// What was typed in.
#[derive(Deserialize)]
struct Typed {
    token: String,
}

async fn enter(State(house): State<House>, peer: Option<Extension<Peer>>, Form(typed): Form<Typed>) -> Response {
    let (token, peer) = (typed.token.trim(), peer.map(|Extension(peer)| peer.0.ip()));
    let cookie = match auth::check(&house, peer, token).await {
        Ok(_) => auth::starts(token, house.has_tls()),
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED => None,
        Err(problem) => return (problem.status, form(Some(&problem.detail))).into_response(),
    };
    match cookie {
        Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response(),
        None => (StatusCode::UNAUTHORIZED, form(Some("This token opens nothing."))).into_response(),
    }
}

async fn leave(State(house): State<House>) -> Response {
    ([(header::SET_COOKIE, auth::ends(house.has_tls()))], Redirect::to("/login?out=true")).into_response()
}
