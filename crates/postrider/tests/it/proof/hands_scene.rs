//! What the scenes of the proof share: stores with events in them, and looks at what arrived and how cursors stand.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use domain::EventKey;
use serde_json::{Value, json};
use test_support::{Account, Arrival, Push, Receiver, Stamp, TestDatabase, eventually_within};

use super::daemon::House;

/// What everything that must happen may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// An operator's act is in force within a second; the other one is for a machine that is busy with other tests.
pub const IN_FORCE: Duration = Duration::from_secs(2);

/// What these tests push.
pub const ADDED: &str = "user.human.added";

/// A ZITADEL-shaped database.
pub async fn zitadel() -> TestDatabase {
    let database = TestDatabase::create().await;
    database.zitadel().await;
    database
}

/// Pushes events, each in a transaction of its own, to a handful of users.
pub async fn push(database: &TestDatabase, event_type: &str, count: usize) -> Vec<EventKey> {
    let mut keys = Vec::new();
    for number in 0..count {
        keys.extend(push_to(database, &format!("user{}", number % 5), event_type).await);
    }
    keys
}

/// Pushes one event to a user.
pub async fn push_to(database: &TestDatabase, user: &str, event_type: &str) -> Vec<EventKey> {
    let push = Push::to("user", user).event_with(event_type, json!({ "of": user }));
    database.push(Stamp::Clock, &push).await.into_iter().map(|written| written.key).collect()
}

/// Waits until all of these were answered with 2xx.
pub async fn all_arrive(receiver: &Receiver, keys: &[EventKey]) {
    all_arrive_within(PATIENCE, receiver, keys).await;
}

/// As [`all_arrive`], with another patience.
pub async fn all_arrive_within(patience: Duration, receiver: &Receiver, keys: &[EventKey]) {
    let mut missing: HashSet<EventKey> = keys.iter().cloned().collect();
    let mut seen = 0;
    let what = format!("all of {} events have arrived", keys.len());
    eventually_within(patience, &what, async || {
        let arrivals = receiver.accepted();
        for arrival in &arrivals[seen.min(arrivals.len())..] {
            missing.remove(&arrival.key());
        }
        seen = arrivals.len();
        missing.is_empty().then_some(())
    })
    .await;
}

/// The accepted arrivals account for exactly these: complete, in order, nothing twice.
pub fn assert_exact(receiver: &Receiver, keys: &[EventKey]) {
    Account::of(&receiver.accepted(), keys).assert_exact();
}

/// The keys of what was accepted, in order of arrival.
pub fn accepted_keys(receiver: &Receiver) -> Vec<EventKey> {
    receiver.accepted().iter().map(|arrival| arrival.key()).collect()
}

/// Every arrival of an event carries the same `Webhook-Id`, and no two events share one.
pub fn assert_one_id_each(arrivals: &[Arc<Arrival>]) {
    let mut ids: HashMap<String, EventKey> = HashMap::new();
    let mut of: HashMap<EventKey, String> = HashMap::new();
    for arrival in arrivals {
        let id = arrival.header("webhook-id").expect("every call has a Webhook-Id").to_owned();
        let key = arrival.key();
        assert_eq!(*ids.entry(id.clone()).or_insert_with(|| key.clone()), key, "{id} stands for two events");
        assert_eq!(*of.entry(key.clone()).or_insert_with(|| id.clone()), id, "{key} was sent with two ids");
    }
}

/// Waits until nothing has arrived for `pause`, and returns when the last one did.
pub async fn quiet_for(receiver: &Receiver, pause: Duration) -> Instant {
    let mut last = (receiver.count(), Instant::now());
    eventually_within(PATIENCE, "the receiver is left in peace", async || {
        if receiver.count() != last.0 {
            last = (receiver.count(), Instant::now());
        }
        (last.1.elapsed() >= pause).then_some(())
    })
    .await;
    receiver.arrivals().last().map_or(last.1, |arrival| arrival.at)
}

/// A list as JSON; `None` while there is no state to be asked.
fn list(house: &House, what: &str) -> Option<Vec<Value>> {
    let output = house.command(&[what, "list", "-o", "json"]);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // Or while the daemon makes its tables.
        assert!(said.contains("the state has no tables yet") || said.contains("the state is at schema"), "{said}");
        return None;
    }
    serde_json::from_slice(&output.stdout).expect("a list is JSON")
}

/// The only cursor of a target, as `cursor list` has it; `None` until a daemon has made it.
fn known_cursor(house: &House, target: &str) -> Option<Value> {
    list(house, "cursor")?.into_iter().find(|cursor| cursor["target"] == target)
}

/// The only cursor of a target, as `cursor list` has it.
pub fn cursor(house: &House, target: &str) -> Value {
    known_cursor(house, target).unwrap_or_else(|| panic!("there is no cursor of {target}"))
}

/// Waits until the cursor is in this state, and returns it.
pub async fn in_state(house: &House, target: &str, state: &str) -> Value {
    eventually_within(PATIENCE, &format!("{target} is {state}"), async || {
        known_cursor(house, target).filter(|cursor| cursor["state"] == state)
    })
    .await
}

/// Waits until the cursor has come to this event.
pub async fn cursor_at(house: &House, target: &str, key: &EventKey) {
    let there = |cursor: &Value| {
        cursor["position"] == key.position.to_string() && cursor["aggregate_id"] == key.aggregate_id.as_str()
    };
    eventually_within(PATIENCE, &format!("the cursor of {target} is at {key}"), async || {
        known_cursor(house, target).filter(there)
    })
    .await;
}

/// What `failed list` says: aggregate, status and count of each.
pub fn failed(house: &House) -> Vec<(String, String, u64)> {
    known_failed(house).expect("there is a state")
}

fn known_failed(house: &House) -> Option<Vec<(String, String, u64)>> {
    let line = |line: &Value| {
        let text = |name: &str| line[name].as_str().expect("a text").to_owned();
        (text("aggregate_id"), text("status"), line["failure_count"].as_u64().expect("a number"))
    };
    Some(list(house, "failed")?.iter().map(line).collect())
}

/// Waits until `failed list` says this.
pub async fn failed_are(house: &House, wanted: &[(&str, &str, u64)]) {
    let own = |(aggregate, status, count): &(&str, &str, u64)| ((*aggregate).to_owned(), (*status).to_owned(), *count);
    let wanted: Vec<_> = wanted.iter().map(own).collect();
    eventually_within(PATIENCE, &format!("the failed events are {wanted:?}"), async || {
        (known_failed(house)? == wanted).then_some(())
    })
    .await;
}
