//! Connections: made, refused, kept, closed.

use std::{sync::Arc, time::Duration};

use domain::Target;
use tokio::net::TcpListener;
use webhook::{Deliverer, DeliveryOptions};

use crate::{
    OK, SECRET, assert_outcome, deliver, deliverer, options, samples,
    server::{Reply, Server},
};

async fn check(endpoint: &str, expected: &str) {
    assert_outcome(&deliver(&deliverer(), &samples::target(endpoint)).await, expected);
}

#[tokio::test]
async fn a_name_without_an_address_is_the_endpoints_trouble() {
    check("http://nothing.invalid/hook?token=s3cret", "unavailable: cannot resolve nothing.invalid: ").await;
}

#[tokio::test]
async fn a_refused_connection_is_the_endpoints_trouble() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    check(
        &format!("http://{address}{SECRET}"),
        &format!("unavailable: cannot connect to {address}: Connection refused"),
    )
    .await;
}

#[tokio::test]
async fn an_address_that_is_not_public_is_not_called() {
    let server = Server::answering(OK).await;
    let deliverer = Deliverer::new(&DeliveryOptions::default()).expect("valid options");
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1"] {
        let target = samples::target(&format!("http://{host}:{}{SECRET}", server.address.port()));
        let answer = deliver(&deliverer, &target).await;
        assert_outcome(&answer, "unavailable: egress to ");
        assert!(deliverer.refused(&target.endpoint).await.is_some_and(|why| why.contains("no public address")));
    }
    assert!(server.received().is_empty());
    assert_eq!(deliverer.refused(&samples::target("http://nothing.invalid").endpoint).await, None);
    assert_eq!(deliverer.refused(&samples::target("https://1.1.1.1").endpoint).await, None);
}

#[tokio::test]
async fn a_name_is_called_where_it_is_listed_or_where_its_address_is() {
    let server = Server::answering(OK).await;
    for allow in ["localhost", "127.0.0.0/8"] {
        let options = DeliveryOptions { egress: vec![allow.parse().expect("valid")], ..options() };
        let deliverer = Deliverer::new(&options).expect("valid options");
        let target = samples::target(&format!("http://localhost:{}", server.address.port()));
        assert_outcome(&deliver(&deliverer, &target).await, "delivered");
        assert_eq!(deliverer.refused(&target.endpoint).await, None);
    }
}

/// A listener that nobody accepts from takes connections, but no TLS handshake ever ends.
#[tokio::test]
async fn until_there_is_a_connection_a_timeout_is_the_endpoints_trouble() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let short = Duration::from_millis(100);

    let options = DeliveryOptions { connect_timeout: short, ..options() };
    let deliverer = Deliverer::new(&options).expect("valid options");
    let target = samples::target(&format!("https://{address}{SECRET}"));
    let answer = deliver(&deliverer, &target).await;
    assert_outcome(&answer, &format!("unavailable: cannot connect to {address}: timed out"));

    let target = Target { timeout: short, ..target };
    let answer = deliver(&crate::deliverer(), &target).await;
    assert_outcome(&answer, &format!("unavailable: cannot connect to {address}: timed out after 100ms"));
}

#[tokio::test]
async fn one_connection_serves_call_after_call() {
    let server = Server::answering(OK).await;
    let (deliverer, target) = (deliverer(), samples::target(&server.url("/")));
    for _ in 0..50 {
        assert_outcome(&deliver(&deliverer, &target).await, "delivered");
    }
    assert!(server.received().iter().all(|request| request.connection == 0));
}

#[tokio::test]
async fn a_kept_connection_that_is_closed_is_no_failure() {
    let server = Server::start(|request| match request.nth {
        0 => Reply::Send(OK.to_owned()),
        _ => Reply::SendAndClose(String::new()),
    })
    .await;
    let (deliverer, target) = (deliverer(), samples::target(&server.url("/")));
    for _ in 0..2 {
        assert_outcome(&deliver(&deliverer, &target).await, "delivered");
    }
    let bodies: Vec<_> = server.received().into_iter().map(|request| (request.connection, request.body)).collect();
    assert_eq!(bodies.iter().map(|(connection, _)| *connection).collect::<Vec<_>>(), [0, 0, 1]);
    assert_eq!(bodies[1].1, bodies[2].1);
}

#[tokio::test]
async fn a_second_close_is_a_failure() {
    let server = Server::start(|request| match (request.connection, request.nth) {
        (0, 0) => Reply::Send(OK.to_owned()),
        _ => Reply::SendAndClose(String::new()),
    })
    .await;
    let (deliverer, target) = (deliverer(), samples::target(&server.url(SECRET)));
    assert_outcome(&deliver(&deliverer, &target).await, "delivered");
    let answer = deliver(&deliverer, &target).await;
    assert_outcome(&answer, &format!("failed: {} closed the connection before answering", server.address));
    assert_eq!(server.received().len(), 3);
}

#[tokio::test]
async fn a_new_connection_that_is_closed_is_a_failure_at_once() {
    for reply in ["", "HTTP/1.1 200 OK\r\nConte"] {
        let server = Server::start(|_| Reply::SendAndClose(reply.to_owned())).await;
        let answer = deliver(&deliverer(), &samples::target(&server.url(SECRET))).await;
        assert_outcome(&answer, &format!("failed: {} closed the connection before answering", server.address));
        assert_eq!(server.received().len(), 1);
    }
}

/// All of them at once find their kept connections closed: the second sending must not meet another such connection.
#[tokio::test]
async fn a_pool_of_dead_connections_costs_no_failure() {
    const CALLS: usize = 20;
    let gate = Arc::new(tokio::sync::Barrier::new(CALLS));
    let server = Server::start(|request| match request.nth {
        0 => Reply::Send(OK.to_owned()),
        _ => Reply::SendAndClose(String::new()),
    })
    .await;
    let deliverer = deliverer();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..CALLS {
        let (deliverer, target, gate) = (deliverer.clone(), samples::target(&server.url("/")), Arc::clone(&gate));
        calls.spawn(async move {
            for _ in 0..2 {
                gate.wait().await;
                assert_outcome(&deliver(&deliverer, &target).await, "delivered");
            }
        });
    }
    while let Some(call) = calls.join_next().await {
        call.expect("every call is delivered");
    }
}

#[tokio::test]
async fn an_answer_that_comes_in_pieces_is_read_to_its_end_and_its_connection_kept() {
    let chunked: &[&str] =
        &["HTTP/1.1 200 OK\r\nTransfer-", "Encoding: chunked\r\n\r\n", "2\r\nok\r\n2", "\r\nok\r\n", "0\r\n\r\n"];
    let counted: &[&str] = &["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n", "\r\no", "k", "ok"];
    for pieces in [chunked, counted] {
        let server = Server::start(|_| Reply::SendInPieces(pieces)).await;
        let (deliverer, target) = (deliverer(), samples::target(&server.url("/")));
        for _ in 0..3 {
            assert_outcome(&deliver(&deliverer, &target).await, "delivered");
        }
        assert!(server.received().iter().all(|request| request.connection == 0));
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_with_its_answer_is_not_used_again() {
    for head in ["", "Connection: close\r\n"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 2\r\n\r\nok");
        let server = Server::start(move |_| Reply::SendAndClose(answer.clone())).await;
        let (deliverer, target) = (deliverer(), samples::target(&server.url("/")));
        for _ in 0..3 {
            assert_outcome(&deliver(&deliverer, &target).await, "delivered");
        }
        let connections: Vec<_> = server.received().iter().map(|request| request.connection).collect();
        assert_eq!(connections, [0, 1, 2]);
    }
}

/// Each call drives the connection that it has at the moment, on whatever thread: none is forgotten, whoever had it before.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_go_from_call_to_call_on_many_threads() {
    const CALLERS: usize = 48;
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let (deliverer, target) = (deliverer(), samples::target(&server.url("/")));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (deliverer, target) = (deliverer.clone(), target.clone());
        callers.spawn(async move {
            for _ in 0..200 {
                assert_outcome(&deliver(&deliverer, &target).await, "delivered");
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.expect("every call is delivered");
    }
    let connections = server.received().iter().map(|request| request.connection).max();
    assert!(connections.is_some_and(|most| most < 2 * CALLERS), "{connections:?}");
}
