//! Tokens: who may manage postrider over HTTP.

use aide::axum::{
    ApiRouter,
    routing::{delete_with, get_with},
};
use axum::Json;
use domain::{Role, Timestamp};
use operate::OperateError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{NewToken, Token};

use super::{
    does,
    extract::{Body, Define, Desk, In},
};
use crate::{house::House, problem::Problem};

pub(super) fn routes() -> ApiRouter<House> {
    ApiRouter::new()
        .api_route(
            "/tokens",
            get_with(list, does("Every token, without its secret"))
                .post_with(create, does("Make a token; its secret is shown this once")),
        )
        .api_route("/tokens/{name}", delete_with(revoke, does("Make a token worth nothing")))
}

/// A token as it is listed.
#[derive(Serialize, JsonSchema)]
struct Line {
    /// By which it can be revoked, as by its name.
    id: String,
    /// For people, and for the audit.
    name: String,
    /// `admin`, `operator` or `viewer`.
    #[schemars(with = "String")]
    role: Role,
    /// The only instance that its holder sees and changes.
    instance: Option<String>,
    /// Who made it.
    created_by: String,
    /// When.
    created_at: Timestamp,
    /// From when on it is worth nothing.
    expires_at: Option<Timestamp>,
    /// Since when it is worth nothing.
    revoked_at: Option<Timestamp>,
    /// To the minute.
    last_used_at: Option<Timestamp>,
}

impl Line {
    fn of(token: Token) -> Self {
        Self {
            id: token.id.0,
            name: token.name,
            role: token.role,
            instance: token.instance.map(|instance| instance.to_string()),
            created_by: token.created_by,
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
            last_used_at: token.last_used_at,
        }
    }
}

async fn list(desk: Desk<Define>) -> Result<Json<Vec<Line>>, Problem> {
    let tokens = desk.operator.state.tokens().await?.into_iter();
    Ok(Json(tokens.filter(|token| desk.caller.owns(token.instance.as_ref())).map(Line::of).collect()))
}

/// What a token shall be.
#[derive(Deserialize, JsonSchema)]
struct Wanted {
    /// Unique among those in force.
    #[schemars(length(min = 1, max = 200))]
    name: String,
    /// `admin`, `operator` or `viewer`.
    #[schemars(with = "String")]
    role: Role,
    /// The only instance that its holder sees and changes; an admin who is bound to one makes tokens of that one.
    instance: Option<String>,
    /// From when on it is worth nothing.
    expires_at: Option<Timestamp>,
}

/// A token that was made.
#[derive(Serialize, JsonSchema)]
struct Made {
    /// The secret: it is shown this once.
    token: String,
    #[serde(flatten)]
    line: Line,
}

async fn create(desk: Desk<Define>, Body(wanted): Body<Wanted>) -> Result<Json<Made>, Problem> {
    let name = wanted.name.trim();
    if name.is_empty() || name.chars().count() > 200 || name.contains(char::is_control) {
        return Err(Problem::invalid("a name of 1 to 200 characters is needed"));
    }
    let instance = desk.caller.narrow(wanted.instance.map(Into::into))?;
    let new = NewToken { name: name.to_owned(), role: wanted.role, instance, expires_at: wanted.expires_at };
    let (token, text) = desk.operator.state.create_token(&new, desk.caller.by()).await?;
    Ok(Json(Made { token: text.expose().to_owned(), line: Line::of(token) }))
}

/// A token in a path.
#[derive(Deserialize, JsonSchema)]
struct OfToken {
    /// Its name or id.
    name: String,
}

/// That it is done.
#[derive(Serialize, JsonSchema)]
struct Revoked {
    /// Always.
    revoked: bool,
}

async fn revoke(desk: Desk<Define>, In(of): In<OfToken>) -> Result<Json<Revoked>, Problem> {
    let own = desk.caller.instance.as_ref();
    if !desk.operator.state.revoke_token(&of.name, own, desk.caller.by()).await? {
        return Err(OperateError::NotFound(format!("there is no token {:?} in force", of.name)).into());
    }
    Ok(Json(Revoked { revoked: true }))
}
