//! Whether a target heard what it had to: the judge of the chaos tests. Pure, and judged itself by `chaos_check_tests`.
//!
//! A *lane* is what has an order: in strict order everything of one instance, in aggregate order each aggregate, without order
//! each event for itself. The events of a lane that concern the target have numbers, in the order of their keys. Then:
//!
//! - a *run* begins with the first event, and goes on by one event at a time, each of them once the one before it is settled:
//!   accepted, or given up for good. An event that was refused may be called again at once;
//! - a run may begin again, at an event that was called before. From there on it goes by one event at a time again. So first
//!   deliveries are in order, and what is repeated is repeated in order, without a gap;
//! - an event that was accepted may be called again only if the cursor has been claimed since, by this or another daemon;
//! - a daemon that was frozen between its last look at the lease and the call makes that call when it is thawed: within
//!   [`STRAY_WITHIN`] of a thaw a call that was due before may come between the others. It begins no run, and the owner may
//!   make the same call.
//!
//! Anything else is a [`Fault`], as is an event that was neither accepted nor given up, and one that was never to be sent.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::{Duration, Instant},
};

use domain::{EventKey, InstanceId, Ordering, Timestamp};

/// How long after a thaw what was frozen half way may still arrive.
pub const STRAY_WITHIN: Duration = Duration::from_secs(1);

/// A call, as the receiver saw it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    pub key: EventKey,
    pub at: Instant,
    /// It was answered with 2xx.
    pub accepted: bool,
    /// What it says of itself, and by which connection it came: for the message of a failing test.
    pub attempt: u32,
    pub connection: usize,
    pub time: Timestamp,
}

/// A look at a cursor. What it shows was so at some time between the two.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Look {
    pub began: Instant,
    pub ended: Instant,
    pub epoch: i64,
    pub generation: i64,
    pub key: EventKey,
}

/// What is known of one target.
pub struct Case<'a> {
    pub ordering: Ordering,
    /// What it must hear of, and nothing else.
    pub expected: &'a BTreeSet<EventKey>,
    /// What it refused until it was parked.
    pub given_up: &'a HashSet<EventKey>,
    /// In the order of arrival.
    pub calls: &'a [Call],
    /// The looks at its cursor on each instance, in the order of time.
    pub looks: &'a HashMap<InstanceId, Vec<Look>>,
    /// When a daemon was thawed.
    pub thaws: &'a [Instant],
}

/// What must not be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Neither accepted nor given up.
    Lost(EventKey),
    /// It does not concern the target, or a gate before the target parked it.
    Unasked(EventKey),
    /// Called although `before`, which comes before it, had not been settled or not been called again.
    OutOfOrder { before: Option<EventKey>, called: EventKey },
    /// Accepted for the first time after a later one.
    Overtaken(EventKey),
    /// Called again although nobody had claimed the cursor since.
    Unexplained(EventKey),
    /// The cursor stood at the first, and later at the second.
    WentBack(EventKey, EventKey),
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    pub faults: Vec<Fault>,
    /// Calls of events that had been accepted before.
    pub repeats: usize,
    /// The most of them behind one claim.
    pub most_behind_a_claim: usize,
    /// Calls that came between the others after a thaw.
    pub strays: usize,
    /// More about faults, for people.
    pub notes: Vec<String>,
}

/// Judges one target.
pub fn judge(case: &Case<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let mut lanes: BTreeMap<Lane<'_>, Vec<&EventKey>> = BTreeMap::new();
    for key in case.expected {
        lanes.entry(lane(case.ordering, key)).or_default().push(key);
    }
    let mut runs: BTreeMap<Lane<'_>, Run> = BTreeMap::new();
    let mut behind: HashMap<(&InstanceId, i64), usize> = HashMap::new();
    let mut known = Known::default();
    for call in case.calls {
        if !case.expected.contains(&call.key) {
            verdict.faults.push(Fault::Unasked(call.key.clone()));
            continue;
        }
        let lane = lane(case.ordering, &call.key);
        let keys = &lanes[&lane];
        let number = keys.binary_search(&&call.key).expect("it is expected");
        let settled = |number: usize| known.accepted.contains_key(keys[number]) || case.given_up.contains(keys[number]);
        let thawed = case.thaws.iter().any(|thaw| (*thaw..*thaw + STRAY_WITHIN).contains(&call.at));
        let step = runs.entry(lane).or_default().step(number, thawed, settled);
        match step {
            Step::Wrong => verdict.faults.push(Fault::OutOfOrder {
                before: number.checked_sub(1).map(|before| keys[before].clone()),
                called: call.key.clone(),
            }),
            Step::Stray => verdict.strays += 1,
            Step::On | Step::Again | Step::Back => {}
        }
        let looks = case.looks.get(&call.key.instance_id).map_or(&[][..], Vec::as_slice);
        let since = match (known.accepted.get(&call.key), known.called.get(&call.key)) {
            (Some(accepted), _) => Some(*accepted),
            // Given up, and then called again behind others.
            (None, Some(called)) if step == Step::Back => Some(*called),
            _ => None,
        };
        if let Some(since) = since {
            let (before, after) = epochs(looks, since, call.at);
            if after <= before && !thawed && !known.doubtful.remove(&call.key) {
                verdict.faults.push(Fault::Unexplained(call.key.clone()));
                verdict.notes.push(note(case, call, after));
            }
            verdict.repeats += 1;
            *behind.entry((&call.key.instance_id, after)).or_default() += 1;
        }
        verdict.faults.extend(known.take(call, lane));
        if thawed {
            known.doubtful.insert(&call.key);
        }
    }
    verdict.most_behind_a_claim = behind.into_values().max().unwrap_or_default();
    for key in case.expected {
        if !known.accepted.contains_key(key) && !case.given_up.contains(key) {
            verdict.faults.push(Fault::Lost(key.clone()));
        }
    }
    verdict.faults.extend(case.looks.values().flat_map(|looks| went_back(looks)));
    verdict
}

type Lane<'a> = (&'a str, &'a str, &'a str, Option<&'a EventKey>);

fn lane(ordering: Ordering, key: &EventKey) -> Lane<'_> {
    let instance = key.instance_id.as_str();
    match ordering {
        Ordering::Strict => (instance, "", "", None),
        Ordering::Aggregate => (instance, key.aggregate_type.as_str(), key.aggregate_id.as_str(), None),
        Ordering::None => (instance, "", "", Some(key)),
    }
}

/// How far a lane has come. After a thaw a call is a stray or begins a run: both are kept in mind until it shows.
struct Run {
    /// The number that goes on with a run.
    next: BTreeSet<usize>,
    /// The highest one that was ever next.
    highest: usize,
}

impl Default for Run {
    fn default() -> Self {
        Self { next: BTreeSet::from([0]), highest: 0 }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// The next one.
    On,
    /// The last one once more.
    Again,
    /// A run begins again.
    Back,
    /// Neither, but a daemon has just been thawed.
    Stray,
    /// None of these.
    Wrong,
}

impl Run {
    fn step(&mut self, number: usize, thawed: bool, settled: impl Fn(usize) -> bool) -> Step {
        let on = self.next.contains(&number) && (number == 0 || settled(number - 1));
        let back = self.next.last().is_some_and(|next| number < *next);
        let due = number < self.highest || (number == self.highest && (number == 0 || settled(number - 1)));
        let step = match (on, back) {
            _ if self.next.contains(&(number + 1)) => Step::Again,
            (true, _) => Step::On,
            (false, true) => Step::Back,
            (false, false) if thawed && due => Step::Stray,
            (false, false) => Step::Wrong,
        };
        // What was wrong is told once; from there it is looked at afresh.
        match step {
            Step::Stray => {}
            _ if thawed => {
                self.next.insert(number + 1);
            }
            _ => self.next = BTreeSet::from([number + 1]),
        }
        self.highest = self.highest.max(number + 1);
        step
    }
}

/// What has happened so far.
#[derive(Default)]
struct Known<'a> {
    /// When each was accepted last.
    accepted: HashMap<&'a EventKey, Instant>,
    called: HashMap<&'a EventKey, Instant>,
    /// The highest that was accepted in each lane.
    highest: HashMap<Lane<'a>, &'a EventKey>,
    /// Called when it may have been a stray: the owner's own call may follow.
    doubtful: HashSet<&'a EventKey>,
}

impl<'a> Known<'a> {
    fn take(&mut self, call: &'a Call, lane: Lane<'a>) -> Option<Fault> {
        self.called.insert(&call.key, call.at);
        if !call.accepted {
            return None;
        }
        let first = self.accepted.insert(&call.key, call.at).is_none();
        let highest = self.highest.entry(lane).or_insert(&call.key);
        if call.key < **highest {
            return first.then(|| Fault::Overtaken(call.key.clone()));
        }
        *highest = &call.key;
        None
    }
}

/// All calls of an event that came again, in seconds before the last of them; and the last thaw.
fn note(case: &Case<'_>, again: &Call, epoch: i64) -> String {
    let ago = |at: &Instant| again.at.saturating_duration_since(*at);
    let calls = case.calls.iter().filter(|call| call.key == again.key && call.at <= again.at);
    let calls: Vec<_> = calls
        .map(|call| {
            let answer = if call.accepted { "accepted" } else { "refused" };
            format!(
                "{answer} {:.3?} before as attempt {} by connection {}",
                ago(&call.at),
                call.attempt,
                call.connection
            )
        })
        .collect();
    let thaw = case.thaws.iter().rev().find(|thaw| **thaw <= again.at).map(ago);
    let (key, time) = (&again.key, again.time);
    format!("{key} came again at {time}, epoch {epoch}, last thaw {thaw:.3?} before: {}", calls.join("; "))
}

/// The cursor's epoch before one moment and after another, as far as the looks at it show.
fn epochs(looks: &[Look], before: Instant, after: Instant) -> (i64, i64) {
    let old = looks[..looks.partition_point(|look| look.ended <= before)].last().map_or(0, |look| look.epoch);
    let new = looks.get(looks.partition_point(|look| look.began < after)).or(looks.last());
    (old, new.map_or(0, |look| look.epoch))
}

/// Nobody moves a cursor back but an operator, who has not been here.
fn went_back(looks: &[Look]) -> impl Iterator<Item = Fault> {
    looks.windows(2).filter_map(|pair| {
        let [earlier, later] = pair else { return None };
        let same = earlier.generation == later.generation && earlier.epoch <= later.epoch;
        let went_back = later.key < earlier.key || !same;
        went_back.then(|| Fault::WentBack(earlier.key.clone(), later.key.clone()))
    })
}
