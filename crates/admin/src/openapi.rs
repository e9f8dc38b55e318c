//! The description of the API: as it is, and as a page.

use std::sync::Arc;

use aide::openapi::OpenApi;
use axum::{Extension, Json, Router, routing::get};

use crate::house::House;

/// Both, behind the door.
pub(crate) fn routes(description: OpenApi) -> Router<House> {
    Router::new().route("/openapi.json", get(json)).layer(Extension(Arc::new(description)))
}

async fn json(Extension(description): Extension<Arc<OpenApi>>) -> Json<OpenApi> {
    Json((*description).clone())
}
