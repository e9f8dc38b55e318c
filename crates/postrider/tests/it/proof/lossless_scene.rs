//! What the proofs of "nothing lost, nothing twice, nothing reordered" have in common: a store, three targets, an account.
//!
//! One target is called for an exact type, one for a group, one for all events. Only the most specific match fires, so
//! that each event has exactly one target to go to: which, is said here once more, by hand, and not by the Router.

use std::{collections::BTreeMap, time::Duration};

use domain::{EventKey, InstanceId, SigningKey};
use serde_json::Value;
use test_support::{Account, Receiver, TestDatabase, Written, eventually};

use super::daemon::{House, KEY};

/// The targets, by name, and the condition of each.
const TARGETS: [(&str, &str); 3] =
    [("exact", "{ event = \"user.human.added\" }"), ("group", "{ group = \"user\" }"), ("all", "{ all = true }")];

/// Which of [`TARGETS`] an event goes to.
fn target_of(event: &Written) -> usize {
    match event.event_type.as_str() {
        "user.human.added" => 0,
        name if name.starts_with("user.") => 1,
        _ => 2,
    }
}

/// The three endpoints.
pub struct Trio([Receiver; 3]);

impl Trio {
    /// Puts the targets and their executions into the config.
    pub fn at(house: &mut House) -> Self {
        let trio = Self([Receiver::ok(), Receiver::ok(), Receiver::ok()]);
        for ((name, condition), receiver) in TARGETS.iter().zip(&trio.0) {
            house.target(name, receiver, "");
            house.execution(condition, &[name]);
        }
        trio
    }

    /// How many arrived at each.
    pub fn counts(&self) -> [usize; 3] {
        [0, 1, 2].map(|at| self.0[at].count())
    }

    /// Waits until as many have arrived as were written.
    pub async fn wait_for(&self, written: &[Written], patience: Duration) {
        for (at, receiver) in self.0.iter().enumerate() {
            receiver.wait_for_within(written.iter().filter(|event| target_of(event) == at).count(), patience).await;
        }
    }

    /// Waits until what has arrived so far is committed: after that a crash repeats nothing of it.
    pub async fn wait_until_committed(&self, house: &House) {
        eventually("what has arrived is committed", async || {
            let cursors = cursors(house);
            let committed = TARGETS.iter().zip(&self.0).all(|((name, _), receiver)| {
                receiver.arrivals().iter().all(|arrival| {
                    let key = arrival.key();
                    let cursor = cursors.get(&((*name).to_owned(), key.instance_id.to_string()));
                    cursor.is_some_and(|cursor| *cursor >= key)
                })
            });
            committed.then_some(())
        })
        .await;
    }

    /// Each target has exactly its events, each once, in the order of the key, each call signed, at its first attempt, and
    /// naming the one before it.
    #[track_caller]
    pub fn assert_exact(&self, written: &[Written]) {
        for (at, receiver) in self.0.iter().enumerate() {
            assert_exact(receiver, written.iter().filter(|event| target_of(event) == at));
        }
    }
}

/// See [`Trio::assert_exact`], for one endpoint.
#[track_caller]
pub fn assert_exact<'a>(receiver: &Receiver, expected: impl IntoIterator<Item = &'a Written>) {
    let arrivals = receiver.arrivals();
    Account::of(&arrivals, expected.into_iter().map(|event| &event.key)).assert_exact();
    let keys = [SigningKey::from(KEY)];
    let mut before: BTreeMap<InstanceId, EventKey> = BTreeMap::new();
    for arrival in arrivals {
        arrival.verify(&keys).unwrap_or_else(|error| panic!("{error}: {arrival:?}"));
        assert_eq!(arrival.attempt(), Some(1), "{arrival:?}");
        let key = arrival.key();
        let previous = before.insert(key.instance_id.clone(), key);
        let previous = previous.map(|key| format!("{}/{}", key.position, key.in_tx_order));
        assert_eq!(arrival.header("postrider-previous-position"), previous.as_deref(), "{arrival:?}");
    }
}

/// Where each cursor stands, by target and instance, as `cursor list` has it.
pub fn cursors(house: &House) -> BTreeMap<(String, String), EventKey> {
    let list = house.json(&["cursor", "list"]);
    let lines = list.as_array().expect("a list");
    lines.iter().map(|line| ((text(line, "target"), text(line, "instance_id")), key(line))).collect()
}

fn text(line: &Value, name: &str) -> String {
    line[name].as_str().unwrap_or_else(|| panic!("{name} is a text: {line}")).to_owned()
}

fn key(line: &Value) -> EventKey {
    EventKey {
        position: text(line, "position").parse().expect("a position"),
        in_tx_order: line["in_tx_order"].as_i64().unwrap_or(i64::MIN),
        instance_id: text(line, "instance_id").into(),
        aggregate_type: line["aggregate_type"].as_str().unwrap_or_default().into(),
        aggregate_id: line["aggregate_id"].as_str().unwrap_or_default().into(),
        sequence: line["sequence"].as_i64().unwrap_or_default(),
    }
}

/// A reader that does what must not be done: takes what it sees above the highest position it has seen.
pub struct Naive {
    /// The table, the column with the position, and a condition that all rows meet, so that an index can be used.
    pub table: &'static str,
    pub position: &'static str,
    pub rows: &'static str,
}

impl Naive {
    /// Lets the writers write, reads along, and says how many events it has missed in the end.
    pub async fn beside(
        &self,
        database: &TestDatabase,
        writing: impl Future<Output = Vec<Written>>,
    ) -> (Vec<Written>, usize) {
        let (mut seen, mut highest) = (0, "0".to_owned());
        let mut read = async || {
            let Self { table, position, rows } = self;
            let newer = format!(
                "SELECT count(*) || ' ' || COALESCE(max({position}), {highest}) FROM {table}
                 WHERE {rows} AND {position} > {highest}"
            );
            let answer = database.value(&newer).await.expect("a count is never NULL");
            let (count, last) = answer.split_once(' ').expect("two words");
            seen += count.parse::<usize>().expect("a number");
            last.clone_into(&mut highest);
        };
        let mut writing = std::pin::pin!(writing);
        let written = loop {
            match tokio::time::timeout(Duration::from_millis(5), &mut writing).await {
                Ok(written) => break written,
                Err(_) => read().await,
            }
        };
        read().await;
        let missed = written.len() - seen;
        (written, missed)
    }
}

/// A share of a whole, for people.
pub fn percent(part: usize, whole: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let share = part as f64 * 100.0 / whole.max(1) as f64;
    format!("{share:.1} %")
}
