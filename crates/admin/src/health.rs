//! Health and figures.
//!
//! Nothing here changes anything, and nothing here says anything about an event or a secret.

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use engine::Readiness;

use crate::house::House;

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

async fn figures(State(house): State<House>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], house.status().metrics(operate::now()))
}
