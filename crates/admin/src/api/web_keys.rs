//! What JWTs are signed with, for all targets: its public halves, and another one in its place.

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::Json;
use domain::Timestamp;
use operate::OperateError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{By, Overlap, PublishedKey, WebKeyState};

use super::{
    does,
    extract::{Body, Define, Desk, Look},
};
use crate::{house::House, problem::Problem};

/// For how long receivers have the next key before it is used, in seconds.
const GRACE: u32 = 15 * 60;

pub(super) fn routes() -> ApiRouter<House> {
    ApiRouter::new()
        .api_route(
            "/web-keys",
            get_with(list, does("The keys that JWTs are signed with, as far as they are published")),
        )
        .api_route(
            "/web-keys/rotate",
            post_with(rotate, does("Sign JWTs with another key, which is published at once")),
        )
}

/// A key that is published.
#[derive(Serialize, JsonSchema)]
struct Line {
    /// The `kid` of what is signed with it; none for one that was only rehearsed.
    id: Option<String>,
    /// `next`, `active` or `retired`.
    state: String,
    /// The key itself, as `BEGIN PUBLIC KEY`.
    public_key: String,
    /// When it was made.
    created_at: Timestamp,
    /// From when on it is used.
    active_at: Timestamp,
    /// From when on it is used no more.
    retired_at: Option<Timestamp>,
}

impl Line {
    fn of(key: PublishedKey) -> Self {
        let state = match key.state {
            WebKeyState::Next => "next",
            WebKeyState::Active => "active",
            WebKeyState::Retired => "retired",
        };
        Self {
            id: Some(key.id.to_string()),
            state: state.to_owned(),
            public_key: key.pem,
            created_at: key.created_at,
            active_at: key.active_at,
            retired_at: key.retired_at,
        }
    }
}

async fn list(desk: Desk<Look>) -> Result<Json<Vec<Line>>, Problem> {
    Ok(Json(desk.operator.state.web_keys().await?.into_iter().map(Line::of).collect()))
}

/// How it is rotated.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
struct Rotate {
    /// For how many seconds the key before still signs; 900 if left out.
    #[schemars(range(max = 31_536_000))]
    grace_seconds: Option<u32>,
    /// For keys that leaked: all keys before are worth nothing at once, and are published no more.
    replace: bool,
    /// Why, for the audit.
    reason: Option<String>,
    /// Only say what would come of it.
    dry_run: bool,
}

async fn rotate(desk: Desk<Define>, Body(rotate): Body<Rotate>) -> Result<Json<Line>, Problem> {
    if desk.caller.instance.is_some() {
        let denied = "these keys are every instance's; somebody to whom everything belongs may rotate them";
        return Err(OperateError::Denied(denied.to_owned()).into());
    }
    let overlap = if rotate.replace {
        Overlap::None
    } else {
        Overlap::For(std::time::Duration::from_secs(rotate.grace_seconds.unwrap_or(GRACE).into()))
    };
    let by = By::new(&desk.caller.name).because(rotate.reason.as_deref()).rehearsed(rotate.dry_run);
    let mut line = Line::of(desk.operator.state.rotate_web_key(overlap, by).await?);
    line.id = line.id.filter(|_| !rotate.dry_run);
    Ok(Json(line))
}
