//! The pure parts that every event passes: `just bench-hot`.

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use domain::{
    Condition, Cursor, CursorId, Definitions, EventKey, EventType, Execution, ExecutionTarget, InstanceId, Ordering,
    Outcome, Position, Router, Row, SigningKey, Source, Target, Timestamp,
    window::{Now, Policy, Shape, Step, Window},
};
use test_support::EventBuilder;

/// What a user's payload looks like.
const PAYLOAD: &str = r#"{"email": "gigi@zitadel.example.com", "userName": "gigi", "firstName": "Gigi", "lastName": "Giraffe", "displayName": "Gigi Giraffe", "preferredLanguage": "en", "gender": 1, "address": {"country": "CH", "locality": "St. Gallen"}}"#;

/// Events that go through a window in one measurement.
const EVENTS: u64 = 1_000;

fn target(number: usize) -> Target {
    let endpoint = "https://crm.example.com/hook".parse().expect("a valid endpoint");
    let key: SigningKey = "a key for measuring".into();
    Target {
        signing_keys: vec![key],
        ..Target::new(format!("t{number}").as_str().into(), format!("target{number}").as_str().into(), endpoint)
    }
}

fn lookup(criterion: &mut Criterion) {
    let targets: Vec<_> = (0..1_000).map(target).collect();
    let execution = |condition: Condition, target: &Target| Execution {
        condition,
        instance: None,
        targets: vec![ExecutionTarget::Target(target.name.clone())],
        exclude: Vec::new(),
        source: Source::File,
    };
    let mut executions: Vec<_> = (targets.iter().enumerate())
        .map(|(number, target)| execution(Condition::Event(format!("load.t{number}").as_str().into()), target))
        .collect();
    executions.push(execution(Condition::Group("user.human".into()), &targets[0]));
    let router = Router::build(&Definitions { revision: 1, targets, executions }).expect("they fit together");
    let instance: InstanceId = "i1".into();
    let mut group = criterion.benchmark_group("router, 1000 targets");
    for (name, event_type) in
        [("exact", "load.t500"), ("group", "user.human.email.changed"), ("none", "session.user.checked")]
    {
        let event_type: EventType = event_type.into();
        group.bench_function(name, |bencher| {
            bencher.iter(|| router.targets(black_box(&instance), black_box(&event_type)).count());
        });
    }
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let target = target(0);
    let event = EventBuilder::new("user.human.added").payload_text(Some(PAYLOAD)).build();
    let mut group = criterion.benchmark_group("call");
    group.bench_function("body", |bencher| bencher.iter(|| webhook::body(black_box(&event), black_box(&target))));
    let body = webhook::body(&event, &target);
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("signature", |bencher| {
        bencher.iter(|| domain::sign(black_box(&body), black_box(1_743_070_963), &target.signing_keys));
    });
    group.bench_function("id", |bencher| {
        bencher.iter(|| domain::webhook_id(black_box(&target.id), black_box(&event.key), 0));
    });
    group.finish();
}

fn now() -> Now {
    Now { wall: Timestamp::UNIX_EPOCH, monotonic: Duration::ZERO }
}

fn rows() -> Vec<Arc<Row>> {
    let row = |number: u64| {
        let event = EventBuilder::new("user.human.added").position(&number.to_string());
        Arc::new(Row::Event(event.aggregate("user", &format!("u{number}")).payload_text(Some(PAYLOAD)).build()))
    };
    (1..=EVENTS).map(row).collect()
}

/// Every event is offered, sent, and recorded as delivered; a settlement is taken for every hundredth, as in a group of the ledger.
fn deliver(window: &mut Window, rows: &[Arc<Row>]) -> usize {
    let (mut rows, mut settled, mut sent) = (rows.iter(), 0, Vec::new());
    loop {
        while window.wants_more() {
            let Some(row) = rows.next() else { break };
            window.offer(Arc::clone(row), false, now());
        }
        while let Step::Send(send) = window.next(now()) {
            sent.push(send.ticket);
        }
        if sent.is_empty() {
            return settled;
        }
        for ticket in sent.drain(..) {
            window.record(ticket, &Outcome::Delivered, now(), &mut |_| Duration::ZERO);
            if window.unsubmitted() >= 100 {
                settled += window.settlement(true).map_or(0, |(_, settled)| settled);
            }
        }
    }
}

fn window(criterion: &mut Criterion) {
    let rows = rows();
    let cursor = Cursor::new(CursorId(1), "t".into(), "i1".into(), EventKey::before(Position::ZERO));
    let mut group = criterion.benchmark_group("window");
    group.throughput(Throughput::Elements(EVENTS));
    for (name, ordering, max_in_flight) in [
        ("strict", Ordering::Strict, 1),
        ("aggregate, 64 calls", Ordering::Aggregate, 64),
        ("none, 64 calls", Ordering::None, 64),
    ] {
        let shape = Shape { ordering, max_in_flight, lookahead: 1_000, max_bytes: 16 << 20 };
        let begin = || Window::resume(Policy::default(), shape.clone(), &cursor, Vec::new());
        assert_eq!(deliver(&mut begin(), &rows), rows.len(), "what is measured is a whole delivery");
        group.bench_function(name, |bencher| {
            bencher.iter_batched(begin, |mut window| deliver(&mut window, black_box(&rows)), BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(hot, lookup, encode, window);
criterion_main!(hot);
