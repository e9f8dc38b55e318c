//! The HTTP client: sends one request over one hop and says what stood in the way.
//!
//! HTTP/1.1 over TCP or TLS (rustls with ring), no proxy, no redirect, no retry of its own, no decompression: what
//! happens beyond one request is decided in `deliver`. Time is kept there too, except for connecting.

mod connection;
mod pool;
mod tls;
mod trouble;

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri,
    header::{ACCEPT, HOST, USER_AGENT},
    uri::PathAndQuery,
};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{HttpConnector, dns::Name};
use tokio::time::timeout;
use tower_service::Service;
use url::{Position, Url};

pub(crate) use self::trouble::Trouble;
use self::{connection::Connection, pool::Pool};
use crate::{
    DeliveryError, DeliveryOptions,
    egress::{DialError, Guard},
    excerpt::Excerpt,
};

/// The kernel asks after so long, and as often, whether the other side of an idle connection is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// TLS towards those whom the system trusts.
pub(crate) fn trusting_the_system() -> Result<Arc<rustls::ClientConfig>, DeliveryError> {
    tls::config(&[]).map(Arc::new)
}

/// How far a request came; what is known also when it is given up.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Hop {
    /// It was handed to a connection, and may have been read by the other side.
    pub(crate) sent: bool,
    /// That connection had been used before.
    pub(crate) reused: bool,
}

/// An answer whose body is still to be read, with the connection that it comes over.
pub(crate) struct Response {
    head: http::Response<Incoming>,
    connection: Connection,
}

impl Response {
    pub(crate) fn status(&self) -> StatusCode {
        self.head.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.head.headers()
    }
}

/// See the module's head.
pub(crate) struct Wire {
    connector: HttpsConnector<HttpConnector<Names>>,
    connect_timeout: Duration,
    pool: Pool,
    user_agent: HeaderValue,
    guard: Arc<Guard>,
    max_answer: usize,
}

impl fmt::Debug for Wire {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Wire").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl Wire {
    /// Trusts what the system trusts and, beyond that, `authorities`.
    pub(crate) fn new(options: &DeliveryOptions, authorities: &[&[u8]]) -> Result<Self, DeliveryError> {
        let user_agent = HeaderValue::try_from(&options.user_agent)
            .map_err(|_| DeliveryError::UserAgent(options.user_agent.clone()))?;
        let tls = Arc::new(tls::config(authorities)?);
        let guard = Arc::new(Guard::new(&options.egress));
        let mut tcp = HttpConnector::new_with_resolver(Names(Arc::clone(&guard)));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEP_ALIVE));
        tcp.set_keepalive_interval(Some(KEEP_ALIVE));
        Ok(Self {
            connector: HttpsConnector::from((tcp, tls)),
            connect_timeout: options.connect_timeout,
            pool: Pool::default(),
            user_agent,
            guard,
            max_answer: options.max_answer,
        })
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// POSTs over a connection that is kept, or over a new one.
    pub(crate) async fn send(&self, hop: &mut Hop, letter: Letter<'_>) -> Result<Response, Trouble> {
        self.guard.literal(letter.url)?;
        match self.pool.take(letter.url) {
            Some(connection) => {
                hop.reused = true;
                self.send_over(connection, hop, letter).await
            }
            None => self.send_afresh(hop, letter).await,
        }
    }

    /// POSTs over a new connection.
    pub(crate) async fn send_afresh(&self, hop: &mut Hop, letter: Letter<'_>) -> Result<Response, Trouble> {
        self.guard.literal(letter.url)?;
        // Boxed, since it is rare: every call would be larger for it.
        let connection = Box::pin(self.connect(letter.url)).await?;
        self.send_over(connection, hop, letter).await
    }

    async fn connect(&self, url: &Url) -> Result<Connection, Trouble> {
        let uri: Uri = url[..Position::BeforePath].parse().map_err(|error| broken(&error))?;
        match timeout(self.connect_timeout, self.connector.clone().call(uri)).await {
            Ok(Ok(stream)) => Connection::over(stream).await.map_err(|error| Trouble::of_connecting(&error)),
            Ok(Err(error)) => Err(Trouble::of_connecting(&*error)),
            Err(_) => Err(Trouble::Unconnected("timed out".to_owned())),
        }
    }

    async fn send_over(
        &self,
        mut connection: Connection,
        hop: &mut Hop,
        letter: Letter<'_>,
    ) -> Result<Response, Trouble> {
        let Letter { url, mut headers, body } = letter;
        let path: PathAndQuery =
            url[Position::BeforePath..Position::AfterQuery].parse().map_err(|error| broken(&error))?;
        let host = HeaderValue::try_from(&url[Position::BeforeHost..Position::AfterPort])
            .map_err(|error| Trouble::Broken(error.to_string()))?;
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        headers.entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        headers.insert(HOST, host);
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.into();
        *request.headers_mut() = headers;
        hop.sent = true;
        match connection.send(request).await {
            Ok(head) => Ok(Response { head, connection }),
            Err(error) => Err(Trouble::of_exchange(&error, hop.reused)),
        }
    }

    /// Reads what is left of an answer, so that its connection can be used again; at most so much of it, or what the target
    /// says if that is less.
    ///
    /// The head has said everything, so a body that breaks off is no failure. A connection whose answer is not read to
    /// its end is closed.
    pub(crate) async fn drain(&self, url: &Url, answer: Response, most: Option<u64>, excerpt: &mut Excerpt) {
        let most = most.and_then(|most| usize::try_from(most).ok());
        let mut left = most.map_or(self.max_answer, |most| most.min(self.max_answer));
        let Response { mut head, mut connection } = answer;
        while let Some(frame) = connection.frame(head.body_mut()).await {
            let Ok(frame) = frame else { return };
            let Some(chunk) = frame.data_ref() else { continue };
            excerpt.take(&chunk[..chunk.len().min(left)]);
            match left.checked_sub(chunk.len()) {
                Some(rest) => left = rest,
                None => return,
            }
        }
        self.pool.put(url, connection);
    }
}

fn broken(error: &http::uri::InvalidUri) -> Trouble {
    Trouble::Broken(error.to_string())
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
