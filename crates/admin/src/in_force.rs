//! Whoever changes something is answered once it is in force in this daemon: the next event finds it so.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use tokio::time::timeout;

use crate::house::House;

/// For the daemon to take it up. Where its state is away, it does so when that is back.
const TAKEN_UP: Duration = Duration::from_secs(1);

/// Holds back the answer to what may have changed something.
pub(crate) async fn answered(State(house): State<House>, request: Request, next: Next) -> Response {
    let is_safe = request.method().is_safe();
    let response = next.run(request).await;
    let status = response.status();
    if !is_safe && !status.is_client_error() && !status.is_server_error() {
        let _ = timeout(TAKEN_UP, house.status().changes_in_force()).await;
    }
    response
}
