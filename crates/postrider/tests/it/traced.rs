//! Traces: what a collector gets, and that nobody waits for one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    net::TcpListener,
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use prost::Message as _;
use store::{EventStore, NewEvent};
use test_support::{Receiver, eventually, first};

use crate::proof::daemon::House;

/// A store on SQLite with so many events, and a config for it.
async fn house(events: usize) -> House {
    let folder = tempfile::tempdir().expect("there is room").keep();
    let file = folder.join("events.db");
    let store = EventStore::create_sqlite(&file).await.expect("a store can be made");
    let events: Vec<_> = (0..events)
        .map(|number| NewEvent {
            instance_id: "one".into(),
            aggregate_type: "user".into(),
            aggregate_id: format!("user-{number}").into(),
            event_type: "user.human.added".into(),
            revision: Some(2),
            payload: Some(r#"{"nickname":"s3cret-payload"}"#.into()),
            creator: "s3cret-creator".to_owned(),
            owner: "owner".to_owned(),
        })
        .collect();
    store.append(&events).await.expect("events can be appended");
    House::new(&format!("sqlite://{}", file.display()))
}

/// A target whose URL and headers have things in them that are nobody's business.
fn target(house: &mut House, receiver: &Receiver, kind: &str) {
    house.add(&format!(
        "[[target]]\nname = \"crm\"\ntype = \"{kind}\"\nendpoint = \"{}\"\nsigning_key = \"s3cret-key\"\nstart = \"beginning\"\n\
         headers = {{ X-Api-Key = \"s3cret-header\" }}\n",
        receiver.url_of("/hook/s3cret-path?token=s3cret-query")
    ));
    house.execution("{ all = true }", &["crm"]);
}

fn requests(collector: &Receiver) -> Vec<ExportTraceServiceRequest> {
    let arrivals = collector.arrivals();
    let decode = |body: &[u8]| ExportTraceServiceRequest::decode(body).expect("it is OTLP in protobuf");
    arrivals.iter().map(|arrival| decode(&arrival.body)).collect()
}

fn spans(collector: &Receiver, name: &str) -> Vec<Span> {
    let scopes = requests(collector).into_iter().flat_map(|request| request.resource_spans);
    let spans = scopes.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
    spans.filter(|span| span.name == name).collect()
}

fn attributes(of: &[KeyValue]) -> BTreeMap<String, String> {
    let value = |value: Value| match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => panic!("an attribute is {other:?}"),
    };
    let pairs =
        of.iter().cloned().map(|of| (of.key, of.value.and_then(|any| any.value).map(value).unwrap_or_default()));
    pairs.collect()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes it");
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_is_a_span_that_its_receiver_was_told_of_and_that_is_linked_to_a_page() {
    let (collector, receiver) = (Receiver::ok(), Receiver::start(first(1, 500)));
    let mut house = house(3).await;
    target(&mut house, &receiver, "webhook");
    house.add(&format!(
        "[traces]\nendpoint = \"{}\"\nheaders = {{ authorization = \"Bearer of-the-collector\" }}",
        collector.url_of("/v1/traces")
    ));
    let daemon = house.start();
    receiver.wait_for(4).await;
    eventually("all spans have arrived", async || (spans(&collector, "deliver").len() == 4).then_some(())).await;
    assert_eq!(daemon.stop().await, 0);

    let sent = collector.arrivals();
    assert!(sent.iter().all(|request| request.path == "/v1/traces" && request.method == "POST"), "{sent:?}");
    assert_eq!(sent[0].header("content-type"), Some("application/x-protobuf"));
    assert_eq!(sent[0].header("authorization"), Some("Bearer of-the-collector"));
    for request in &sent {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        assert!(!body.contains("s3cret") && !body.contains("czNjcmV0") && !body.contains("/hook"), "{body}");
    }
    let resource = &requests(&collector)[0].resource_spans[0].resource;
    let resource = attributes(&resource.as_ref().expect("they are somebody's").attributes);
    assert_eq!(resource["service.name"], "postrider");

    let pages = spans(&collector, "read page");
    let pages: BTreeSet<_> = pages.iter().map(|page| (page.trace_id.clone(), page.span_id.clone())).collect();
    let spans = spans(&collector, "deliver");
    for arrival in receiver.arrivals() {
        let told = arrival.header("traceparent").expect("it is told");
        let is_told = |span: &&Span| told == format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id));
        let span = spans.iter().find(is_told).unwrap_or_else(|| panic!("{told} is none of {spans:?}"));
        assert_eq!(span.kind(), SpanKind::Client);
        let [link] = &span.links[..] else { panic!("it is linked to one page: {span:?}") };
        assert!(pages.contains(&(link.trace_id.clone(), link.span_id.clone())), "{link:?} is none of {pages:?}");
        let known = attributes(&span.attributes);
        let (status, outcome) = if arrival.is_accepted() { ("200", "delivered") } else { ("500", "failed") };
        assert_eq!((&*known["http.response.status_code"], &*known["postrider.outcome"]), (status, outcome));
        assert_eq!(span.status.as_ref().map(|status| status.code() == StatusCode::Error), Some(!arrival.is_accepted()));
        assert_eq!(Some(known["postrider.attempt"].parse().expect("a number")), arrival.attempt());
        assert_eq!(known["postrider.aggregate.id"], arrival.key().aggregate_id.as_str());
        let position = arrival.header("postrider-position").expect("it is told");
        let expected = [
            ("postrider.target", "crm"),
            ("postrider.instance", "one"),
            ("postrider.event.type", "user.human.added"),
            ("postrider.event.position", position),
            ("server.address", "127.0.0.1"),
        ];
        assert!(expected.iter().all(|(key, value)| known[*key] == *value), "{known:?}");
        assert!(span.end_time_unix_nano > span.start_time_unix_nano);
    }
    let traces: BTreeSet<_> = spans.iter().map(|span| &span.trace_id).collect();
    assert_eq!(traces.len(), 3, "attempts for one event are one trace");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_awaits_is_a_span_with_its_page_too() {
    let (collector, receiver) = (Receiver::ok(), Receiver::ok());
    let mut house = house(2).await;
    target(&mut house, &receiver, "async");
    house.add(&format!("[traces]\nendpoint = \"{}\"", collector.url_of("/v1/traces")));
    let daemon = house.start();
    let calls = eventually("both have arrived", async || {
        let calls = spans(&collector, "deliver");
        (calls.len() == 2).then_some(calls)
    })
    .await;
    assert!(calls.iter().all(|span| span.links.len() == 1), "{calls:?}");
    let told: BTreeSet<_> =
        receiver.arrivals().iter().filter_map(|call| call.header("traceparent").map(str::to_owned)).collect();
    let ids = calls.iter().map(|span| format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id)));
    assert_eq!(ids.collect::<BTreeSet<_>>(), told);
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_gone_or_says_nothing_keeps_nobody_from_anything() {
    // One takes connections and never answers, the other refuses them.
    let silent = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let refusing = {
        let gone = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        gone.local_addr().expect("it has an address")
    };
    for collector in [silent.local_addr().expect("it has an address"), refusing] {
        let receiver = Receiver::ok();
        let mut house = house(300).await;
        target(&mut house, &receiver, "webhook");
        house.add(&format!("[traces]\nendpoint = \"http://{collector}/v1/traces\""));
        let daemon = house.start();
        receiver.wait_for(300).await;
        let daemon = {
            // Told once, however many spans there are.
            daemon.says("traces cannot be sent").await;
            daemon
        };
        let began = Instant::now();
        let log = daemon.log();
        assert_eq!(log.matches("traces cannot be sent").count(), 1, "{log}");
        assert_eq!(daemon.stop().await, 0);
        assert!(began.elapsed() < Duration::from_secs(8), "it took {:?} to end", began.elapsed());
        assert_eq!(receiver.count(), 300, "nothing was sent twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_nothing_is_sent_anywhere_and_a_request_is_what_it_always_was() {
    let headers = async |traces: Option<&Receiver>| {
        let receiver = Receiver::ok();
        let mut house = house(1).await;
        target(&mut house, &receiver, "webhook");
        if let Some(collector) = traces {
            house.add(&format!("[traces]\nendpoint = \"{}\"", collector.url_of("/v1/traces")));
        }
        let daemon = house.start();
        receiver.wait_for(1).await;
        assert_eq!(daemon.stop().await, 0);
        let arrivals = receiver.arrivals();
        arrivals[0].verify(&["s3cret-key".into()]).expect("it is signed");
        arrivals[0].headers.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>()
    };
    let collector = Receiver::ok();
    let without = headers(None).await;
    assert_eq!(collector.count(), 0);
    let with = headers(Some(&collector)).await;
    assert!(collector.count() > 0, "what is left is sent at the end");
    assert_eq!(without, with, "traces add nothing to a request");
}

#[tokio::test]
async fn a_collector_that_is_none_is_refused_with_its_key() {
    let mut house = house(1).await;
    house.add("[traces]\nendpoint = \"127.0.0.1:4318\"");
    let refused = house.command(&["cursor", "list"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("traces.endpoint") && said.contains("http://127.0.0.1:4318/v1/traces"), "{said}");
}
