//! `kill -9` under load: nothing is lost, order is kept, and only what was not committed comes again.

use std::{collections::HashSet, time::Duration};

use domain::EventKey;
use store::{EventStore, NewEvent};
use test_support::{Account, Load, Receiver, Shape, Stamp};
use tokio::time::Instant;

use super::{
    daemon::House,
    hands_scene::{all_arrive, assert_one_id_each, zitadel},
};

/// Small, and committed only when full, so that a crash always finds something that was not committed.
const MAX_GROUP: usize = 50;
const LEDGER: &str = "[ledger]\nmax_group = 50\nflush_interval = \"3s\"";
/// The group under way, the one that is being filled, and the call that waits for room or for its answer.
const UNCOMMITTED: usize = 2 * MAX_GROUP + 1;

/// Starts and kills the daemon, each time after some more arrivals, and says how many of each life had arrived before.
async fn kill_repeatedly(house: &House, receiver: &Receiver, times: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    for life in 0..times {
        let daemon = house.start();
        // Always another place within a group.
        receiver.wait_for(receiver.count() + 130 + life * 37 % 101).await;
        daemon.kill();
        ends.push(receiver.count());
    }
    ends
}

/// How many arrivals of each life had arrived in an earlier one; the last is the life that was not killed.
fn repeats(receiver: &Receiver, ends: &[usize]) -> Vec<usize> {
    let mut seen: HashSet<EventKey> = HashSet::new();
    let mut lives = vec![0; ends.len() + 1];
    for arrival in receiver.arrivals() {
        let life = ends.iter().take_while(|end| arrival.number >= **end).count();
        if !seen.insert(arrival.key()) {
            lives[life] += 1;
        }
    }
    lives
}

fn assert_bounded(what: &str, receiver: &Receiver, ends: &[usize], written: &[EventKey]) {
    let arrivals = receiver.arrivals();
    let account = Account::of(&arrivals, written);
    let lives = repeats(receiver, ends);
    let most = lives.iter().copied().max().unwrap_or_default();
    eprintln!(
        "{what}: {} kills, {} events, {} arrivals, {} missing, {} out of order, {} repeats, at most {most} after a kill (allowed {UNCOMMITTED}): {lives:?}",
        ends.len(),
        written.len(),
        arrivals.len(),
        account.missing.len(),
        account.out_of_order.len(),
        account.duplicates.len(),
    );
    account.assert_complete();
    account.assert_in_order();
    assert_one_id_each(&arrivals);
    assert!(most <= UNCOMMITTED, "{most} events came again after one kill, {UNCOMMITTED} may: {lives:?}");
    assert!(!account.duplicates.is_empty(), "no kill came at an interesting time: this proves nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_under_load_lose_nothing_and_repeat_only_what_was_not_committed() {
    let database = zitadel().await;
    let receiver = Receiver::ok();
    let mut house = House::new(&database.url());
    house.add(LEDGER);
    house.target("crm", &receiver, "");
    house.execution("{ all = true }", &["crm"]);
    let load = Load { events: 4_500, per_second: Some(180), ..Load::new(Shape::Zitadel(Stamp::Clock)) };
    let kills = async {
        let ends = kill_repeatedly(&house, &receiver, 20).await;
        (ends, house.start())
    };
    let (written, (ends, daemon)) = tokio::join!(load.run(&database), kills);
    let written: Vec<_> = written.into_iter().map(|event| event.key).collect();
    all_arrive(&receiver, &written).await;
    assert_bounded("PostgreSQL", &receiver, &ends, &written);
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_on_sqlite_lose_nothing_and_repeat_only_what_was_not_committed() {
    let receiver = Receiver::ok();
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("events.db");
    let EventStore::Sqlite(events) = EventStore::create_sqlite(&path).await.expect("a file can be made") else {
        panic!("a SQLite store was asked for")
    };
    let mut house = House::new(&format!("sqlite://{}", path.display()));
    house.add(LEDGER);
    house.target("crm", &receiver, "");
    house.execution("{ all = true }", &["crm"]);
    let write = async {
        let mut written = Vec::new();
        let started = Instant::now();
        for round in 0..400 {
            let new = |number: usize| NewEvent {
                instance_id: "".into(),
                aggregate_type: "order".into(),
                aggregate_id: format!("order{}", (round * 5 + number) % 17).as_str().into(),
                event_type: "order.placed".into(),
                revision: None,
                payload: Some("{}".into()),
                creator: String::new(),
                owner: String::new(),
            };
            let batch: Vec<_> = (0..5).map(new).collect();
            written.extend(events.append(&batch).await.expect("there is one writer"));
            // The pace of the load.
            tokio::time::sleep_until(started + Duration::from_millis(25) * round.try_into().expect("small")).await;
        }
        written
    };
    let kills = async {
        let ends = kill_repeatedly(&house, &receiver, 6).await;
        (ends, house.start())
    };
    let (written, (ends, daemon)) = tokio::join!(write, kills);
    all_arrive(&receiver, &written).await;
    assert_bounded("SQLite", &receiver, &ends, &written);
    assert_eq!(daemon.stop().await, 0);
}
