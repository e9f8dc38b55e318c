//! Taking connections: as many as there is room for, with limits on how long anything may take, with or without TLS.

mod tls;

use domain::LogEvent;
use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, StatusCode, header},
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;
use tower_http::{catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer, timeout::TimeoutLayer};
use tracing::{debug, warn};

pub use tls::TlsError;
pub(crate) use tls::{Tls, chain};

use crate::house::House;

/// Connections at a time; whoever comes beyond that waits until one is given back.
const CONNECTIONS: usize = 256;
/// From the first byte of a request's head to the last, and for a TLS handshake.
const HEAD: Duration = Duration::from_secs(10);
/// For an answer to begin.
const ANSWER: Duration = Duration::from_mins(1);
/// For somebody to read on: whoever does not gives the connection back.
const READ_ON: Duration = Duration::from_secs(30);
/// Of a request's body, in bytes.
const BODY: usize = 1024 * 1024;
/// After the system had no file or memory for another connection.
const PAUSE: Duration = Duration::from_millis(100);
/// How long connections under way are waited for at the end.
const GRACE: Duration = Duration::from_secs(1);

/// From where a request comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// With the limits that hold for every route, and what browsers are told of every answer: to keep none, to guess nothing, and to
/// run nothing of it. Routes that mean it otherwise say so themselves.
pub(crate) fn bounded(routes: Router<House>) -> Router<House> {
    let unless_said = |name, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    routes
        .layer(DefaultBodyLimit::max(BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER))
        .layer(CatchPanicLayer::new())
        .layer(unless_said(header::CACHE_CONTROL, "no-store"))
        .layer(unless_said(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(unless_said(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
}

/// Answers until `stop` is over, and then lets those finish that are under way, for a moment.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    routes: Router,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let (room, graceful) = (Arc::new(Semaphore::new(CONNECTIONS)), GracefulShutdown::new());
    let tls = tls.map(Arc::new);
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        // Those that ended are forgotten: no more are remembered than there is room for.
        while connections.try_join_next().is_some() {}
        let permit = tokio::select! {
            () = &mut stop => break,
            permit = Arc::clone(&room).acquire_owned() => permit.expect("it is never closed"),
        };
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            // It went away again, or there is no room in the system.
            Err(error) => {
                warn!(event = LogEvent::AdminAcceptFailed.name(), %error, "a connection could not be taken");
                sleep(PAUSE).await;
                continue;
            }
        };
        let (routes, watcher, tls) = (routes.clone(), graceful.watcher(), tls.clone());
        connections.spawn(async move {
            let _permit = permit;
            let Some(tls) = tls else { return answer(stream, peer, routes, watcher).await };
            if let Some(stream) = handshake(&tls, stream).await {
                answer(stream, peer, routes, watcher).await;
            } else {
                debug!(%peer, "a connection did not come to TLS");
            }
        });
    }
    let finished = async {
        graceful.shutdown().await;
        while connections.join_next().await.is_some() {}
    };
    let _ = timeout(GRACE, finished).await;
    Ok(())
}

async fn handshake(tls: &Tls, stream: TcpStream) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    timeout(HEAD, tls.acceptor().accept(stream)).await.ok()?.ok()
}

async fn answer<S>(stream: S, peer: SocketAddr, routes: Router, watcher: hyper_util::server::graceful::Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = routes.map_request(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        request
    });
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(READ_ON));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(service));
    if let Err(error) = watcher.watch(connection).await {
        debug!(%peer, %error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_read_their_answer_gives_the_connection_back() {
        let routes = Router::new().route("/", get(async || "x".repeat(1024 * 1024)));
        let (mut theirs, ours) = tokio::io::duplex(4096);
        theirs.write_all(b"GET / HTTP/1.1\r\nhost: us\r\n\r\n").await.expect("there is room");
        let (begin, graceful) = (tokio::time::Instant::now(), GracefulShutdown::new());
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        answer(ours, peer, routes, graceful.watcher()).await;
        assert_eq!(begin.elapsed().as_secs(), READ_ON.as_secs());
        drop(theirs);
    }
}
