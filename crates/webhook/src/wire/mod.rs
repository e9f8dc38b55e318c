//! The HTTP client: sends one request over one hop and says what stood in the way.
//!
//! HTTP/1.1 over TCP or TLS (rustls with ring), no proxy, no redirect, no retry of its own, no decompression: what
//! happens beyond one request is decided in `deliver`. Time is kept there too, except for connecting.

mod tls;
mod trouble;
mod witness;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    Client, Method, Request, Response,
    header::{HeaderMap, HeaderValue},
    redirect, retry,
};
use url::Url;

use self::witness::{Watched, WitnessLayer};
pub(crate) use self::{trouble::Trouble, witness::Hop};
use crate::{DeliveryError, DeliveryOptions, egress::Guard, excerpt::Excerpt};

/// Shorter than what common balancers and servers keep an idle connection for (60 s and more), so that it is mostly this
/// side that closes it.
const IDLE: Duration = Duration::from_secs(55);

/// Idle connections that are kept to one host: hundreds of targets may share it.
const IDLE_PER_HOST: usize = 1024;

/// Two clients that differ in one thing: `fresh` never reuses a connection.
#[derive(Debug)]
pub(crate) struct Wire {
    pooled: Client,
    fresh: Client,
    guard: Arc<Guard>,
    max_answer: usize,
}

impl Wire {
    /// Trusts what the system trusts and, beyond that, `authorities`.
    pub(crate) fn new(options: &DeliveryOptions, authorities: &[&[u8]]) -> Result<Self, DeliveryError> {
        let user_agent = HeaderValue::try_from(&options.user_agent)
            .map_err(|_| DeliveryError::UserAgent(options.user_agent.clone()))?;
        let tls = tls::config(authorities)?;
        let guard = Arc::new(Guard::new(&options.egress));
        let client = |idle_per_host| {
            Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .dns_resolver(Arc::clone(&guard))
                .connector_layer(WitnessLayer)
                .connect_timeout(options.connect_timeout)
                .user_agent(user_agent.clone())
                .no_proxy()
                .referer(false)
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .http1_only()
                .tcp_nodelay(true)
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(idle_per_host)
                .build()
                .map_err(DeliveryError::Client)
        };
        Ok(Self { pooled: client(IDLE_PER_HOST)?, fresh: client(0)?, guard, max_answer: options.max_answer })
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// POSTs over a connection from the pool, or over a new one.
    pub(crate) async fn send(&self, hop: &Hop, letter: Letter<'_>) -> Result<Response, Trouble> {
        self.send_with(&self.pooled, hop, letter).await
    }

    /// POSTs over a new connection, which is not kept.
    pub(crate) async fn send_afresh(&self, hop: &Hop, letter: Letter<'_>) -> Result<Response, Trouble> {
        self.send_with(&self.fresh, hop, letter).await
    }

    async fn send_with(&self, client: &Client, hop: &Hop, letter: Letter<'_>) -> Result<Response, Trouble> {
        self.guard.literal(letter.url)?;
        let mut request = Request::new(Method::POST, letter.url.clone());
        *request.headers_mut() = letter.headers;
        *request.body_mut() = Some(reqwest::Body::wrap(Watched::new(letter.body.clone(), hop)));
        hop.watch(client.execute(request)).await.map_err(|error| Trouble::of(&error, hop))
    }

    /// Reads what is left of an answer, so that its connection can be used again; at most so much of it, or what the target
    /// says if that is less.
    ///
    /// The head has said everything, so a body that breaks off is no failure. A connection whose answer is not read to
    /// its end is closed.
    pub(crate) async fn drain(&self, mut answer: Response, most: Option<u64>, excerpt: &mut Excerpt) {
        let most = most.and_then(|most| usize::try_from(most).ok());
        let mut left = most.map_or(self.max_answer, |most| most.min(self.max_answer));
        while let Ok(Some(chunk)) = answer.chunk().await {
            excerpt.take(&chunk[..chunk.len().min(left)]);
            match left.checked_sub(chunk.len()) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }
}

/// What is sent, and where. The headers are given away: copying them would cost more than making them.
pub(crate) struct Letter<'a> {
    pub(crate) url: &'a Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: &'a Bytes,
}
