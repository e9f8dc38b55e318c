//! Chaos: three daemons, sixty targets and many writers, while daemons are killed, stopped and frozen, one of them is cut off from
//! the database, and the database is restarted. Afterwards what the receivers heard is held against what was written.
//!
//! The cast: `chaos_plan` says what must become of every event, `chaos_receivers` writes down what arrived, `chaos_daemons` strikes,
//! `chaos_watch` looks at the cursors, `chaos_check` judges.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::{Duration, Instant},
};

use domain::{EventKey, Ordering};
use rand::{SeedableRng, rngs::StdRng};
use store::State;
use test_support::{Load, PrivatePostgres, Shape, Stamp, Written};
use tokio_util::sync::CancellationToken;

use super::{
    chaos_check::{Case, Fault, judge},
    chaos_daemons::{Blows, Daemons, MAX_GROUP, pause},
    chaos_plan::{Fate, MAX_IN_FLIGHT, Plan},
    chaos_receivers::Endpoints,
    chaos_watch::{self, Looks},
};

/// How much, how fast.
#[derive(Clone, Copy)]
struct Size {
    events: u32,
    per_second: u32,
    /// From the end of the blows until everything is delivered.
    patience: Duration,
}

const CI: Size = Size { events: 5_000, per_second: 125, patience: Duration::from_mins(2) };
const LONG: Size = Size { events: 100_000, per_second: 300, patience: Duration::from_mins(10) };

/// How much longer than the writers the blows may take, until half is delivered.
const BLOWS_GO_ON: Duration = Duration::from_secs(20);

/// What must become of the events of each target.
struct Wanted {
    /// What is to be called.
    expected: Vec<BTreeSet<EventKey>>,
    /// Of that, what is refused for good.
    parked: Vec<HashSet<EventKey>>,
    denied: usize,
}

impl Wanted {
    fn of(plan: &Plan, written: &[Written]) -> Self {
        let targets = plan.members.len();
        let mut wanted =
            Self { expected: vec![BTreeSet::new(); targets], parked: vec![HashSet::new(); targets], denied: 0 };
        for event in written {
            for (target, fate) in plan.fates(event) {
                match fate {
                    Fate::Denied => wanted.denied += 1,
                    Fate::Delivered => {
                        wanted.expected[target].insert(event.key.clone());
                    }
                    Fate::Parked => {
                        wanted.expected[target].insert(event.key.clone());
                        wanted.parked[target].insert(event.key.clone());
                    }
                }
            }
        }
        wanted
    }

    fn deliveries(&self) -> usize {
        self.expected.iter().zip(&self.parked).map(|(expected, parked)| expected.len() - parked.len()).sum()
    }
}

/// Restarts the server twice within the time that writing takes.
async fn restart(server: &mut PrivatePostgres, size: Size, end: &CancellationToken) -> usize {
    let third = Duration::from_secs(1) * size.events / size.per_second / 3;
    let mut restarts = 0;
    while restarts < 2 && pause(third, end).await {
        restarts += 1;
        server.stop();
        pause(Duration::from_millis(300), end).await;
        server.start_again().await;
    }
    restarts
}

/// Lets the plan happen, and judges.
async fn check(name: &str, plan: Plan, size: Size) {
    let mut server = PrivatePostgres::start().await;
    let database = server.database().await;
    database.zitadel().await;
    let endpoints = Endpoints::of(&plan);
    let mut daemons = Daemons::start(&server, &database, &plan.toml(|number| endpoints.url(number)));
    let state = chaos_watch::state(&database).await;
    let load = Load {
        events: size.events.try_into().expect("a small number"),
        per_second: Some(size.per_second),
        instances: ["i1", "i2"].map(str::to_owned).to_vec(),
        two_phase: 0.05,
        ..Load::new(Shape::Zitadel(Stamp::Now))
    };
    let (calm, over) = (CancellationToken::new(), CancellationToken::new());
    let began = Instant::now();
    let writing = async {
        let written = load.run(&database).await;
        // On a slow machine most is still to come, and is to meet some of the blows.
        let half = Wanted::of(&plan, &written).deliveries() / 2;
        let wrote = Instant::now();
        while endpoints.count() < half && wrote.elapsed() < BLOWS_GO_ON {
            pause(Duration::from_millis(50), &calm).await;
        }
        calm.cancel();
        written
    };
    let scene = async {
        let rng = StdRng::seed_from_u64(load.seed);
        let (written, mut blows, restarts) =
            tokio::join!(writing, daemons.harass(rng, &calm), restart(&mut server, size, &calm));
        blows.restarts = restarts;
        let (wrote, calls) = (began.elapsed(), endpoints.count());
        let wanted = Wanted::of(&plan, &written);
        println!(
            "{name}: {} events in {wrote:.1?}; {blows}; {calls} calls by then, {} deliveries wanted",
            written.len(),
            wanted.deliveries(),
        );
        wait(&state, &endpoints, &wanted, size.patience).await;
        println!("{name}: all delivered {:.1?} after the last blow", began.elapsed().saturating_sub(wrote));
        // What is delivered is committed by those who stop in order.
        let logs = daemons.stop().await;
        over.cancel();
        (wanted, blows, logs)
    };
    let (looks, (wanted, blows, logs)) = tokio::join!(chaos_watch::watch(&state, &over, || endpoints.forget()), scene);
    let parked = chaos_watch::parked(&state).await;
    let faults = judge_all(name, &plan, &endpoints, &wanted, &blows, &looks, &parked);
    if let Some((target, _)) = faults.first() {
        tell(target, &logs);
    }
    assert!(faults.is_empty(), "{} faults: {:#?} …", faults.len(), &faults[..faults.len().min(10)]);
    assert!(plan.has_gates() == (wanted.denied > 0), "{} events were denied", wanted.denied);
    assert!(
        blows.restarts == 2 && blows.kills > 0 && blows.stops > 0 && blows.freezes > 0 && blows.cuts > 0,
        "{blows}"
    );
}

/// Until every event is accepted wherever it must be, and parked wherever it is refused for good.
async fn wait(state: &State, endpoints: &Endpoints, wanted: &Wanted, patience: Duration) {
    let missing = || {
        let each = wanted.expected.iter().zip(&wanted.parked).enumerate();
        each.map(|(number, (expected, parked))| {
            (expected.len() - parked.len()).saturating_sub(endpoints.record(number).accepted.len())
        })
    };
    let all_parked: usize = wanted.parked.iter().map(HashSet::len).sum();
    let began = Instant::now();
    loop {
        let left: Vec<_> = missing().enumerate().filter(|(_, missing)| *missing > 0).collect();
        let parked: usize = chaos_watch::parked(state).await.values().map(BTreeSet::len).sum();
        if left.is_empty() && parked >= all_parked {
            return;
        }
        if began.elapsed() > patience {
            let stand = chaos_watch::stand(state).await;
            panic!(
                "after {patience:?} {parked} of {all_parked} are parked, and there are left (target, events): {left:?}\n{stand}"
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The judgement of all targets, in figures; and whether it is good.
fn judge_all(
    name: &str,
    plan: &Plan,
    endpoints: &Endpoints,
    wanted: &Wanted,
    blows: &Blows,
    looks: &Looks,
    parked: &HashMap<String, BTreeSet<EventKey>>,
) -> Vec<(String, Fault)> {
    let (mut calls, mut repeats, mut strays, mut most, mut watched) = (0, 0, 0, 0, 0);
    let mut faults: Vec<(String, Fault)> = Vec::new();
    let none = HashMap::new();
    for (number, member) in plan.members.iter().enumerate() {
        let target = format!("t{number}");
        let record = endpoints.record(number);
        let looks = looks.get(&target).unwrap_or(&none);
        let verdict = judge(&Case {
            ordering: member.ordering,
            expected: &wanted.expected[number],
            given_up: &wanted.parked[number],
            calls: &record.calls,
            looks,
            thaws: &blows.thaws,
        });
        assert!(record.complaints.is_empty(), "{target}: {:#?}", record.complaints);
        let found: HashSet<_> = parked.get(&target).into_iter().flatten().cloned().collect();
        assert_eq!(found, wanted.parked[number], "{target}: what is parked is what its receiver refused for good");
        calls += record.calls.len();
        watched += looks.values().map(Vec::len).sum::<usize>();
        repeats += verdict.repeats;
        strays += verdict.strays;
        most = most.max(verdict.most_behind_a_claim);
        for note in verdict.notes {
            eprintln!("{target}: {note}");
        }
        faults.extend(verdict.faults.into_iter().map(|fault| (target.clone(), fault)));
    }
    let in_flight = |ordering| if ordering == Ordering::Strict { 1 } else { MAX_IN_FLIGHT };
    let instances = 2;
    let all_in_flight: usize = plan.members.iter().map(|member| instances * in_flight(member.ordering)).sum();
    let allowed = blows.hard() * (2 * MAX_GROUP + all_in_flight);
    println!(
        "{name}: {calls} calls, {} parked, {} denied, {} faults, {repeats} repeats ({allowed} may be; at most {most} of a target \
         behind one claim), {strays} strays after thaws, cursors looked at {watched} times",
        wanted.parked.iter().map(HashSet::len).sum::<usize>(),
        wanted.denied,
        faults.len(),
    );
    assert!(watched > 0, "the cursors were looked at");
    assert!(repeats <= allowed, "{repeats} repeats, {allowed} may be");
    let allowed = 2 * MAX_GROUP + instances * MAX_IN_FLIGHT;
    assert!(most <= allowed, "{most} events of one target came again behind one claim, {allowed} may");
    faults
}

/// What the daemons said of a target and of themselves.
fn tell(target: &str, logs: &[String]) {
    let telling = |line: &&str| {
        let of_it = line.split_whitespace().any(|word| word.strip_prefix("target=") == Some(target));
        of_it || !line.contains(" target=") && !line.contains("postrider::commands::run: ")
    };
    for (number, log) in logs.iter().enumerate() {
        log.lines().filter(telling).for_each(|line| eprintln!("daemon {number}: {line}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chaos_loses_nothing_and_keeps_every_order() {
    check("chaos", Plan::mixed(), CI).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes long: `just chaos`"]
async fn chaos_for_long_loses_nothing_and_keeps_every_order() {
    check("long chaos", Plan::mixed(), LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chaos_sends_nothing_past_a_gate_that_gave_it_up() {
    check("chaos with gates", Plan::gated(), CI).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes long: `just chaos`"]
async fn chaos_for_long_sends_nothing_past_a_gate_that_gave_it_up() {
    check("long chaos with gates", Plan::gated(), LONG).await;
}
