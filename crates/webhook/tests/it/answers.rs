//! What comes back, and what it means.

use std::time::{Duration, Instant};

use domain::Target;

use webhook::Keep;

use crate::{
    OK, SECRET, assert_outcome, deliver, deliver_keeping, deliverer, samples,
    server::{Reply, Server},
};

#[tokio::test]
async fn every_status_over_the_wire() {
    let server = Server::start(|request| {
        let code = request.head.split(['/', '?', ' ']).nth(2).unwrap_or_default();
        Reply::Send(format!("HTTP/1.1 {code} Whatever\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"))
    })
    .await;
    let deliverer = deliverer();
    for code in 200..600 {
        let target = samples::target(&server.url(&format!("/{code}?token=s3cret")));
        let answer = deliver(&deliverer, &target).await;
        let host = server.address;
        assert_eq!(answer.status, Some(code));
        match code {
            200..=299 => assert_outcome(&answer, "delivered"),
            307 | 308 => assert_outcome(&answer, &format!("failed: {host} redirected without a Location")),
            408 | 425 | 429 | 502..=504 | 520..=530 => {
                assert_outcome(&answer, &format!("unavailable: {host} answered {code}"));
                let domain::Outcome::Unavailable { retry_after, .. } = answer.outcome else { panic!("unavailable") };
                assert_eq!(retry_after, Some(Duration::from_secs(7)));
            }
            _ => assert_outcome(&answer, &format!("failed: {host} answered {code}")),
        }
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_a_failure() {
    for reply in ["", "HTTP/1.1 200 OK\r\nContent-"] {
        let server = Server::start(|_| Reply::SendAndHang(reply.to_owned())).await;
        let target = Target { timeout: Duration::from_millis(100), ..samples::target(&server.url(SECRET)) };
        let answer = deliver(&deliverer(), &target).await;
        assert_outcome(&answer, &format!("failed: {} did not answer within 100ms", server.address));
        assert!(answer.duration >= Duration::from_millis(100));
    }
}

#[tokio::test]
async fn once_the_head_is_there_the_status_decides() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    let cut = Server::start(|_| Reply::SendAndClose(head.to_owned())).await;
    assert_outcome(&deliver(&deliverer(), &samples::target(&cut.url("/"))).await, "delivered");

    let endless = Server::start(|_| Reply::SendAndHang(head.to_owned())).await;
    let target = Target { timeout: Duration::from_millis(100), ..samples::target(&endless.url("/")) };
    let answer = deliver(&deliverer(), &target).await;
    assert_outcome(&answer, "delivered");
    assert!(answer.duration < Duration::from_secs(5), "{:?}", answer.duration);

    let head = head.replace("200 OK", "500 Oh");
    let cut = Server::start(move |_| Reply::SendAndClose(head.clone())).await;
    let answer = deliver(&deliverer(), &samples::target(&cut.url("/"))).await;
    assert_outcome(&answer, &format!("failed: {} answered 500", cut.address));
}

#[tokio::test]
async fn a_huge_answer_is_read_to_its_limit_only() {
    const MUCH: usize = 100 * 1024 * 1024;
    let heads = [
        format!("Content-Length: {MUCH}\r\n\r\n"),
        format!("Transfer-Encoding: chunked\r\n\r\n{MUCH:x}\r\n"),
        "\r\n".to_owned(),
    ];
    for head in heads {
        let server = Server::start(move |_| Reply::SendMuch(format!("HTTP/1.1 200 OK\r\n{head}"), MUCH)).await;
        let start = Instant::now();
        let answer = deliver(&deliverer(), &samples::target(&server.url("/"))).await;
        assert_outcome(&answer, "delivered");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert!(server.written() < MUCH / 4, "{} bytes were taken", server.written());
    }
}

#[tokio::test]
async fn a_target_can_have_less_of_its_answers_read() {
    const MUCH: usize = 100 * 1024 * 1024;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n");
    let server = Server::start(move |_| Reply::SendMuch(head.clone(), MUCH)).await;
    let mut target = samples::target(&server.url("/"));
    target.limits.max_answer = Some(100);
    let answer = deliver_keeping(&deliverer(), &target, Keep::Everything).await;
    assert_outcome(&answer, "delivered");
    assert_eq!(answer.body.map(|body| body.len()), Some(100));

    // More than the daemon's own bound is not to be had.
    target.limits.max_answer = Some(u64::MAX);
    let before = server.written();
    assert_outcome(&deliver(&deliverer(), &target).await, "delivered");
    assert!(server.written() - before < MUCH / 4, "{} bytes were taken", server.written() - before);
}

#[tokio::test]
async fn the_beginning_of_an_answer_is_kept_where_it_is_asked_for() {
    let server = Server::start(|request| {
        let code = if request.head.contains("/fails") { "500 Oh" } else { "200 OK" };
        Reply::Send(format!("HTTP/1.1 {code}\r\nContent-Length: 14\r\n\r\nno such tenant"))
    })
    .await;
    let (well, fails) = (samples::target(&server.url("/")), samples::target(&server.url("/fails")));
    let deliverer = deliverer();
    for (keep, target, kept) in [
        (Keep::Nothing, &fails, false),
        (Keep::Failures, &well, false),
        (Keep::Failures, &fails, true),
        (Keep::Everything, &well, true),
    ] {
        let answer = deliver_keeping(&deliverer, target, keep).await;
        assert_eq!(answer.body.as_deref(), kept.then_some("no such tenant"), "{keep:?}");
    }
    let cut = "HTTP/1.1 500 Oh\r\nContent-Length: 100\r\n\r\nhalf";
    let cut = Server::start(|_| Reply::SendAndHang(cut.to_owned())).await;
    let target = Target { timeout: Duration::from_millis(200), ..samples::target(&cut.url("/")) };
    let answer = deliver_keeping(&deliverer, &target, Keep::Failures).await;
    assert_eq!(answer.body.as_deref(), Some("half"));
}

#[tokio::test]
async fn what_is_not_http_is_a_failure() {
    let server = Server::start(|_| Reply::SendAndClose("SSH-2.0-OpenSSH_9.6\r\n".to_owned())).await;
    let answer = deliver(&deliverer(), &samples::target(&server.url(SECRET))).await;
    assert_outcome(&answer, &format!("failed: {} answered with something other than HTTP", server.address));
}

#[tokio::test]
async fn an_interim_answer_is_not_the_answer() {
    let server =
        Server::start(|_| Reply::Send(format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n{OK}")))
            .await;
    assert_outcome(&deliver(&deliverer(), &samples::target(&server.url("/"))).await, "delivered");
}
