use std::{
    io,
    time::{Duration, Instant},
};

use postrider_test_support::{Proxy, ProxyMode, Receiver};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longer than an answer on this machine takes, however busy it is with other tests.
const SILENCE: Duration = Duration::from_millis(400);

async fn client(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.expect("the proxy listens")
}

/// One call over a connection; an answer that does not come is `None`.
async fn call(stream: &mut TcpStream) -> Option<io::Result<String>> {
    if let Err(error) = stream.write_all(b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n").await {
        return Some(Err(error));
    }
    let mut answer = vec![0; 1024];
    let read = timeout(SILENCE, stream.read(&mut answer)).await.ok()?;
    Some(read.map(|length| String::from_utf8_lossy(&answer[..length]).into_owned()))
}

fn is_ok(answer: Option<io::Result<String>>) -> bool {
    answer.is_some_and(|answer| answer.is_ok_and(|text| text.starts_with("HTTP/1.1 200")))
}

/// Closed by the other side, in whichever way.
fn is_closed(answer: Option<io::Result<String>>) -> bool {
    answer.is_some_and(|answer| answer.is_err() || answer.is_ok_and(|text| text.is_empty()))
}

#[tokio::test]
async fn a_proxy_passes_what_is_said_both_ways() {
    let receiver = Receiver::ok();
    let proxy = Proxy::to(receiver.address());
    let mut stream = client(&proxy).await;
    assert!(is_ok(call(&mut stream).await));
    assert!(is_ok(call(&mut stream).await), "the connection stays open");
    assert_eq!((receiver.count(), proxy.accepted()), (2, 1));
}

#[tokio::test]
async fn a_proxy_that_drops_cuts_every_connection_old_and_new() {
    let receiver = Receiver::ok();
    let proxy = Proxy::to(receiver.address());
    let mut stream = client(&proxy).await;
    assert!(is_ok(call(&mut stream).await));
    proxy.set(ProxyMode::Drop);
    assert!(is_closed(call(&mut stream).await));
    assert!(is_closed(call(&mut client(&proxy).await).await));
    proxy.set(ProxyMode::Pass);
    assert!(is_ok(call(&mut client(&proxy).await).await));
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn a_proxy_that_refuses_listens_again_later() {
    let receiver = Receiver::ok();
    let proxy = Proxy::to(receiver.address());
    let mut stream = client(&proxy).await;
    proxy.set(ProxyMode::Refuse);
    let refused = TcpStream::connect(proxy.address()).await.expect_err("nobody listens");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(is_closed(call(&mut stream).await));
    proxy.set(ProxyMode::Pass);
    assert!(is_ok(call(&mut client(&proxy).await).await));
}

#[tokio::test]
async fn a_proxy_that_delays_is_slow_in_both_directions() {
    let receiver = Receiver::ok();
    let proxy = Proxy::to(receiver.address());
    let mut stream = client(&proxy).await;
    proxy.set(ProxyMode::Delay(Duration::from_millis(100)));
    let began = Instant::now();
    stream.write_all(b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n").await.expect("it is open");
    assert!(stream.read(&mut [0; 1024]).await.is_ok_and(|length| length > 0));
    assert!(began.elapsed() >= Duration::from_millis(200), "it took {:?}", began.elapsed());
    proxy.set(ProxyMode::Pass);
    assert!(is_ok(call(&mut stream).await));
}

#[tokio::test]
async fn a_half_open_proxy_takes_everything_and_answers_nothing() {
    let receiver = Receiver::ok();
    let proxy = Proxy::to(receiver.address());
    let mut old = client(&proxy).await;
    assert!(is_ok(call(&mut old).await));
    proxy.set(ProxyMode::HalfOpen);
    let mut new = client(&proxy).await;
    assert!(call(&mut old).await.is_none(), "an open connection is silent");
    assert!(call(&mut new).await.is_none(), "so is a new one");
    assert_eq!(receiver.count(), 1, "nothing has arrived");

    // What was swallowed is gone: those connections are dead for good, and nobody tells.
    receiver.cut();
    proxy.set(ProxyMode::Pass);
    assert!(call(&mut old).await.is_none());
    assert!(is_ok(call(&mut client(&proxy).await).await));
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn a_connection_ends_when_either_end_closes_it() {
    let receiver = Receiver::ok();
    let proxy = Proxy::to(receiver.address());
    let mut stream = client(&proxy).await;
    assert!(is_ok(call(&mut stream).await));
    receiver.cut();
    assert!(stream.read(&mut [0; 16]).await.is_ok_and(|length| length == 0), "the client hears of it");
    let address = proxy.address();
    drop(proxy);
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
