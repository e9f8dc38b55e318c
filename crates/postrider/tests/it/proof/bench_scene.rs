//! What a bench needs: event stores with a backlog, and the same calls made by nothing but an HTTP client.

use std::{fmt::Write as _, path::Path, sync::Arc, time::Instant};

use reqwest::{
    Client,
    header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue},
};
use store::{EventStore, NewEvent};
use test_support::TestDatabase;
use tokio::task::JoinSet;

use super::{
    bench_endpoint::{Endpoint, rate},
    daemon::{House, KEY},
};

/// The size of an ordinary payload.
const PAYLOAD: &str = r#"{"email": "gigi@zitadel.example.com", "userName": "gigi", "firstName": "Gigi", "lastName": "Giraffe",
 "displayName": "Gigi Giraffe", "preferredLanguage": "en", "gender": 1, "address": {"country": "CH", "locality": "St. Gallen"}}"#;

/// One more event, of an aggregate of its own.
pub fn event(number: usize) -> NewEvent {
    NewEvent {
        instance_id: "312909075211878808".into(),
        aggregate_type: "user".into(),
        aggregate_id: format!("3129090752{number:08}").into(),
        event_type: "user.human.added".into(),
        revision: Some(2),
        payload: Some(PAYLOAD.into()),
        creator: "312909075212468632".to_owned(),
        owner: "312909075211944344".to_owned(),
    }
}

/// A SQLite event store, and its URL.
pub async fn sqlite(folder: &Path, backlog: usize) -> (EventStore, String) {
    let path = folder.join("events.db");
    let events = EventStore::create_sqlite(&path).await.expect("the folder takes a file");
    let numbers: Vec<_> = (0..backlog).collect();
    for chunk in numbers.chunks(1_000) {
        let chunk: Vec<_> = chunk.iter().map(|number| event(*number)).collect();
        events.append(&chunk).await.expect("events are appended");
    }
    (events, format!("sqlite://{}", path.display()))
}

/// A store of ZITADEL's shape.
pub async fn postgres(backlog: usize) -> TestDatabase {
    let database = TestDatabase::create().await;
    database.zitadel().await;
    let payload = PAYLOAD.replace('\'', "''");
    database
        .execute(&format!(
            "INSERT INTO eventstore.events2
             SELECT '312909075211878808', 'user', '3129090752' || lpad(n::text, 8, '0'), 'user.human.added', 1, 2, now(),
                '{payload}'::jsonb, '312909075212468632', '312909075211944344',
                extract(epoch FROM now()) - 1000 + n * 0.001, 1
             FROM generate_series(1, {backlog}) n;
             ANALYZE eventstore.events2"
        ))
        .await;
    database
}

/// A config with so many targets at one endpoint, each of which is called for everything.
pub fn house(url: &str, endpoint: &Endpoint, targets: usize) -> House {
    let mut house = House::new(url);
    let mut toml = String::new();
    let mut names = Vec::new();
    for number in 0..targets {
        let name = format!("target{number}");
        writeln!(
            toml,
            "[[target]]\nname = \"{name}\"\nendpoint = \"{}\"\nsigning_key = \"{KEY}\"\nstart = \"beginning\"",
            endpoint.url()
        )
        .expect("a string takes it");
        names.push(name);
    }
    house.add(&toml);
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    house.execution("{ all = true }", &names);
    house
}

/// The call that was sampled, made by an HTTP client alone: so many loops side by side, each one call after the other. How many
/// a second.
pub async fn bare(sample: &(String, Vec<u8>), loops: usize, each: usize) -> f64 {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let endpoint = Endpoint::start();
    let client = Client::builder().http1_only().tcp_nodelay(true).no_proxy().pool_max_idle_per_host(loops).build();
    let client = client.expect("a client can be made");
    let headers = headers(&sample.0);
    let call = Arc::new(client.post(endpoint.url()).headers(headers).body(sample.1.clone()));
    let began = Instant::now();
    let mut calling = JoinSet::new();
    for _ in 0..loops {
        let call = Arc::clone(&call);
        calling.spawn(async move {
            for _ in 0..each {
                let call = call.try_clone().expect("the body is in memory");
                let answer = call.send().await.expect("the endpoint answers");
                assert!(answer.bytes().await.is_ok(), "the answer can be read");
            }
        });
    }
    calling.join_all().await;
    rate(loops * each, began.elapsed())
}

/// Those of the head that a client does not set itself.
fn headers(head: &str) -> HeaderMap {
    let pairs = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name.parse().expect("a header's name");
        headers.append(name, HeaderValue::from_str(value.trim()).expect("a header's value"));
    }
    headers.remove(HOST);
    headers.remove(CONTENT_LENGTH);
    headers
}
