//! Calls to targets of kind `async`.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use domain::{Target, TargetKind};
use webhook::Answer;

use crate::{
    OK, assert_outcome, deliver, deliverer, samples,
    server::{Reply, Server},
};

#[tokio::test]
async fn nobody_waits_for_the_answer_but_it_is_told() {
    let server = Server::start(|request| match request.connection {
        0 => Reply::SendAndHang(String::new()),
        _ => Reply::Send(OK.to_owned()),
    })
    .await;
    let deliverer = deliverer();
    let told: Arc<Mutex<Vec<Answer>>> = Arc::default();
    let log = Arc::clone(&told);
    deliverer.observe_unawaited(move |_, answer| log.lock().expect("no panic").push(answer.clone()));

    let target = Target {
        kind: TargetKind::Async,
        timeout: Duration::from_millis(500),
        ..samples::target(&server.url("/?token=s3cret"))
    };
    let start = Instant::now();
    for _ in 0..2 {
        let answer = deliver(&deliverer, &target).await;
        assert_outcome(&answer, "delivered");
        assert_eq!(answer.status, None);
    }
    assert!(start.elapsed() < target.timeout, "{:?}", start.elapsed());

    deliverer.finish().await;
    let told = told.lock().expect("no panic");
    let [first, second] = &told[..] else { panic!("two answers: {told:?}") };
    assert_outcome(first, "delivered");
    assert_eq!(first.status, Some(200));
    assert_outcome(second, &format!("failed: {} did not answer within 500ms", server.address));
}

#[tokio::test]
async fn an_endpoint_that_hangs_fills_its_own_seats_only() {
    let hanging = Server::start(|_| Reply::SendAndHang(String::new())).await;
    let answering = Server::answering(OK).await;
    let deliverer = deliverer();
    let stuck =
        Target { kind: TargetKind::Async, timeout: Duration::from_mins(1), ..samples::target(&hanging.url("/")) };
    let well = Target { id: "t2".into(), kind: TargetKind::Async, ..samples::target(&answering.url("/")) };
    for _ in 0..128 {
        deliver(&deliverer, &stuck).await;
    }
    let full = tokio::time::timeout(Duration::from_millis(100), deliver(&deliverer, &stuck)).await;
    assert!(full.is_err(), "the target has no seat left");
    assert_outcome(&deliver(&deliverer, &well).await, "delivered");
}
