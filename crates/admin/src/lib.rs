//! HTTP for operators: health and figures, on `admin.listen`.
//!
//! - `GET /healthz`: 200 while the process runs.
//! - `GET /readyz`: 200 while it can do its work (also while no target is its own), else 503 with the reason in a sentence.
//! - `GET /metrics`: figures for Prometheus.
//!
//! Nothing here changes anything, and nothing here says anything about an event or a secret; still, listen on an
//! address that only operators reach.

use std::{future::Future, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use domain::Timestamp;
use engine::{Readiness, Status};
use tokio::net::TcpListener;

/// Why there is no admin interface.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address is taken, or not this machine's.
    #[error("failed to listen on {address} (admin.listen)")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The listener broke down.
    #[error("failed to serve the admin interface")]
    Serve(#[source] std::io::Error),
}

/// The admin interface, bound and not yet served.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    status: Arc<Status>,
}

impl Admin {
    /// Takes the address.
    pub async fn bind(address: SocketAddr, status: Arc<Status>) -> Result<Self, AdminError> {
        let listener = TcpListener::bind(address).await.map_err(|source| AdminError::Listen { address, source })?;
        Ok(Self { listener, status })
    }

    /// Where it listens: the port that the system chose, if it was asked to.
    pub fn address(&self) -> Result<SocketAddr, AdminError> {
        self.listener.local_addr().map_err(AdminError::Serve)
    }

    /// Answers until `stop` is over.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), AdminError> {
        let app = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(self.status);
        axum::serve(self.listener, app).with_graceful_shutdown(stop).await.map_err(AdminError::Serve)
    }
}

async fn readyz(State(status): State<Arc<Status>>) -> impl IntoResponse {
    match status.readiness() {
        Readiness::Ready => (StatusCode::OK, "ready\n".to_owned()),
        Readiness::NotReady(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

#[expect(clippy::disallowed_methods, reason = "ages are counted when the figures are asked for")]
async fn metrics(State(status): State<Arc<Status>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], status.metrics(Timestamp::now()))
}
