//! How far a request came: whether it was sent at all, and whether over a connection that had been used before.
//!
//! An error does not tell, and neither does a timeout. But two things are seen from here: this request's own dialling
//! (the connector runs in the task of the request that needs it) and the moment hyper takes the body, which it does when
//! it has a connection to write to. A body that is taken before our own dialling is done goes out on another's connection.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tower_layer::Layer;
use tower_service::Service;

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

/// Puts a witness around the connector.
#[derive(Clone, Copy)]
pub(crate) struct WitnessLayer;

impl<S> Layer<S> for WitnessLayer {
    type Service = Witness<S>;

    fn layer(&self, connector: S) -> Witness<S> {
        Witness(connector)
    }
}

/// Tells the hop that dials when its connection is made, TLS included.
#[derive(Clone)]
pub(crate) struct Witness<S>(S);

impl<S, R> Service<R> for Witness<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let hop = HOP.try_with(Hop::clone).ok();
        let dialling = self.0.call(request);
        Box::pin(async move {
            let connection = dialling.await?;
            if let Some(hop) = hop {
                hop.0.connected.store(true, Ordering::Release);
            }
            Ok(connection)
        })
    }
}
