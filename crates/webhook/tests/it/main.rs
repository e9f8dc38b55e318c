//! Deliveries over real HTTP on loopback.

// The name that the rest of the workspace knows it by.
extern crate postrider_webhook as webhook;

mod answers;
mod connections;
mod redirects;
mod request;
mod samples;
mod server;
mod tls;
mod unawaited;
mod wrapped;

use std::time::Duration;

use domain::{Outcome, Target};
use webhook::{Answer, Call, Deliverer, DeliveryOptions, Keep};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What a URL has that no error may tell.
const SECRET: &str = "/hook?token=s3cret";

fn options() -> DeliveryOptions {
    DeliveryOptions {
        egress: vec!["127.0.0.1".parse().expect("a valid exception")],
        connect_timeout: Duration::from_secs(5),
        user_agent: "postrider/test".to_owned(),
        ..DeliveryOptions::default()
    }
}

fn deliverer() -> Deliverer {
    Deliverer::new(&options()).expect("valid options")
}

async fn deliver(deliverer: &Deliverer, target: &Target) -> Answer {
    deliver_keeping(deliverer, target, Keep::Nothing).await
}

async fn deliver_keeping(deliverer: &Deliverer, target: &Target, keep: Keep) -> Answer {
    let event = samples::event();
    let now = "2025-03-27T10:22:44Z".parse().expect("a valid time");
    deliverer.deliver(Call { target, event: &event, attempt: 1, previous: None, generation: 0, now, keep }).await
}

/// Checks the whole of an outcome in one line: `delivered`, `failed: …`, `unavailable: …`.
#[track_caller]
fn assert_outcome(answer: &Answer, expected: &str) {
    let told = match &answer.outcome {
        Outcome::Delivered => "delivered".to_owned(),
        Outcome::Failed { error } => format!("failed: {error}"),
        Outcome::Unavailable { error, retry_after: None } => format!("unavailable: {error}"),
        Outcome::Unavailable { error, retry_after: Some(wait) } => format!("unavailable: {error}, wait {wait:?}"),
    };
    assert!(told.starts_with(expected), "{told:?} should be {expected:?}");
    assert!(!told.contains("s3cret") && !told.contains("acme"), "{told:?} tells too much");
}
