//! Traces: a span for each page that is read and for each call that is made, on their way to a collector.
//!
//! Only there where the operator asked for them; otherwise nobody has a [`Traces`], and nothing is done. As with the log of attempts a
//! courier never waits: what is to be told goes into a bounded buffer, and one task sends it in groups. What the collector does not
//! take is dropped, counted, and told in one line.
//!
//! A call's span has the ids that its receiver is told with `traceparent`: all attempts are one trace, each is a span. It is linked to
//! the page that its event was read with, which is a trace of its own, since many calls come of it. A span has no payload, no header
//! and nothing of a URL but the host.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use domain::{EventKey, InstanceId, LogEvent, TargetId, Timestamp};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span, status},
};
use prost::Message as _;
use store::WorkerInfo;
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use webhook::{Answer, Call, Collector, SpanIds};

/// Spans that wait to be sent.
const MOST: usize = 4096;
/// Spans a request.
const GROUP: usize = 512;
/// A group is sent at the latest after this.
const FLUSH: Duration = Duration::from_secs(1);
/// Sampled (W3C trace context, trace flags).
const SAMPLED: u32 = 1;
/// Calls that nobody awaits and whose pages are remembered.
const MOST_HANDED_OVER: usize = 4096;

/// See the module's head.
#[derive(Debug)]
pub struct Traces {
    collector: Collector,
    resource: Resource,
    buffer: Mutex<Buffer>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Buffer {
    spans: VecDeque<Span>,
    dropped: u64,
    /// The pages of events that were handed over to a call that nobody awaits.
    handed_over: HashMap<(TargetId, EventKey), PageSpan>,
}

/// The span of a page, as the calls that come of it name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PageSpan {
    trace: [u8; 16],
    span: [u8; 8],
}

impl Traces {
    /// For a daemon, to a collector.
    #[must_use]
    pub fn new(collector: Collector, worker: &str, info: &WorkerInfo) -> Self {
        let attributes = vec![
            text("service.name", "postrider"),
            text("service.version", &info.version),
            text("service.instance.id", worker),
            text("host.name", &info.host),
            number("process.pid", info.pid.into()),
        ];
        let resource = Resource { attributes, ..Resource::default() };
        Self { collector, resource, buffer: Mutex::default(), filled: Notify::new() }
    }

    /// A page was read.
    pub(crate) fn page(
        &self,
        instance: &InstanceId,
        read: &store::Page,
        began: Timestamp,
        ended: Timestamp,
    ) -> Option<PageSpan> {
        let end = read.end.as_ref()?;
        let of = PageSpan { trace: rand::random(), span: rand::random() };
        self.push(Span {
            trace_id: of.trace.to_vec(),
            span_id: of.span.to_vec(),
            flags: SAMPLED,
            name: "read page".to_owned(),
            kind: span::SpanKind::Internal.into(),
            start_time_unix_nano: nanoseconds(began),
            end_time_unix_nano: nanoseconds(ended),
            attributes: vec![
                text("postrider.instance", instance.as_str()),
                number("postrider.page.rows", i64::try_from(read.rows.len()).unwrap_or(i64::MAX)),
                text("postrider.page.end", &end.position.to_string()),
            ],
            ..Span::default()
        });
        Some(of)
    }

    /// An event goes to a call that nobody awaits; what becomes of it is told later.
    pub(crate) fn handed_over(&self, target: &TargetId, key: &EventKey, page: Option<PageSpan>) {
        let Some(page) = page else { return };
        let mut buffer = self.lock();
        if buffer.handed_over.len() >= MOST_HANDED_OVER {
            buffer.handed_over.clear();
        }
        buffer.handed_over.insert((target.clone(), key.clone()), page);
    }

    /// What became of a call that nobody awaited.
    pub(crate) fn called_unawaited(&self, call: &Call<'_>, answer: &Answer) {
        let page = self.lock().handed_over.remove(&(call.target.id.clone(), call.event.key.clone()));
        self.called(call, answer, page);
    }

    /// A call was made.
    pub(crate) fn called(&self, call: &Call<'_>, answer: &Answer, page: Option<PageSpan>) {
        let ids = SpanIds::of(call);
        let (target, event, url) = (call.target, call.event, call.target.endpoint.url());
        let mut attributes = vec![
            text("postrider.target", target.name.as_str()),
            text("postrider.instance", event.key.instance_id.as_str()),
            text("postrider.event.type", event.event_type.as_str()),
            text("postrider.event.position", &format!("{}/{}", event.key.position, event.key.in_tx_order)),
            text("postrider.aggregate.type", event.key.aggregate_type.as_str()),
            text("postrider.aggregate.id", event.key.aggregate_id.as_str()),
            number("postrider.event.sequence", event.key.sequence),
            number("postrider.attempt", call.attempt.into()),
            text("postrider.outcome", answer.outcome.label()),
            text("http.request.method", "POST"),
        ];
        attributes.extend(url.host_str().map(|host| text("server.address", host)));
        attributes.extend(url.port_or_known_default().map(|port| number("server.port", port.into())));
        attributes.extend(answer.status.map(|status| number("http.response.status_code", status.into())));
        let status = match answer.outcome.error() {
            None => Status::default(),
            Some(error) => Status { message: error.to_owned(), code: status::StatusCode::Error.into() },
        };
        let link = |page: PageSpan| span::Link {
            trace_id: page.trace.to_vec(),
            span_id: page.span.to_vec(),
            flags: SAMPLED,
            ..span::Link::default()
        };
        let began = nanoseconds(call.now);
        let took = u64::try_from(answer.duration.as_nanos()).unwrap_or(u64::MAX);
        self.push(Span {
            trace_id: ids.trace.to_vec(),
            span_id: ids.span.to_vec(),
            flags: SAMPLED,
            name: "deliver".to_owned(),
            kind: span::SpanKind::Client.into(),
            start_time_unix_nano: began,
            end_time_unix_nano: began.saturating_add(took),
            attributes,
            links: page.map(link).into_iter().collect(),
            status: Some(status),
            ..Span::default()
        });
    }

    /// Sends until `stop`, and then what is left, for as long as `last`.
    pub(crate) async fn send(&self, last: Duration, stop: &CancellationToken) {
        let over = async {
            stop.cancelled().await;
            sleep(last).await;
        };
        tokio::select! {
            () = self.send_groups(stop) => {}
            () = over => {}
        }
    }

    async fn send_groups(&self, stop: &CancellationToken) {
        let mut told = false;
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(FLUSH) => {}
                () = self.filled.notified() => {}
            }
            self.send_all(&mut told).await;
        }
    }

    async fn send_all(&self, told: &mut bool) {
        loop {
            let group: Vec<Span> = {
                let mut buffer = self.lock();
                let most = buffer.spans.len().min(GROUP);
                buffer.spans.drain(..most).collect()
            };
            if group.is_empty() {
                return;
            }
            let spans = group.len() as u64;
            match self.collector.send(self.request(group)).await {
                Ok(()) => {
                    let dropped = std::mem::take(&mut self.lock().dropped);
                    if std::mem::take(told) || dropped > 0 {
                        info!(event = LogEvent::TracesSent.name(), dropped, "traces are sent again");
                    }
                }
                Err(error) => {
                    self.lock().dropped += spans;
                    if !std::mem::replace(told, true) {
                        warn!(
                            event = LogEvent::TracesUnsent.name(),
                            error = &error as &dyn std::error::Error,
                            "traces cannot be sent and are dropped; deliveries are not concerned"
                        );
                    }
                    return;
                }
            }
        }
    }

    fn request(&self, spans: Vec<Span>) -> Vec<u8> {
        let scope = InstrumentationScope { name: "postrider".to_owned(), ..InstrumentationScope::default() };
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
        let resource = Some(self.resource.clone());
        let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    }

    fn push(&self, span: Span) {
        let mut buffer = self.lock();
        if buffer.spans.len() >= MOST {
            buffer.spans.pop_front();
            buffer.dropped += 1;
        }
        buffer.spans.push_back(span);
        let full = buffer.spans.len() == GROUP;
        drop(buffer);
        if full {
            self.filled.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().expect("no holder of this lock panics")
    }
}

/// The pages that a courier has taken rows from, for as long as calls may come of them.
#[derive(Debug, Default)]
pub(crate) struct Pages(VecDeque<(EventKey, EventKey, PageSpan)>);

impl Pages {
    /// A page with what comes after one key and up to another. Those that end before `settled` are forgotten.
    pub fn turned(&mut self, after: &EventKey, up_to: &EventKey, span: Option<PageSpan>, settled: &EventKey) {
        let Some(span) = span else { return };
        while self.0.front().is_some_and(|(_, end, _)| end <= settled) {
            self.0.pop_front();
        }
        self.0.push_back((after.clone(), up_to.clone(), span));
    }

    /// The last one that had this row.
    pub fn of(&self, key: &EventKey) -> Option<PageSpan> {
        self.0.iter().rev().find(|(after, end, _)| after < key && key <= end).map(|(_, _, span)| *span)
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn nanoseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanosecond()).unwrap_or_default()
}
