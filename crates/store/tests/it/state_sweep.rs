//! Retention: each kind goes when it is due, and nothing else.

use std::time::Duration;

use domain::{FailedChange, FailedStatus, Settlement, Timestamp};
use postrider_store::{Attempt, DefinitionsChange, FailedFilter, Retention, Sweep};

use crate::{
    state_attempts::{any, attempt, listed, record},
    state_support::{Fixture, failed, id, on_both, settlement},
};

const DAY: Duration = Duration::from_hours(24);

/// Nothing is due.
fn forever() -> Retention {
    let long = DAY * 365 * 1000;
    Retention { parked: long, deliveries: long, deliveries_per_target: u32::MAX, audit: long, removed: long }
}

async fn sweep(fixture: &Fixture, what: Sweep, retention: &Retention) -> u64 {
    fixture.state.sweep(what, retention).await.expect("a sweep goes through")
}

/// How many rows there are, by table.
async fn rows(fixture: &Fixture) -> Vec<i64> {
    let mut rows = Vec::new();
    for table in ["failed_events", "deliveries", "audit", "targets", "cursors", "signing_keys", "executions", "denials"]
    {
        rows.push(fixture.number(&format!("SELECT count(*) FROM {table}")).await);
    }
    rows
}

/// Two targets with a cursor each; `gone` is removed.
async fn furnished(fixture: &Fixture) {
    fixture.define(&["crm", "gone"]).await;
    for name in ["crm", "gone"] {
        let cursor = fixture.cursor(name, "one").await;
        let statuses = [FailedStatus::Parked, FailedStatus::Interrupted, FailedStatus::Retrying, FailedStatus::Halted];
        let put = |(status, position)| FailedChange::Put(failed(position, status, 5));
        let settlement = Settlement { failed: statuses.into_iter().zip(101..).map(put).collect(), ..settlement(105) };
        fixture.state.commit(&[(cursor.id, cursor.epoch, settlement)], None).await.expect("it can be committed");
        record(fixture, &[attempt(name, 1), attempt(name, 2), attempt(name, 3)]).await;
    }
    let denied = "INSERT INTO denials (cursor_id, first_key, last_key) SELECT id, 'a', 'b' FROM cursors";
    fixture.execute(denied).await;
    let change = DefinitionsChange {
        remove_targets: vec![id("gone")],
        executions: vec![crate::state_support::execution("event", None, &["crm"])],
        ..DefinitionsChange::default()
    };
    fixture.state.apply(&change, "test").await.expect("it can be removed");
}

#[tokio::test]
async fn nothing_goes_before_its_time() {
    on_both(async |fixture| {
        furnished(fixture).await;
        let before = rows(fixture).await;
        for what in Sweep::ALL {
            assert_eq!(sweep(fixture, what, &forever()).await, 0);
        }
        assert_eq!(rows(fixture).await, before);
    })
    .await;
}

#[tokio::test]
async fn parked_and_interrupted_events_go_by_their_last_failure() {
    on_both(async |fixture| {
        furnished(fixture).await;
        let before = rows(fixture).await;
        // They failed in 2025, but one of them failed again just now.
        fixture.execute("UPDATE failed_events SET last_failed = 9000000000000000 WHERE sequence = 101 AND cursor_id = (SELECT min(id) FROM cursors)").await;
        let retention = Retention { parked: DAY, ..forever() };
        assert_eq!(sweep(fixture, Sweep::FailedEvents, &retention).await, 3);
        let left = fixture.state.failed_events(&FailedFilter::default()).await.expect("they can be listed");
        let left: Vec<_> = left.iter().map(|(target, _, failed)| (target.as_str(), failed.status)).collect();
        let waiting = [FailedStatus::Retrying, FailedStatus::Halted];
        let mut expected = vec![("crm-id", FailedStatus::Parked)];
        expected.extend(waiting.map(|status| ("crm-id", status)));
        expected.extend(waiting.map(|status| ("gone-id", status)));
        assert_eq!(left, expected, "what is tried again or waits for an operator stays");
        assert_eq!(rows(fixture).await[1..], before[1..]);
    })
    .await;
}

#[tokio::test]
async fn more_than_one_batch_goes() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let cursor = fixture.cursor("crm", "one").await;
        let parked = (1..=2100).map(|position| FailedChange::Put(failed(position, FailedStatus::Parked, 5))).collect();
        let settlement = Settlement { failed: parked, ..settlement(3000) };
        fixture.state.commit(&[(cursor.id, cursor.epoch, settlement)], None).await.expect("it can be committed");
        let attempts: Vec<Attempt> = (0..2100).map(|seconds| attempt("crm", seconds)).collect();
        record(fixture, &attempts).await;
        let retention = Retention { parked: DAY, deliveries: DAY, ..forever() };
        assert_eq!(sweep(fixture, Sweep::FailedEvents, &retention).await, 2100);
        assert_eq!(sweep(fixture, Sweep::Deliveries, &retention).await, 2100);
        assert_eq!(rows(fixture).await[..2], [0, 0]);
    })
    .await;
}

#[tokio::test]
async fn attempts_go_by_age_and_by_number() {
    on_both(async |fixture| {
        fixture.define(&["crm", "billing"]).await;
        let now = Timestamp::from_microsecond(fixture.number("SELECT min(updated_at) FROM targets").await)
            .expect("it is a time");
        let ago = |name: &str, hours: i64| Attempt {
            started_at: now - domain::SignedDuration::from_hours(hours),
            ..attempt(name, 0)
        };
        let mut made: Vec<_> = (0..30).map(|hours| ago("crm", hours)).collect();
        made.extend((0..5).map(|hours| ago("billing", hours)));
        // Of the same microsecond: the one that was written later is the later one.
        made.extend([ago("crm", 0), ago("crm", 0)]);
        record(fixture, &made).await;
        let old = Retention { deliveries: DAY, ..forever() };
        assert_eq!(sweep(fixture, Sweep::Deliveries, &old).await, 6);
        let crowded = Retention { deliveries_per_target: 4, ..forever() };
        assert_eq!(sweep(fixture, Sweep::Deliveries, &crowded).await, 22 + 1);
        assert_eq!(sweep(fixture, Sweep::Deliveries, &crowded).await, 0);
        let left = listed(fixture, &any()).await;
        let of = |name: &str| left.iter().filter(|one| one.target.as_str() == name).collect::<Vec<_>>();
        let (crm, billing) = (of("crm"), of("billing"));
        let hours: Vec<_> = crm.iter().map(|one| now.duration_since(one.attempt.started_at).as_hours()).collect();
        assert_eq!(hours, [0, 0, 0, 1]);
        assert_eq!(billing.len(), 4);
    })
    .await;
}

#[tokio::test]
async fn acts_go_by_age() {
    on_both(async |fixture| {
        furnished(fixture).await;
        let before = rows(fixture).await;
        let recorded = before[2];
        fixture.execute("UPDATE audit SET at = 1743070963000000 WHERE id <= 2").await;
        assert_eq!(sweep(fixture, Sweep::Audit, &Retention { audit: DAY, ..forever() }).await, 2);
        assert_eq!(rows(fixture).await[2], recorded - 2);
        assert_eq!((&rows(fixture).await[..2], &rows(fixture).await[3..]), (&before[..2], &before[3..]));
    })
    .await;
}

#[tokio::test]
async fn a_target_that_was_removed_long_ago_goes_with_all_it_had() {
    on_both(async |fixture| {
        furnished(fixture).await;
        let before = rows(fixture).await;
        let retention = Retention { removed: DAY, ..forever() };
        assert_eq!(sweep(fixture, Sweep::RemovedTargets, &retention).await, 0, "it was removed just now");
        fixture.execute("UPDATE targets SET removed_at = 1743070963000000 WHERE removed_at IS NOT NULL").await;
        let crm = fixture.cursor("crm", "one").await;
        assert_eq!(sweep(fixture, Sweep::RemovedTargets, &retention).await, 1);
        let after = rows(fixture).await;
        // Its signing keys went when it was removed, and its acts stay.
        assert_eq!(after, [4, 3, before[2], 1, 1, before[5], before[6], 1]);
        assert_eq!(fixture.cursor("crm", "one").await, crm);
        let left = listed(fixture, &any()).await;
        assert!(left.iter().all(|one| one.target.as_str() == "crm") && left.len() == 3);
        assert_eq!(sweep(fixture, Sweep::RemovedTargets, &retention).await, 0);
    })
    .await;
}

#[tokio::test]
async fn several_daemons_sweep_at_once() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let attempts: Vec<Attempt> = (0..3000).map(|seconds| attempt("crm", seconds)).collect();
        record(fixture, &attempts).await;
        let retention = Retention { deliveries: DAY, ..forever() };
        let others = [&fixture.state, &crate::state_support::connect(&fixture.url).await];
        let (one, two) = tokio::join!(
            others[0].sweep(Sweep::Deliveries, &retention),
            others[1].sweep(Sweep::Deliveries, &retention)
        );
        assert_eq!(one.expect("neither is in the way") + two.expect("neither is in the way"), 3000);
    })
    .await;
}
