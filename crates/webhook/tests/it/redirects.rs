//! Redirects: which are followed, how far, and with what.

use crate::{
    OK, assert_outcome, deliver, deliverer, samples,
    server::{Reply, Server},
};

/// `/n` redirects to `/n-1` with this status, `/0` answers.
async fn chain(status: u16) -> Server {
    Server::start(move |request| {
        let left: usize = request.head.split(['/', ' ']).nth(2).and_then(|left| left.parse().ok()).unwrap_or_default();
        match left.checked_sub(1) {
            None => Reply::Send(OK.to_owned()),
            Some(next) => Reply::Send(redirect(status, &format!("/{next}"))),
        }
    })
    .await
}

fn redirect(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 5\r\n\r\nthere")
}

#[tokio::test]
async fn the_same_request_follows_307_and_308() {
    for status in [307, 308] {
        let server = chain(status).await;
        let answer = deliver(&deliverer(), &samples::target(&server.url("/5"))).await;
        assert_outcome(&answer, "delivered");
        assert_eq!(answer.status, Some(200));
        let received = server.received();
        assert_eq!(received.len(), 6);
        let sent = |index: usize| {
            let request = &received[index];
            (request.body.clone(), request.header("zitadel-signature"), request.header("x-tenant"), request.connection)
        };
        assert!((1..6).all(|index| sent(index) == sent(0)));
    }
}

#[tokio::test]
async fn five_redirects_are_enough() {
    let server = chain(307).await;
    let answer = deliver(&deliverer(), &samples::target(&server.url("/6"))).await;
    assert_outcome(&answer, &format!("failed: {} redirected once more after 5 redirects", server.address));
    assert_eq!((answer.status, server.received().len()), (Some(307), 6));
}

#[tokio::test]
async fn other_redirects_are_failures() {
    for status in [300, 301, 302, 303, 304] {
        let server = chain(status).await;
        let answer = deliver(&deliverer(), &samples::target(&server.url("/1"))).await;
        assert_outcome(&answer, &format!("failed: {} answered {status}", server.address));
        assert_eq!(server.received().len(), 1);
    }
}

#[tokio::test]
async fn another_host_does_not_get_the_targets_own_headers() {
    let other = Server::answering(OK).await;
    let to = other.url("/there");
    let server = Server::start(move |_| Reply::Send(redirect(307, &to))).await;
    let mut target = samples::target(&server.url("/"));
    target.headers.insert("Authorization".to_owned(), "Bearer s3cret".to_owned());
    assert_outcome(&deliver(&deliverer(), &target).await, "delivered");
    let (here, there) = (server.received(), other.received());
    assert_eq!(here[0].header("authorization"), Some("Bearer s3cret"));
    assert_eq!((there[0].header("authorization"), there[0].header("x-tenant")), (None, None));
    assert_eq!(there[0].header("zitadel-signature"), here[0].header("zitadel-signature"));
    assert_eq!(there[0].header("webhook-id"), here[0].header("webhook-id"));
}

#[tokio::test]
async fn a_redirect_goes_through_the_guard() {
    for (location, expected) in [
        ("http://127.0.0.2/?token=s3cret", "unavailable: egress to 127.0.0.2 refused"),
        ("http://[::1]/", "unavailable: egress to [::1] refused"),
        ("http://169.254.169.254/latest/meta-data", "unavailable: egress to 169.254.169.254 refused"),
        ("http://nothing.invalid/", "unavailable: cannot resolve nothing.invalid"),
    ] {
        let server = Server::start(move |_| Reply::Send(redirect(307, location))).await;
        assert_outcome(&deliver(&deliverer(), &samples::target(&server.url("/"))).await, expected);
    }
}

#[tokio::test]
async fn a_redirect_that_leads_nowhere_is_a_failure() {
    for (location, why) in [
        ("ftp://127.0.0.1/", "to something other than http or https"),
        ("http://user:s3cret@127.0.0.1/", "to a URL with credentials in it"),
        ("http://[::", "with a Location that is no URL"),
    ] {
        let server = Server::start(move |_| Reply::Send(redirect(308, location))).await;
        let answer = deliver(&deliverer(), &samples::target(&server.url("/"))).await;
        assert_outcome(&answer, &format!("failed: {} redirected {why}", server.address));
        assert_eq!(answer.status, Some(308));
    }
}
