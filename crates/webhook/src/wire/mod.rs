//! The HTTP client: sends one request over one hop and says what stood in the way.
//!
//! HTTP/1.1 over TCP or TLS (rustls with ring), no proxy, no redirect, no retry of its own, no decompression: what
//! happens beyond one request is decided in `deliver`. Time is kept there too, except for connecting.

mod tls;
mod trouble;
mod witness;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Uri,
    header::{ACCEPT, USER_AGENT},
};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, dns::Name},
    },
    rt::{TokioExecutor, TokioTimer},
};
use tower_service::Service;
use url::Url;

use self::witness::{Watched, Witness};
pub(crate) use self::{trouble::Trouble, witness::Hop};
use crate::{
    DeliveryError, DeliveryOptions,
    egress::{DialError, Guard},
    excerpt::Excerpt,
};

/// Shorter than what common balancers and servers keep an idle connection for (60 s and more), so that it is mostly this
/// side that closes it.
const IDLE: Duration = Duration::from_secs(55);

/// Idle connections that are kept to one host: hundreds of targets may share it.
const IDLE_PER_HOST: usize = 1024;

/// The kernel asks after so long, and as often, whether the other side of an idle connection is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

type Connector = Witness<HttpsConnector<HttpConnector<Names>>>;

/// An answer whose body is still to be read.
pub(crate) type Response = http::Response<Incoming>;

/// TLS towards those whom the system trusts.
pub(crate) fn trusting_the_system() -> Result<Arc<rustls::ClientConfig>, DeliveryError> {
    tls::config(&[]).map(Arc::new)
}

/// Two clients that differ in one thing: `fresh` never reuses a connection.
#[derive(Debug)]
pub(crate) struct Wire {
    pooled: Client<Connector, Watched>,
    fresh: Client<Connector, Watched>,
    user_agent: HeaderValue,
    guard: Arc<Guard>,
    max_answer: usize,
}

impl Wire {
    /// Trusts what the system trusts and, beyond that, `authorities`.
    pub(crate) fn new(options: &DeliveryOptions, authorities: &[&[u8]]) -> Result<Self, DeliveryError> {
        let user_agent = HeaderValue::try_from(&options.user_agent)
            .map_err(|_| DeliveryError::UserAgent(options.user_agent.clone()))?;
        let tls = Arc::new(tls::config(authorities)?);
        let guard = Arc::new(Guard::new(&options.egress));
        let client = |idle_per_host| {
            let mut tcp = HttpConnector::new_with_resolver(Names(Arc::clone(&guard)));
            tcp.enforce_http(false);
            tcp.set_nodelay(true);
            tcp.set_keepalive(Some(KEEP_ALIVE));
            tcp.set_keepalive_interval(Some(KEEP_ALIVE));
            let connector = Witness::new(HttpsConnector::from((tcp, Arc::clone(&tls))), options.connect_timeout);
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(idle_per_host)
                .build(connector)
        };
        let (pooled, fresh) = (client(IDLE_PER_HOST), client(0));
        Ok(Self { pooled, fresh, user_agent, guard, max_answer: options.max_answer })
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

    async fn send_with(
        &self,
        client: &Client<Connector, Watched>,
        hop: &Hop,
        letter: Letter<'_>,
    ) -> Result<Response, Trouble> {
        self.guard.literal(letter.url)?;
        let uri: Uri =
            letter.url.as_str().parse().map_err(|error: http::uri::InvalidUri| Trouble::Broken(error.to_string()))?;
        let mut request = Request::new(Watched::new(letter.body.clone(), hop));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = letter.headers;
        let headers = request.headers_mut();
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        headers.entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        hop.watch(client.request(request)).await.map_err(|error| Trouble::of(&error, hop))
    }

    /// Reads what is left of an answer, so that its connection can be used again; at most so much of it, or what the target
    /// says if that is less.
    ///
    /// The head has said everything, so a body that breaks off is no failure. A connection whose answer is not read to
    /// its end is closed.
    pub(crate) async fn drain(&self, mut answer: Response, most: Option<u64>, excerpt: &mut Excerpt) {
        let most = most.and_then(|most| usize::try_from(most).ok());
        let mut left = most.map_or(self.max_answer, |most| most.min(self.max_answer));
        while let Some(Ok(frame)) = answer.body_mut().frame().await {
            let Some(chunk) = frame.data_ref() else { continue };
            excerpt.take(&chunk[..chunk.len().min(left)]);
            match left.checked_sub(chunk.len()) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }
}

/// Looks up names as the guard allows.
#[derive(Clone, Debug)]
pub(crate) struct Names(Arc<Guard>);

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<std::net::SocketAddr>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = Arc::clone(&self.0);
        Box::pin(async move { Ok(guard.resolve(name.as_str()).await?.into_iter()) })
    }
}

/// What is sent, and where. The headers are given away: copying them would cost more than making them.
pub(crate) struct Letter<'a> {
    pub(crate) url: &'a Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: &'a Bytes,
}
