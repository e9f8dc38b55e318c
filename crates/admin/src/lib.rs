//! HTTP for operators, on `admin.listen`.
//!
//! - `GET /healthz`, `GET /readyz`: whether the process runs, and whether it can do its work. Open to everybody.
//! - `GET /oauth/v2/keys`: the public keys that JWTs are signed with, as JWKS. Open to everybody.
//! - `GET /metrics`: figures for Prometheus.
//! - `/`: the console ([`console`]), for people.
//! - `/v2/actions/…`, `/v2beta/actions/…`, `/zitadel.action.v2.ActionService/…`: what ZITADEL's clients speak ([`zitadel`]).
//! - `/api/v1/…`: everything that the command line can do ([`api`]), described at `/openapi.json` and `/docs`.
//!
//! The cast: [`Admin`] binds the address and serves; [`House`] is what handlers are given; [`auth`] stands before every route but
//! health and finds out who asks; [`listen`] takes connections, as many as it has room for, with or without TLS; [`rates`] remembers
//! how often each target was called lately. [`healthcheck`] is the other side: it asks a daemon how it is.
//!
//! Invariants: nothing but health and public keys is answered without a token in force; whoever is bound to an instance sees and changes only that
//! instance (`operate` keeps it); no secret, payload or header is logged; an answer never waits for a database that is away for
//! longer than its time limit.

mod api;
mod auth;
mod console;
mod health;
mod healthcheck;
mod house;
mod in_force;
mod jwks;
mod listen;
mod may;
mod openapi;
mod problem;
mod rates;
mod zitadel;

use std::{future::Future, net::SocketAddr, path::PathBuf, sync::Arc};

use engine::Status;
use operate::Operator;
use tokio::net::TcpListener;

pub use healthcheck::{Health, HealthError, Said, health};
pub use listen::TlsError;

use house::House;

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
    /// The certificate or its key cannot be used.
    #[error("the certificate of the admin interface cannot be used (admin.tls)")]
    Tls(#[source] TlsError),
    /// The listener broke down.
    #[error("failed to serve the admin interface")]
    Serve(#[source] std::io::Error),
}

/// How the admin interface is served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminOptions {
    /// Where.
    pub listen: SocketAddr,
    /// Files with the certificate's chain and its key, in PEM; none: without TLS.
    pub tls: Option<TlsFiles>,
    /// Whether `/metrics` is answered without a token.
    pub open_metrics: bool,
}

/// Where the certificate is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The admin interface, bound and not yet served.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    tls: Option<listen::Tls>,
    house: House,
}

/// With which a running admin interface is told what there is to manage.
#[derive(Clone, Debug)]
pub struct Opening(House);

impl Admin {
    /// Takes the address, and reads the certificate.
    pub async fn bind(options: &AdminOptions, status: Arc<Status>) -> Result<Self, AdminError> {
        let address = options.listen;
        let tls = options.tls.as_ref().map(listen::Tls::read).transpose().map_err(AdminError::Tls)?;
        let listener = TcpListener::bind(address).await.map_err(|source| AdminError::Listen { address, source })?;
        let house = House::new(status, options.open_metrics, tls.is_some());
        Ok(Self { listener, tls, house })
    }

    /// Where it listens: the port that the system chose, if it was asked to.
    pub fn address(&self) -> Result<SocketAddr, AdminError> {
        self.listener.local_addr().map_err(AdminError::Serve)
    }

    /// For when the databases are reached; until then everything but health is answered with 503.
    #[must_use]
    pub fn opening(&self) -> Opening {
        Opening(self.house.clone())
    }

    /// Answers until `stop` is over.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) -> Result<(), AdminError> {
        let (routes, house) = (routes(&self.house), &self.house);
        let stop = async {
            stop.await;
            // Streams of pages that are open end by themselves, so that nobody waits for their browsers.
            house.stopping().cancel();
        };
        tokio::select! {
            served = listen::serve(self.listener, self.tls, routes, stop) => served.map_err(AdminError::Serve),
            never = rates::sample(house) => match never {},
        }
    }
}

impl Opening {
    /// From now on there is something to manage.
    pub fn open(&self, operator: Operator) {
        self.0.open(operator);
    }
}

/// Every route: those before the door, and those behind it.
fn routes(house: &House) -> axum::Router {
    let (api, description) = api::routes();
    let behind = axum::Router::new()
        .merge(api)
        .merge(openapi::routes())
        .merge(health::metrics())
        .merge(console::routes())
        .merge(zitadel::router())
        .layer(axum::middleware::from_fn_with_state(house.clone(), in_force::answered))
        .layer(axum::Extension(Arc::new(description)))
        .layer(axum::middleware::from_fn_with_state(house.clone(), auth::door));
    let before = health::routes().merge(jwks::routes()).merge(console::entrance());
    listen::bounded(before.merge(behind)).with_state(house.clone())
}
