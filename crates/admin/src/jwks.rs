//! The public halves of the keys that bodies are signed with as JWT, for whoever receives them.

use axum::{Json, Router, extract::State, http::header, response::IntoResponse, routing::get};

use crate::{house::House, problem::Problem};

/// For how long receivers may keep the set, in seconds: much shorter than a key is published before its turn.
const MAX_AGE: &str = "public, max-age=300";

/// Open to everybody, as such keys are.
pub(crate) fn routes() -> Router<House> {
    Router::new().route("/oauth/v2/keys", get(keys))
}

async fn keys(State(house): State<House>) -> Result<impl IntoResponse, Problem> {
    let keys = house.operator()?.state.web_keys().await?;
    Ok(([(header::CACHE_CONTROL, MAX_AGE)], Json(store::jwks(&keys))))
}
