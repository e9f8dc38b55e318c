//! Claims and commits.

use domain::{CursorId, Epoch, EventKey, FailedChange, FailedStatus, InstanceId, Position, Settlement};
use postrider_store::{FailedFilter, HorizonMark, Identity};

use crate::state_support::{Fixture, at, connect, failed, id, key, on_both, settlement};

fn mark(watermark: i64) -> HorizonMark {
    HorizonMark { watermark: Position::from_integer(watermark), identity: None }
}

async fn commit(fixture: &Fixture, settlements: &[(CursorId, Epoch, Settlement)]) -> Vec<CursorId> {
    fixture.state.commit(settlements, None).await.expect("a group can be committed")
}

fn with(position: i64, failed: Vec<FailedChange>) -> Settlement {
    Settlement { failed, ..settlement(position) }
}

async fn listed(fixture: &Fixture) -> Vec<domain::FailedEvent> {
    let all = fixture.state.failed_events(&FailedFilter::default()).await.expect("failed events can be listed");
    all.into_iter().map(|(_, _, failed)| failed).collect()
}

#[tokio::test]
async fn cursors_are_made_once_and_listed_by_name_and_instance() {
    on_both(async |fixture| {
        fixture.define(&["crm", "Billing"]).await;
        let place = |name: &str, instance: &str, at| (id(name), InstanceId::from(instance), key(at));
        let wanted = [place("crm", "two", 1), place("crm", "one", 2), place("Billing", "", 3), place("crm", "one", 4)];
        fixture.state.ensure_cursors(&wanted).await.expect("cursors can be made");
        fixture.state.ensure_cursors(&[place("crm", "two", 9)]).await.expect("cursors can be made");
        fixture.state.ensure_cursors(&[]).await.expect("nothing can be made");
        let cursors = fixture.state.cursors().await.expect("cursors can be read");
        let seen: Vec<_> = cursors.iter().map(|c| (c.target_id.as_str(), c.instance_id.as_str())).collect();
        assert_eq!(seen, [("Billing-id", ""), ("crm-id", "one"), ("crm-id", "two")]);
        assert_eq!(cursors[2].key, key(1), "a cursor that is there stays where it is");
    })
    .await;
}

#[tokio::test]
async fn a_committed_settlement_is_read_back_whole() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let before = fixture.cursor("crm", "one").await;
        assert_eq!(commit(fixture, &[(before.id, before.epoch, settlement(101))]).await, []);
        let after = fixture.cursor("crm", "one").await;
        let Settlement { key, event_date, delivered, parked_in_a_row, state, .. } = settlement(101);
        assert_eq!((after.key, after.event_date, after.delivered), (key, event_date, delivered));
        assert_eq!((after.parked_in_a_row, after.state, after.epoch), (parked_in_a_row, state, before.epoch));
        assert_eq!(after.reason.as_deref(), Some("a\u{fffd}reason"));
        assert!(after.last_updated >= before.last_updated);
        let nothing = Settlement { event_date: None, delivered: None, reason: None, ..settlement(102) };
        assert_eq!(commit(fixture, &[(before.id, before.epoch, nothing)]).await, []);
        let after = fixture.cursor("crm", "one").await;
        assert_eq!((after.event_date, after.delivered, after.reason), (None, None, None));
    })
    .await;
}

#[tokio::test]
async fn a_claim_raises_the_epoch_and_fences_the_earlier_owner() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let cursor = fixture.cursor("crm", "one").await;
        let put = |position, status| FailedChange::Put(failed(position, status, 1));
        let changes =
            vec![put(103, FailedStatus::Halted), put(102, FailedStatus::Retrying), put(101, FailedStatus::Parked)];
        commit(fixture, &[(cursor.id, cursor.epoch, with(101, changes))]).await;
        let session = fixture.lease("a", &["crm"]).await;
        let claim = fixture.state.claim(&session, &id("crm"), &"one".into()).await.expect("it can be claimed");
        let claim = claim.expect("the lease runs");
        assert!(claim.cursor.epoch > cursor.epoch);
        assert_eq!(claim.cursor.key, key(101));
        let waiting: Vec<_> = claim.failed.iter().map(|failed| failed.key.sequence).collect();
        assert_eq!(waiting, [102, 103]);
        let stale = [(cursor.id, cursor.epoch, with(102, vec![FailedChange::Remove(key(102))]))];
        assert_eq!(commit(fixture, &stale).await, [cursor.id]);
        assert_eq!(fixture.cursor("crm", "one").await, claim.cursor, "nothing of it was written");
        assert_eq!(listed(fixture).await.len(), 3);
        assert_eq!(commit(fixture, &[(cursor.id, claim.cursor.epoch, settlement(102))]).await, []);
        let none = fixture.state.claim(&session, &id("crm"), &"elsewhere".into()).await.expect("it can be asked for");
        assert_eq!(none, None);
    })
    .await;
}

#[tokio::test]
async fn many_are_claimed_at_once_each_with_its_own_failed_events_and_without_those_that_are_not_leased() {
    on_both(async |fixture| {
        fixture.define(&["crm", "ldap", "other"]).await;
        for (target, instance) in [("crm", "two"), ("ldap", "one"), ("other", "one"), ("crm", "one")] {
            fixture.cursor(target, instance).await;
        }
        let (crm, ldap) = (fixture.cursor("crm", "one").await, fixture.cursor("ldap", "one").await);
        let other = fixture.cursor("other", "one").await;
        for (cursor, position) in [(&crm, 102), (&ldap, 103)] {
            let waits = FailedChange::Put(failed(position, FailedStatus::Retrying, 1));
            commit(fixture, &[(cursor.id, cursor.epoch, with(101, vec![waits]))]).await;
        }
        let session = fixture.lease("a", &["crm", "ldap"]).await;
        let place = |target: &str, instance: &str| (id(target), InstanceId::from(instance));
        let asked =
            [("ldap", "one"), ("crm", "one"), ("crm", "two"), ("other", "one"), ("crm", "three"), ("crm", "one")];
        let asked = asked.map(|(target, instance)| place(target, instance));
        let claims = fixture.state.claim_all(&session, &asked).await.expect("they can be claimed");
        let mut found: Vec<_> = (claims.iter())
            .map(|((target, instance), claim)| {
                let waiting: Vec<_> = claim.failed.iter().map(|failed| failed.key.sequence).collect();
                (target.to_string(), instance.to_string(), waiting)
            })
            .collect();
        found.sort();
        let expected = [("crm", "one", vec![102]), ("crm", "two", vec![]), ("ldap", "one", vec![103])];
        let expected = expected.map(|(target, instance, waiting)| (id(target).to_string(), instance.into(), waiting));
        assert_eq!(found, expected);
        let claimed = &claims[&place("crm", "one")].cursor;
        assert_eq!(claimed.epoch.0, crm.epoch.0 + 1, "once, however often it is asked for");
        assert_eq!(fixture.cursor("crm", "one").await, *claimed);
        assert_eq!(fixture.cursor("other", "one").await.epoch, other.epoch);
        assert!(fixture.state.claim_all(&session, &[]).await.expect("nothing can be asked for").is_empty());
    })
    .await;
}

#[tokio::test]
async fn without_the_lease_nothing_is_claimed() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let cursor = fixture.cursor("crm", "one").await;
        let claim =
            async |session| fixture.state.claim(session, &id("crm"), &"one".into()).await.expect("it is asked for");
        let old = fixture.lease("a", &["crm"]).await;
        fixture.expire("a").await;
        assert_eq!(claim(&old).await, None, "the session has expired");
        let other = fixture.join("b").await;
        assert_eq!(claim(&other).await, None, "it has not leased the target");
        fixture.bury("a").await;
        let new = fixture.lease("c", &["crm"]).await;
        assert_eq!(claim(&old).await, None, "the lease is somebody else's");
        let again = fixture.join("a").await;
        assert_eq!(claim(&again).await, None, "a new session has no leases");
        assert_eq!(fixture.cursor("crm", "one").await.epoch, cursor.epoch);
        assert!(claim(&new).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_fenced_settlement_never_spoils_the_others_of_its_group() {
    on_both(async |fixture| {
        fixture.define(&["crm", "audit", "billing"]).await;
        let (crm, audit) = (fixture.cursor("crm", "one").await, fixture.cursor("audit", "one").await);
        let gone = CursorId(4711);
        let stale = Epoch(crm.epoch.0 - 1);
        let put = |position| vec![FailedChange::Put(failed(position, FailedStatus::Parked, 5))];
        let group = [
            (gone, Epoch(1), with(101, put(101))),
            (crm.id, stale, with(101, put(102))),
            (audit.id, audit.epoch, with(101, put(103))),
        ];
        let fenced = fixture.state.commit(&group, Some(&mark(55))).await.expect("the group is committed");
        assert_eq!(fenced, [crm.id, gone]);
        assert_eq!(fixture.cursor("crm", "one").await.key, crm.key);
        assert_eq!(fixture.cursor("audit", "one").await.key, key(101));
        assert_eq!(listed(fixture).await, [failed(103, FailedStatus::Parked, 5)]);
        let horizon = fixture.state.horizon().await.expect("it can be read").expect("it was written");
        assert_eq!(horizon.0, mark(55));
        let all_stale = [(crm.id, stale, settlement(101))];
        assert_eq!(commit(fixture, &all_stale).await, [crm.id]);
        let newer_owner = [(crm.id, stale, settlement(300)), (crm.id, crm.epoch, settlement(102))];
        assert_eq!(commit(fixture, &newer_owner).await, [], "the highest epoch speaks for the cursor");
        assert_eq!(fixture.cursor("crm", "one").await.key, key(102));
    })
    .await;
}

#[tokio::test]
async fn a_failed_event_keeps_when_it_failed_first() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let cursor = fixture.cursor("crm", "one").await;
        let settle = async |failed| commit(fixture, &[(cursor.id, cursor.epoch, with(101, failed))]).await;
        let put = |count| FailedChange::Put(failed(102, FailedStatus::Retrying, count));
        settle(vec![put(1), put(2)]).await;
        settle(vec![put(3)]).await;
        let row = listed(fixture).await.remove(0);
        assert_eq!((row.failure_count, row.first_failed, row.last_failed), (3, at(2), at(4)));
        settle(vec![FailedChange::Remove(key(102)), put(4)]).await;
        assert_eq!(listed(fixture).await, [failed(102, FailedStatus::Retrying, 4)], "it was over in between");
        settle(vec![put(5), FailedChange::Remove(key(102)), FailedChange::Remove(key(7))]).await;
        assert_eq!(listed(fixture).await, []);
    })
    .await;
}

#[tokio::test]
async fn a_big_group_over_many_cursors_is_committed_at_once() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let places: Vec<_> = (0..64).map(|n| (id("crm"), InstanceId::from(format!("i{n:02}")), key(1))).collect();
        fixture.state.ensure_cursors(&places).await.expect("cursors can be made");
        let cursors = fixture.state.cursors().await.expect("cursors can be read");
        let group: Vec<_> = (0..1500_i64)
            .map(|n| {
                let cursor = &cursors[usize::try_from(n * 7 % 64).expect("it is below 64")];
                let put = FailedChange::Put(failed(1000 + n, FailedStatus::Parked, 5));
                (cursor.id, cursor.epoch, with(1000 + n, vec![put]))
            })
            .collect();
        assert_eq!(commit(fixture, &group).await, []);
        assert_eq!(listed(fixture).await.len(), 1500);
        for cursor in fixture.state.cursors().await.expect("cursors can be read") {
            let last = group.iter().rfind(|(id, ..)| *id == cursor.id).expect("each has some");
            assert_eq!(cursor.key, last.2.key);
        }
    })
    .await;
}

#[tokio::test]
async fn the_watermark_never_falls() {
    on_both(async |fixture| {
        assert_eq!(fixture.state.horizon().await.expect("it can be read"), None);
        let identity = Identity { system_identifier: "7000000000000000001".to_owned(), timeline: 1 };
        let known =
            HorizonMark { watermark: "1743070963.262665".parse().expect("a position"), identity: Some(identity) };
        for horizon in [mark(9), known.clone(), mark(10)] {
            fixture.state.commit(&[], Some(&horizon)).await.expect("it can be kept");
        }
        let (kept, _) = fixture.state.horizon().await.expect("it can be read").expect("it was written");
        assert_eq!(kept, known);
    })
    .await;
}

#[tokio::test]
async fn two_committers_of_the_same_cursors_never_wait_for_each_other() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let places: Vec<_> = (0..32).map(|n| (id("crm"), InstanceId::from(format!("i{n:02}")), key(1))).collect();
        fixture.state.ensure_cursors(&places).await.expect("cursors can be made");
        let cursors = fixture.state.cursors().await.expect("cursors can be read");
        let mut committers = Vec::new();
        for backwards in [false, true] {
            let state = connect(&fixture.url).await;
            let mut cursors = cursors.clone();
            if backwards {
                cursors.reverse();
            }
            committers.push(async move {
                for position in 0..10_i64 {
                    let put = || vec![FailedChange::Put(failed(position, FailedStatus::Retrying, 1))];
                    let group: Vec<_> =
                        cursors.iter().map(|cursor| (cursor.id, cursor.epoch, with(position, put()))).collect();
                    let fenced = state.commit(&group, Some(&mark(position))).await.expect("no deadlock");
                    assert_eq!(fenced, []);
                    state.retry(&FailedFilter::default(), "ada").await.expect("no deadlock");
                    let filter = FailedFilter { target: Some(id("nobody")), ..FailedFilter::default() };
                    state.discard(&filter, "ada").await.expect("no deadlock");
                }
            });
        }
        futures_util::future::join_all(committers).await;
        for cursor in fixture.state.cursors().await.expect("cursors can be read") {
            assert_eq!(cursor.key, key(9));
        }
    })
    .await;
}

#[tokio::test]
async fn a_place_between_events_is_committed_as_it_is() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let cursor = fixture.cursor("crm", "one").await;
        for place in [EventKey::before("105.000001".parse().expect("a position")), EventKey::after(key(106).position)] {
            let settlement = Settlement { key: place.clone(), ..settlement(105) };
            let group = [(cursor.id, cursor.epoch, settlement)];
            assert_eq!(fixture.state.commit(&group, None).await.expect("it can be committed"), []);
            assert_eq!(fixture.cursor("crm", "one").await.key, place);
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_with_a_nul_in_it_is_kept_whole() {
    on_both(async |fixture| {
        if fixture.is_postgres() {
            // Its text has none, and neither have the keys of what is stored there.
            return;
        }
        fixture.define(&["crm"]).await;
        let cursor = fixture.cursor("crm", "one").await;
        let place = EventKey { aggregate_id: "a\0b".into(), ..key(105) };
        let group = [(cursor.id, cursor.epoch, Settlement { key: place.clone(), ..settlement(105) })];
        assert_eq!(fixture.state.commit(&group, None).await.expect("it can be committed"), []);
        assert_eq!(fixture.cursor("crm", "one").await.key, place);
    })
    .await;
}
