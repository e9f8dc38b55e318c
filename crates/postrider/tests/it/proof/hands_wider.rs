//! A target that asks for more while it is far behind: what was read before it did is not taken for all there is.

use std::{collections::BTreeSet, time::Duration};

use domain::EventKey;
use test_support::{Behaviour, Receiver};

use super::{
    daemon::{House, KEY},
    hands_scene::{ADDED, PATIENCE, accepted_keys, zitadel},
};

/// Every other event is of a session. All of them lie in the past, in the order of their numbers.
const EVENTS: usize = 3_000;

/// A file that says: this target gets what is below these groups.
fn definitions(house: &House, receiver: &Receiver, groups: &[&str]) -> String {
    let target = format!(
        "[[target]]\nname = \"crm\"\nendpoint = \"{}\"\nsigning_key = \"{KEY}\"\nstart = \"beginning\"\n",
        receiver.url()
    );
    let execution = |group| format!("[[execution]]\ncondition = {{ group = \"{group}\" }}\ntargets = [\"crm\"]\n");
    let text = target + &groups.iter().map(execution).collect::<String>();
    house.file("definitions.toml", &text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_asks_for_more_gets_it_from_where_it_stands() {
    let database = zitadel().await;
    database
        .execute(&format!(
            "INSERT INTO eventstore.events2
             SELECT 'i1', 'user', 'a' || n, CASE n % 2 WHEN 0 THEN 'session.added' ELSE '{ADDED}' END, n, 2, now(), NULL,
                'c', 'o', 1700000000 + n * 0.001, 1
             FROM generate_series(1, {EVENTS}) n"
        ))
        .await;
    let receiver = Receiver::start(|_, _| Behaviour::from(200).delayed(Duration::from_millis(20)));
    let house = House::new(&database.url());
    house.cli(&["migrate"]);
    house.cli(&["apply", "-f", &definitions(&house, &receiver, &["user"])]);
    let daemon = house.start();
    // By now the daemon has read all users far ahead of the calls, and no session.
    receiver.wait_for(20).await;
    house.cli(&["apply", "-f", &definitions(&house, &receiver, &["user", "session"])]);
    let number = |key: &EventKey| usize::try_from(key.sequence).expect("a small number");
    let is_session = |key: &EventKey| number(key) % 2 == 0;
    let sessions = || accepted_keys(&receiver).iter().any(is_session);
    receiver.wait_until("the change is in force", |_| sessions()).await;
    receiver.behave(|_, _| 200.into());
    receiver
        .wait_until_within(PATIENCE, "the last event", |_| {
            accepted_keys(&receiver).iter().any(|key| number(key) == EVENTS)
        })
        .await;

    let arrived: Vec<_> = accepted_keys(&receiver).iter().map(number).collect();
    let first = *arrived.iter().find(|number| *number % 2 == 0).expect("there are sessions");
    eprintln!("the change was in force at {first} of {EVENTS}");
    let wanted: BTreeSet<_> = (1..=EVENTS).filter(|number| number % 2 == 1 || *number >= first).collect();
    assert!(arrived.iter().eq(&wanted), "{} arrived, {} are wanted, in order", arrived.len(), wanted.len());
    assert!(first < EVENTS / 2, "there was a backlog when the change came into force");
    assert_eq!(daemon.stop().await, 0);
}
