//! What goes out.

use std::time::Duration;

use domain::{Limits, PayloadEncoding, SigningKey, Target};
use webhook::{Call, Keep};

use crate::{OK, assert_outcome, deliver, deliverer, samples, server::Server};

#[tokio::test]
async fn a_signed_request() {
    let server = Server::answering(OK).await;
    let mut target = samples::target(&server.url("/zitadel?tenant=acme"));
    target.signing_keys = vec!["first-key".into(), "second-key".into()];
    let event = domain::Event { payload: Some(r#"{"userName": "gigi"}"#.into()), ..samples::event() };
    let answer = deliverer()
        .deliver(Call {
            target: &target,
            event: &event,
            attempt: 3,
            previous: Some(("1743070963.1".parse().expect("a valid position"), 2)),
            generation: 0,
            now: "2025-03-27T10:22:44.5Z".parse().expect("a valid time"),
            keep: Keep::Nothing,
        })
        .await;
    assert_eq!((answer.outcome.label(), answer.status), ("delivered", Some(200)));
    let [request] = &server.received()[..] else { panic!("one request") };
    let signature = request.header("zitadel-signature").expect("it is signed");
    let now = 1_743_070_964;
    for key in &target.signing_keys {
        domain::verify(signature, &request.body, std::slice::from_ref(key), now, std::time::Duration::from_secs(1))
            .expect("the signature is over the body as it was sent");
    }
    let head = request.head.replace(&server.address.to_string(), "HOST");
    let body = String::from_utf8(request.body.clone()).expect("the body is text");
    insta::assert_snapshot!(format!("{head}\n\n{body}"));
}

#[tokio::test]
async fn a_key_signs_until_its_end() {
    let server = Server::answering(OK).await;
    let mut target = samples::target(&server.url("/"));
    let end: domain::Timestamp = "2025-03-27T10:22:44Z".parse().expect("a valid time");
    target.signing_keys = vec![SigningKey::from("old").until(Some(end)), "new".into()];
    let event = samples::event();
    for now in [end - Duration::from_millis(1), end] {
        let keep = Keep::Nothing;
        let call = Call { target: &target, event: &event, attempt: 1, previous: None, generation: 0, now, keep };
        assert_eq!(deliverer().deliver(call).await.status, Some(200));
    }
    let signatures: Vec<_> =
        server.received().iter().map(|request| request.header("zitadel-signature").map(str::to_owned)).collect();
    let [Some(before), Some(after)] = &signatures[..] else { panic!("two signed requests: {signatures:?}") };
    let requests = server.received();
    let verify = |header: &str, number: usize, key: &str| {
        domain::verify(header, &requests[number].body, &[key.into()], end.as_second(), Duration::from_secs(5)).is_ok()
    };
    assert_eq!((before.matches("v1=").count(), after.matches("v1=").count()), (2, 1));
    assert!(verify(before, 0, "old") && verify(before, 0, "new"));
    assert!(verify(after, 1, "new") && !verify(after, 1, "old"));
}

#[tokio::test]
async fn what_is_not_there_is_not_sent() {
    let server = Server::answering(OK).await;
    let target = Target { signing_keys: Vec::new(), ..samples::target(&server.url("/")) };
    deliver(&deliverer(), &target).await;
    let [request] = &server.received()[..] else { panic!("one request") };
    assert_eq!(request.header("zitadel-signature"), None);
    assert_eq!(request.header("postrider-previous-position"), None);
}

#[tokio::test]
async fn a_targets_headers_do_not_override_ours() {
    let server = Server::answering(OK).await;
    let mut target = samples::target(&server.url("/"));
    for name in ["Host", "Content-Length", "Postrider-Attempt", "content-type", "Transfer-Encoding", "User-Agent"] {
        target.headers.insert(name.to_owned(), "acme".to_owned());
    }
    deliver(&deliverer(), &target).await;
    let [request] = &server.received()[..] else { panic!("one request") };
    assert_eq!(request.header("host"), Some(server.address.to_string().as_str()));
    assert_eq!(request.header("postrider-attempt"), Some("1"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("transfer-encoding"), None);
    assert_eq!(request.header("user-agent"), Some("acme"));
    assert_eq!(request.header("x-tenant"), Some("acme"));
}

#[tokio::test]
async fn a_large_payload_arrives_whole() {
    let server = Server::answering(OK).await;
    let target = Target { payload_encoding: PayloadEncoding::Json, ..samples::target(&server.url("/")) };
    let payload = format!("\"{}\"", "x".repeat(5_000_000));
    let event = domain::Event { payload: Some(payload.clone().into()), ..samples::event() };
    let now = domain::Timestamp::UNIX_EPOCH;
    deliverer()
        .deliver(Call {
            target: &target,
            event: &event,
            attempt: 1,
            previous: None,
            generation: 0,
            now,
            keep: Keep::Nothing,
        })
        .await;
    let [request] = &server.received()[..] else { panic!("one request") };
    assert_eq!(request.body, webhook::body(&event, &target));
    assert!(request.body.ends_with(format!("{payload}}}").as_bytes()));
}

#[tokio::test]
async fn a_request_that_is_larger_than_the_target_takes_is_not_sent() {
    let server = Server::answering(OK).await;
    let mut target = samples::target(&server.url("/?token=s3cret"));
    let body = webhook::body(&samples::event(), &target).len() as u64;
    target.limits = Limits { max_request: Some(body - 1), ..Limits::default() };
    let answer = deliver(&deliverer(), &target).await;
    let told = format!("failed: not sent: the request has {body} bytes, and the target's max_request is {}", body - 1);
    assert_outcome(&answer, &told);
    assert_eq!((answer.status, server.received().len()), (None, 0));
    target.limits.max_request = Some(body);
    assert_outcome(&deliver(&deliverer(), &target).await, "delivered");
    assert_eq!(server.received().len(), 1);
}
