//! Tokens: who may manage postrider over HTTP. The secret of a token is shown once, when it is made.

use std::time::Duration;

use axum::{
    Router,
    extract::{Path, Query},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use domain::Timestamp;
use maud::{Markup, html};
use operate::OperateError;
use store::{NewToken, Token};

use super::{
    flash::{Done, Flash},
    frame::{self, Place},
    parts::{self, choice, instance, line, needed, table, time},
    trouble::Trouble,
    visit::{Define, Fields, For, Posted, Visit},
};
use crate::house::House;

const ROLES: &[(&str, &str)] = &[
    ("viewer", "viewer: sees how things stand"),
    ("operator", "operator: acts on cursors and failed events, sees payloads"),
    ("admin", "admin: defines targets and executions, hands out tokens"),
];
/// In seconds; nothing for one that does not end by itself.
const LASTS: &[(&str, &str)] = &[
    ("", "until it is revoked"),
    ("86400", "for a day"),
    ("2592000", "for 30 days"),
    ("7776000", "for 90 days"),
    ("31536000", "for a year"),
];

pub(super) fn routes() -> Router<House> {
    Router::new().route("/tokens", get(page).post(create)).route("/tokens/{id}/revoke", get(ask_revoke).post(revoke))
}

async fn page(visit: For<Define>, Query(done): Query<Done>) -> Result<Markup, Trouble> {
    let said = html! { @if let Some(flash) = done.done { p.note.good role="status" { (flash.sentence()) } } };
    whole(&visit, &said, &Fields::default(), None).await
}

async fn whole(visit: &Visit, said: &Markup, fields: &Fields, error: Option<&str>) -> Result<Markup, Trouble> {
    let tokens = theirs(visit).await?;
    let content = html! {
        h1 { "Tokens" }
        (said)
        h2 #tokens-head { "Tokens that were made" }
        (list(&tokens, visit.operator.state.now().await?))
        section aria-labelledby="new-head" {
            h2 #new-head { "New token" }
            (parts::refusal(error))
            (visit.who.form("/tokens", &html! {
                div.columns {
                    (needed("name", "Name", fields.text("name"), "Who or what shows it: it stands in the audit."))
                    (choice("role", "Role", fields.text("role"), ROLES, ""))
                    @if visit.caller().instance.is_none() {
                        (line("instance", "Instance", fields.text("instance"), "The only one that it opens; nothing for all of them."))
                    }
                    (choice("lasts", "Is in force", fields.text("lasts"), LASTS, ""))
                }
                div.acts { button.primary type="submit" { "Create token" } }
            }))
        }
    };
    Ok(frame::page(&visit.who, Place::Tokens, "Tokens", &content))
}

/// The tokens that are the caller's to see.
async fn theirs(visit: &Visit) -> Result<Vec<Token>, Trouble> {
    let mut tokens = visit.operator.state.tokens().await?;
    tokens.retain(|token| visit.caller().owns(token.instance.as_ref()));
    Ok(tokens)
}

fn list(tokens: &[Token], now: Timestamp) -> Markup {
    let rows = html! {
        @for token in tokens {
            tr {
                th scope="row" { (token.name) div.small.quiet { code { (token.id.0) } } }
                td { (token.role) }
                td { @match &token.instance { Some(one) => (instance(one.as_str())), None => span.quiet { "every one" } } }
                td {
                    @if token.in_force(now) { (parts::word(true, "in force")) }
                    @else if token.revoked_at.is_some() { (parts::calm("revoked")) }
                    @else { (parts::calm("expired")) }
                    @if let Some(end) = token.expires_at.filter(|_| token.in_force(now)) { div.small { "ends " (time(end, now)) } }
                }
                td { (time(token.created_at, now)) div.small.quiet { "by " (token.created_by) } }
                td { @match token.last_used_at { Some(at) => (time(at, now)), None => span.quiet { "never" } } }
                td {
                    @if token.in_force(now) {
                        a.button href={ "/tokens/" (token.id.0) "/revoke" } data-dialog { "Revoke…" span.hidden { " " (token.name) } }
                    }
                }
            }
        }
    };
    let columns = ["Name", "Role", "Instance", "State", "Made", "Used last", "-Acts"];
    html! {
        @if tokens.is_empty() { p.empty { "None was made yet." } } @else { (table("tokens-head", &columns, &rows)) }
    }
}

async fn create(posted: Posted<Define>) -> Result<Response, Trouble> {
    let (visit, fields) = (&posted.visit, &posted.fields);
    match made(visit, fields).await {
        Ok((token, secret)) => {
            let said = html! {
                div.note.warn {
                    p role="status" { "Copy the token " strong { (token.name) } " now: it is shown this once." }
                    p.secret { label for="token" { "Token" } output #token { (secret) } }
                }
            };
            Ok(whole(visit, &said, &Fields::default(), None).await?.into_response())
        }
        Err(trouble) if trouble.is_about_the_form() => {
            let page = whole(visit, &Markup::default(), fields, Some(trouble.detail())).await?;
            Ok((StatusCode::BAD_REQUEST, page).into_response())
        }
        Err(trouble) => Err(trouble),
    }
}

async fn made(visit: &Visit, fields: &Fields) -> Result<(Token, String), Trouble> {
    let invalid = |sentence: &str| OperateError::Invalid(sentence.to_owned());
    let name = fields.text("name");
    if name.is_empty() || name.chars().count() > 200 || name.contains(char::is_control) {
        return Err(invalid("a name of 1 to 200 characters is needed").into());
    }
    let role =
        fields.text("role").parse().map_err(|error: domain::RoleError| OperateError::Invalid(error.to_string()))?;
    let state = &visit.operator.state;
    let lasts = LASTS.iter().find(|(seconds, _)| *seconds == fields.text("lasts")).map(|(seconds, _)| *seconds);
    let expires_at = match lasts.ok_or_else(|| invalid("say for how long it is in force"))?.parse::<u64>() {
        Ok(seconds) => state.now().await?.checked_add(Duration::from_secs(seconds)).ok(),
        Err(_) => None,
    };
    let instance = visit.caller().narrow(fields.some("instance").map(Into::into))?;
    let new = NewToken { name: name.to_owned(), role, instance, expires_at };
    let (token, secret) = state.create_token(&new, visit.caller().by()).await?;
    Ok((token, secret.expose().to_owned()))
}

async fn ask_revoke(visit: For<Define>, Path(id): Path<String>) -> Result<Markup, Trouble> {
    let token = theirs(&visit).await?.into_iter().find(|token| token.id.0 == id);
    let token = token.ok_or_else(|| Trouble::not_found("there is no such token"))?;
    let content = html! {
        p { "From now on " strong { (token.name) } " opens nothing: programs that show it are refused, and sessions begun with it end." }
        (visit.who.form(&format!("/tokens/{id}/revoke"), &frame::answers("Revoke", "/tokens", true)))
    };
    Ok(frame::asks(&visit.who, &format!("Revoke {}", token.name), &content))
}

async fn revoke(Path(id): Path<String>, posted: Posted<Define>) -> Result<Response, Trouble> {
    let visit = &posted.visit;
    let caller = visit.caller();
    if !visit.operator.state.revoke_token(&id, caller.instance.as_ref(), caller.by()).await? {
        return Err(Trouble::not_found("there is no such token in force"));
    }
    Ok(Redirect::to(&Flash::Revoked.at("/tokens")).into_response())
}
