//! What the pages of `operations/` tell to type, one after the other, beside a daemon that delivers: each does what its page says.

use std::time::Duration;

use domain::EventKey;
use test_support::{Receiver, eventually};

use super::{block, shell};
use crate::proof::{
    daemon::House,
    hands_scene::{ADDED, accepted_keys, all_arrive, cursor, cursor_at, push, quiet_for, zitadel},
};

/// Master keys.
const FIRST: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const SECOND: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// Runs a block of a page, with what the page only gives as an example replaced.
fn follow(page: &str, name: &str, house: &House, instead: &[(&str, &str)]) -> String {
    let mut script = block(&format!("operations/{page}.md"), name);
    for (example, real) in instead {
        assert!(script.contains(example), "{page} has no {example} in {name}");
        script = script.replace(example, real);
    }
    shell(&script, house)
}

/// With how many keys the call for this event was signed.
async fn signatures(receiver: &Receiver, key: &EventKey) -> usize {
    all_arrive(receiver, std::slice::from_ref(key)).await;
    let arrivals = receiver.accepted();
    let arrival = arrivals.iter().rev().find(|arrival| arrival.key() == *key).expect("it has arrived");
    arrival.header("zitadel-signature").unwrap_or_default().matches("v1=").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pages_tell_to_type_does_what_they_say() {
    let events = zitadel().await;
    let receiver = Receiver::ok();
    let mut house = House::new(&events.url());
    let [first, second] = [("first", FIRST), ("second", SECOND)].map(|(name, key)| house.file(name, key));
    let keys = [format!("master_key_file = \"{first}\""), format!("master_key_file = \"{second}\"")];
    house.add(&format!("[state]\n{}", keys[0]));
    let old = push(&events, ADDED, 3).await;
    let daemon = house.start();
    daemon.says("joined").await;

    // Large tables: created paused, looked at, let loose.
    let endpoint = [("https://crm.example.com/zitadel", &*receiver.url())];
    let looked = follow("large-tables", "created-paused", &house, &endpoint);
    assert!(looked.contains(ADDED), "{looked}");
    all_arrive(&receiver, &old).await;

    // Keys: an overlap, then none.
    follow("keys", "rotate-signing-key", &house, &[]);
    let rotated = push(&events, ADDED, 1).await;
    assert_eq!(signatures(&receiver, &rotated[0]).await, 2);
    follow("keys", "leaked-signing-key", &house, &[]);
    let alone = push(&events, ADDED, 1).await;
    assert_eq!(signatures(&receiver, &alone[0]).await, 1);
    follow("keys", "rotate-web", &house, &[]);

    // The master key: both are known, what is stored is encrypted anew, the old one goes.
    assert_eq!(daemon.stop().await, 0);
    house.set(&keys[0], &format!("{}\nprevious_{}", keys[1], keys[0]));
    let daemon = house.start();
    daemon.says("joined").await;
    follow("keys", "rotate-master", &house, &[]);
    assert_eq!(daemon.stop().await, 0);
    house.set(&format!("\nprevious_{}", keys[0]), "");
    let daemon = house.start();
    let sealed = push(&events, ADDED, 1).await;
    assert_eq!(signatures(&receiver, &sealed[0]).await, 1);

    let checked = follow("upgrades", "after-upgrade", &house, &[]);
    assert!(checked.contains("a primary") && checked.contains("crm"), "{checked}");

    // Failover: from a time on everything is sent again.
    cursor_at(&house, "crm", &sealed[0]).await;
    let before = cursor(&house, "crm")["event_date"].as_str().expect("it has had an event").to_owned();
    let again = push(&events, ADDED, 2).await;
    all_arrive(&receiver, &again).await;
    cursor_at(&house, "crm", &again[1]).await;
    follow("failover", "seek-to-time", &house, &[("2026-11-22T10:00:00Z", &before)]);
    eventually("they come again", async || {
        let keys = accepted_keys(&receiver);
        again.iter().all(|key| keys.iter().filter(|arrived| *arrived == key).count() == 2).then_some(())
    })
    .await;
    assert!(house.cli(&["audit", "--limit", "1"]).contains("failover lost a second"));

    // Removing: nothing more comes, and what there was is still shown.
    follow("removing", "remove-target", &house, &[]);
    quiet_for(&receiver, Duration::from_secs(1)).await;
    let count = receiver.count();
    push(&events, ADDED, 1).await;
    quiet_for(&receiver, Duration::from_secs(1)).await;
    assert_eq!(receiver.count(), count);
    assert!(house.cli(&["cursor", "list", "--removed"]).contains("crm"));
    assert_eq!(daemon.stop().await, 0);
}
