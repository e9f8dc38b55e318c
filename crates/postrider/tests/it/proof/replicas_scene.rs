//! Several daemons on one state: who there is, and who has what.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use test_support::{Receiver, TestDatabase, eventually_within};

use super::{
    daemon::{Daemon, House},
    hands_scene::PATIENCE,
};

/// How long leases run in these tests.
pub const LEASE: Duration = Duration::from_secs(2);

/// A house with so many targets, each with a receiver of its own, all called for every event.
pub fn house(database: &TestDatabase, targets: usize) -> (House, Vec<Receiver>) {
    let receivers: Vec<Receiver> = (0..targets).map(|_| Receiver::ok()).collect();
    let mut house = House::new(&database.url());
    house.set("duration = \"1s\"", &format!("duration = \"{}s\"", LEASE.as_secs()));
    let names: Vec<String> = (0..targets).map(|number| format!("t{number:02}")).collect();
    for (name, receiver) in names.iter().zip(&receivers) {
        house.target(name, receiver, "");
    }
    house.execution("{ all = true }", &names.iter().map(String::as_str).collect::<Vec<_>>());
    (house, receivers)
}

/// The workers whose leases run, as `worker list` has them; none while there is no state.
pub fn live(house: &House) -> Vec<Value> {
    let output = house.command(&["worker", "list", "-o", "json"]);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("run `postrider migrate`"), "{said}");
        return Vec::new();
    }
    let workers: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a list is JSON");
    workers.into_iter().filter(|worker| worker["state"] == "live").collect()
}

/// Waits until so many workers live, whatever they have.
pub async fn workers_are(house: &House, count: usize) {
    eventually_within(PATIENCE, &format!("{count} workers live"), async || (live(house).len() == count).then_some(()))
        .await;
}

/// Waits until the live workers have so many targets, in any order, and `cursor list` agrees.
pub async fn spread_is(house: &House, wanted: &[u64]) {
    eventually_within(PATIENCE, &format!("the targets are spread as {wanted:?}"), async || {
        let mut counts: Vec<u64> = live(house).iter().filter_map(|worker| worker["targets"].as_u64()).collect();
        counts.sort_unstable();
        if counts != wanted {
            return None;
        }
        let mut served: BTreeMap<String, u64> = BTreeMap::new();
        for worker in served_by(house).into_values().flatten() {
            *served.entry(worker).or_default() += 1;
        }
        let mut counts: Vec<u64> = served.into_values().collect();
        counts.sort_unstable();
        (counts == wanted.iter().copied().filter(|count| *count > 0).collect::<Vec<_>>()).then_some(())
    })
    .await;
}

/// The worker of each target, as `cursor list` has it.
pub fn served_by(house: &House) -> BTreeMap<String, Option<String>> {
    let cursors = house.json(&["cursor", "list"]);
    let one = |cursor: &Value| {
        (cursor["target"].as_str().expect("a name").to_owned(), cursor["worker"].as_str().map(str::to_owned))
    };
    cursors.as_array().expect("a list").iter().map(one).collect()
}

/// The targets of a daemon, by their numbers.
pub fn targets_of(house: &House, daemon: &Daemon) -> Vec<usize> {
    let worker = live(house).into_iter().find(|worker| worker["pid"] == daemon.pid()).expect("it lives");
    let worker = worker["worker"].as_str().expect("an id").to_owned();
    let number = |name: String| name[1..].parse().expect("a number");
    let served = served_by(house).into_iter();
    served.filter(|(_, by)| by.as_deref() == Some(&worker)).map(|(name, _)| number(name)).collect()
}
