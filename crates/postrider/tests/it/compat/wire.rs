//! What a target receives, byte for byte: from a daemon that delivers two events with fixed contents to targets with fixed ids.
//!
//! What is another each time is replaced by a word, after it was looked at: the time and the signatures, the span of a trace, the
//! key's id of a JWT.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Condition, Execution, ExecutionTarget, Ordering, PayloadEncoding, PayloadMode, PayloadType, Source, Start, Target,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use store::{DefinitionsChange, State, StateOptions};
use test_support::{Arrival, Behaviour, Receiver, eventually, run_sql};

use crate::{process::Place, proof::daemon::House};

use super::pin;

const KEYS: [&str; 2] = ["the first key", "the second key"];

const EVENTS: &str = r#"
    INSERT INTO events2 (instance_id, aggregate_type, aggregate_id, event_type, sequence, revision, created_at, payload, creator,
        owner)
    VALUES ('312909075211878808', 'user', '312909075212468632', 'user.human.added', 1, 2, '2025-03-27T10:22:43.262665Z',
        '{"userName": "ädä", "big": 12345678901234567890.10}', '312909075212468633', '312909075211944344'),
        ('312909075211878808', 'user', '312909075212468632', 'user.removed', 2, 1, '2025-03-27T10:22:44.000000Z',
        NULL, '', '312909075211944344');"#;

/// How each target differs from the usual; its name is its path.
fn targets(receiver: &Receiver) -> Vec<Target> {
    let of = |name: &str| Target {
        signing_keys: KEYS.map(Into::into).to_vec(),
        start: Start::Beginning,
        source: Source::Api,
        ..Target::new(
            format!("{name}-id").into(),
            name.into(),
            receiver.url_of(&format!("/{name}?tenant=acme")).parse().expect("an endpoint"),
        )
    };
    vec![
        Target { headers: BTreeMap::from([("X-Tenant".to_owned(), "acme".to_owned())]), ..of("plain") },
        Target { payload: PayloadMode::None, ordering: Ordering::Aggregate, ..of("bare") },
        Target { payload_encoding: PayloadEncoding::Json, signing_keys: Vec::new(), ..of("embedded") },
        Target { payload_type: PayloadType::Jwt, ..of("jwt") },
        Target { payload_type: PayloadType::Jwe, ..of("jwe") },
    ]
}

async fn define(url: &str, targets: Vec<Target>) {
    let execution = Execution {
        condition: Condition::All,
        instance: None,
        targets: targets.iter().map(|target| ExecutionTarget::Target(target.name.clone())).collect(),
        exclude: Vec::new(),
        source: Source::Api,
    };
    let change = DefinitionsChange { targets, executions: vec![execution], ..Default::default() };
    let state = State::connect(&StateOptions::new(url)).await.expect("the state is there");
    state.apply(&change, "test").await.expect("targets can be defined");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_receives_what_it_received() {
    let refused = |arrival: &Arrival| {
        let header = |name| arrival.header(name).unwrap_or_default();
        arrival.path.starts_with("/plain")
            && header("postrider-position") == "1/0"
            && header("postrider-attempt") == "1"
    };
    let receiver = Receiver::start(move |_, arrival| Behaviour::from(if refused(arrival) { 500 } else { 200 }));
    let folder = tempfile::tempdir().expect("there is room");
    let file = |name: &str| format!("sqlite://{}/{name}", folder.path().display());
    run_sql(&format!("{}?mode=rwc", file("events.db")), include_str!("../../../../../tests/events.sql")).await;
    run_sql(&file("events.db"), EVENTS).await;
    let house = House::new(&file("events.db"));
    let _ = house.cli(&["migrate"]);
    define(&file("events.state.db"), targets(&receiver)).await;
    let pem = include_str!("../../../../store/src/state/public_keys/read/samples/p256.pem");
    let _ = house.cli(&["target", "key", "add", "jwe", "--activate", "--file", &house.file("p256.pem", pem)]);

    let daemon = house.start();
    let arrived = eventually("every target has both events", async || {
        let arrivals = receiver.arrivals();
        let accepted = arrivals.iter().filter(|arrival| arrival.is_accepted()).count();
        (accepted >= 10).then_some(arrivals)
    });
    let mut arrived = arrived.await;
    assert_eq!((arrived.len(), daemon.stop().await), (11, 0), "two events for five targets, one of them twice");
    // Targets do not wait for each other; each has its own in this order.
    arrived.sort_by_key(|arrival| arrival.path.clone());
    let shown: Vec<String> = arrived.iter().map(shown).collect();
    pin::check("requests.txt", &shown.join("\n"));
}

/// A request as it is pinned.
fn shown(arrival: &Arc<Arrival>) -> String {
    let mut text = format!("{} {}\n", arrival.method, arrival.path);
    for (name, value) in &arrival.headers {
        let value = match name.as_str() {
            "zitadel-signature" => signature(arrival, value),
            "traceparent" => traceparent(value),
            "host" => "HOST".to_owned(),
            "user-agent" => value.replace(env!("CARGO_PKG_VERSION"), "VERSION"),
            "content-length" if arrival.path.starts_with("/j") => "LENGTH".to_owned(),
            _ => value.clone(),
        };
        writeln!(text, "{name}: {value}").expect("a string takes it");
    }
    let body = String::from_utf8(arrival.body.to_vec()).expect("bodies are text");
    let body = if arrival.path.starts_with("/j") { token(&body) } else { body };
    writeln!(text, "\n{body}").expect("a string takes it");
    text
}

/// `t=NOW` and for each `v1` the key that made it, as worked out here from nothing but the documented rule.
fn signature(arrival: &Arrival, value: &str) -> String {
    let (time, rest) = value.strip_prefix("t=").and_then(|rest| rest.split_once(',')).expect("a time stands first");
    let seconds: i64 = time.parse().expect("it is a number of seconds");
    assert!((arrival.time.as_second() - seconds).abs() < 60, "{value} at {}", arrival.time);
    let made = |key: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key has any length");
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(&arrival.body);
        hex::encode(mac.finalize().into_bytes())
    };
    let parts = rest.split(',').map(|part| {
        let hex = part.strip_prefix("v1=").unwrap_or_else(|| panic!("{part} is no v1"));
        let key = KEYS.iter().find(|key| made(key) == hex).unwrap_or_else(|| panic!("no key made {part}"));
        format!("v1=HMAC({key:?})")
    });
    format!("t=NOW,{}", parts.collect::<Vec<_>>().join(","))
}

fn traceparent(value: &str) -> String {
    let parts: Vec<&str> = value.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { panic!("{value} has four parts") };
    assert!(span.len() == 16 && span.bytes().all(|byte| byte.is_ascii_hexdigit()), "{value}");
    format!("{version}-{trace}-SPAN-{flags}")
}

/// The parts of a JWS or JWE that can be read, with what is another each time replaced.
fn token(body: &str) -> String {
    let parts: Vec<&str> = body.split('.').collect();
    let decoded = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).expect("parts of a token are base64url without padding");
        String::from_utf8(bytes).expect("what can be read is text")
    };
    let mut header: Value = serde_json::from_str(&decoded(parts[0])).expect("a header is JSON");
    for changing in ["kid", "epk"] {
        if let Some(value) = header.get_mut(changing) {
            blank(value);
        }
    }
    match parts.len() {
        3 => format!("{header}.{}.SIGNATURE", decoded(parts[1])),
        5 => format!("{header}.KEY.IV.CIPHERTEXT.TAG"),
        other => panic!("{other} parts"),
    }
}

/// Every text in it becomes a word.
fn blank(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if !matches!(name.as_str(), "kty" | "crv") {
                    blank(value);
                }
            }
        }
        _ => *value = Value::from("CHANGES"),
    }
}

/// A signature that was made once is right for good.
#[test]
fn a_signature_of_the_past_is_still_right() {
    let body = r#"{"aggregateID":"u1"}"#;
    let header = "t=1743070963,v1=acef9b39f4af507ce8cea4a253543ed6ed011fc00c0a7ad6f0c8654c663fe9c9";
    let verify = |key: &str| {
        let arguments = ["verify", "--header", header, "--key", key, "--tolerance", "1000years"];
        Place::new().run_fed(&arguments, body.as_bytes()).code
    };
    assert_eq!((verify("a-long-random-text"), verify("another key")), (0, 1));
}
