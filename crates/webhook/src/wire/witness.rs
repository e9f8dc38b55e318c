//! How far a request came: whether it was sent at all, and whether over a connection that had been used before.
//!
//! An error does not tell, and neither does a timeout. But two things are seen from here: this request's own dialling
//! (the connector runs in the task of the request that needs it) and the moment hyper takes the body, which it does when
//! it has a connection to write to. A body that is taken before our own dialling is done goes out on another's connection.

use std::{
    convert::Infallible,
    error::Error,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Uri;
use http_body::{Body, Frame, SizeHint};
use tokio::time::timeout;
use tower_service::Service;

type BoxError = Box<dyn Error + Send + Sync>;

tokio::task_local! {
    static HOP: Hop;
}

/// One sending of one request.
#[derive(Clone, Default)]
pub(crate) struct Hop(Arc<Seen>);

#[derive(Default)]
struct Seen {
    connected: AtomicBool,
    sent: AtomicBool,
    reused: AtomicBool,
}

impl Hop {
    /// Whether hyper began to write the request.
    pub(crate) fn sent(&self) -> bool {
        self.0.sent.load(Ordering::Acquire)
    }

    /// Whether it was written to a connection that this request did not make.
    pub(crate) fn reused(&self) -> bool {
        self.0.reused.load(Ordering::Acquire)
    }

    /// Runs the request so that its dialling is seen.
    pub(crate) fn watch<F: Future>(&self, request: F) -> impl Future<Output = F::Output> {
        HOP.scope(self.clone(), request)
    }

    fn taken(&self) {
        self.0.reused.store(!self.0.connected.load(Ordering::Acquire), Ordering::Release);
        self.0.sent.store(true, Ordering::Release);
    }
}

/// A body of one piece that tells when it is taken.
pub(crate) struct Watched {
    bytes: Option<Bytes>,
    hop: Hop,
}

impl Watched {
    pub(crate) fn new(bytes: Bytes, hop: &Hop) -> Self {
        Self { bytes: Some(bytes), hop: hop.clone() }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = self.bytes.take();
        if bytes.is_some() {
            self.hop.taken();
        }
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// Puts a witness around a connector: it tells the hop that dials when its connection is made, TLS included, and ends the
/// dialling when it takes too long.
#[derive(Clone, Debug)]
pub(crate) struct Witness<S> {
    connector: S,
    timeout: Duration,
}

/// A connection was not made in time.
#[derive(Debug, thiserror::Error)]
#[error("timed out")]
pub(crate) struct ConnectTimeout;

impl<S> Witness<S> {
    pub(crate) fn new(connector: S, timeout: Duration) -> Self {
        Self { connector, timeout }
    }
}

impl<S> Service<Uri> for Witness<S>
where
    S: Service<Uri>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let hop = HOP.try_with(Hop::clone).ok();
        let dialling = timeout(self.timeout, self.connector.call(uri));
        Box::pin(async move {
            let connection = dialling.await.map_err(|_| ConnectTimeout)?.map_err(Into::into)?;
            if let Some(hop) = hop {
                hop.0.connected.store(true, Ordering::Release);
            }
            Ok(connection)
        })
    }
}
