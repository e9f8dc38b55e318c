//! The description of the API for programs. For people it is a page of the console.

use std::sync::Arc;

use aide::openapi::OpenApi;
use axum::{Extension, Json, Router, routing::get};

use crate::house::House;

/// Behind the door.
pub(crate) fn routes() -> Router<House> {
    Router::new().route("/openapi.json", get(json))
}

async fn json(Extension(description): Extension<Arc<OpenApi>>) -> Json<OpenApi> {
    Json((*description).clone())
}
