//! Health and figures.
//!
//! Nothing here changes anything, and nothing here says anything about an event or a secret.

use axum::{
    Extension, Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use engine::Readiness;
use operate::Caller;

use crate::{house::House, problem::Problem};

/// Open to everybody.
pub(crate) fn routes() -> Router<House> {
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(readyz))
}

/// Behind the door, unless `admin.open_metrics`.
pub(crate) fn metrics() -> Router<House> {
    Router::new().route(METRICS, get(figures))
}

/// What the door may leave open.
pub(crate) const METRICS: &str = "/metrics";

async fn readyz(State(house): State<House>) -> impl IntoResponse {
    match house.status().readiness() {
        Readiness::Ready => (StatusCode::OK, "ready\n".to_owned()),
        Readiness::NotReady(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

/// Figures are of the whole house: whoever is bound to an instance is not told of the others.
async fn figures(State(house): State<House>, caller: Option<Extension<Caller>>) -> Result<impl IntoResponse, Problem> {
    if caller.is_some_and(|Extension(caller)| caller.instance.is_some()) {
        let detail = "figures are of all instances, and this token is of one";
        return Err(Problem::new(StatusCode::FORBIDDEN, "denied", detail));
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], house.status().metrics(operate::now())))
}
