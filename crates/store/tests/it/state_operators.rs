//! Seek, skip, retry, discard.

use domain::{Cursor, CursorState, EventKey, FailedChange, FailedEvent, FailedStatus, Ordering, Position, Settlement};
use postrider_store::{AuditEntry, By, DefinitionsChange, FailedFilter, StoreError};

use crate::state_support::{Fixture, at, failed, id, key, on_both, settlement, target};

/// A cursor at 105 with these failed events.
async fn prepared(fixture: &Fixture, name: &str, rows: &[(i64, FailedStatus)]) -> Cursor {
    let cursor = fixture.cursor(name, "one").await;
    let put = |(position, status): &(i64, FailedStatus)| FailedChange::Put(failed(*position, *status, 5));
    let settlement = Settlement { failed: rows.iter().map(put).collect(), ..settlement(105) };
    fixture.state.commit(&[(cursor.id, cursor.epoch, settlement)], None).await.expect("it can be committed");
    fixture.cursor(name, "one").await
}

async fn listed(fixture: &Fixture, filter: &FailedFilter) -> Vec<(String, i64, FailedStatus)> {
    let all = fixture.state.failed_events(filter).await.expect("failed events can be listed");
    all.into_iter().map(|(target, _, failed)| (target.to_string(), failed.key.sequence, failed.status)).collect()
}

async fn revision(fixture: &Fixture) -> i64 {
    fixture.state.revision().await.expect("there is a revision")
}

async fn last_act(fixture: &Fixture) -> AuditEntry {
    fixture.state.audit(1).await.expect("the audit can be read").remove(0)
}

#[tokio::test]
async fn seeking_moves_the_cursor_and_forgets_what_failed_ahead_of_it() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let rows = [(101, FailedStatus::Parked), (102, FailedStatus::Retrying), (106, FailedStatus::Retrying)];
        let cursor = prepared(fixture, "crm", &rows).await;
        let revision = revision(fixture).await;
        let to = EventKey::before(Position::from_integer(50));
        fixture.state.seek(cursor.id, &to, true, "ada").await.expect("it can be moved");
        let after = fixture.cursor("crm", "one").await;
        assert_eq!((&after.key, after.generation, after.parked_in_a_row), (&to, cursor.generation + 1, 0));
        assert_eq!((after.epoch.0, after.event_date, after.reason.clone()), (cursor.epoch.0 + 1, None, None));
        let left =
            [("crm-id".to_owned(), 101, FailedStatus::Parked), ("crm-id".to_owned(), 102, FailedStatus::Retrying)];
        assert_eq!(listed(fixture, &FailedFilter::default()).await, left);
        assert_eq!(self::revision(fixture).await, revision + 1);
        let act = last_act(fixture).await;
        assert_eq!((act.act.as_str(), act.actor.as_str(), act.instance), ("seek", "ada", Some("one".into())));
        assert_eq!((act.from, act.to), (Some(cursor.key.to_string()), Some("before 50".to_owned())));
        fixture.state.seek(cursor.id, &key(60), false, "ada").await.expect("it can be moved");
        assert_eq!(fixture.cursor("crm", "one").await.generation, after.generation);
        let stale = fixture.state.commit(&[(cursor.id, cursor.epoch, settlement(107))], None).await;
        assert_eq!(stale.expect("it can be tried"), [cursor.id]);
        let nobody = fixture.state.seek(domain::CursorId(4711), &to, false, "ada").await;
        assert!(matches!(nobody, Err(StoreError::NoCursor { .. })), "{nobody:?}");
    })
    .await;
}

#[tokio::test]
async fn skipping_parks_the_head_unless_the_cursor_has_moved() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let cursor = prepared(fixture, "crm", &[(106, FailedStatus::Halted)]).await;
        let parked = FailedEvent { first_failed: at(900), ..failed(106, FailedStatus::Parked, 6) };
        let skip = async |from: EventKey| {
            let seen = Cursor { key: from, ..cursor.clone() };
            fixture.state.skip(&seen, &parked, Some(at(106)), "ada").await
        };
        let moved = skip(key(104)).await;
        assert!(matches!(moved, Err(StoreError::Moved { .. })), "{moved:?}");
        assert_eq!(fixture.cursor("crm", "one").await, cursor);
        skip(key(105)).await.expect("the cursor is there");
        let after = fixture.cursor("crm", "one").await;
        assert_eq!((after.key, after.epoch.0, after.event_date), (key(106), cursor.epoch.0 + 1, Some(at(106))));
        let all = fixture.state.failed_events(&FailedFilter::default()).await.expect("they can be listed");
        assert_eq!(all[0].2, FailedEvent { first_failed: at(5), ..parked.clone() });
        assert_eq!(last_act(fixture).await.act, "skip");
        let again = skip(key(106)).await;
        assert!(matches!(again, Err(StoreError::Moved { .. })), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn retrying_takes_what_was_parked_or_halted_and_matches() {
    on_both(async |fixture| {
        fixture.define(&["crm", "audit"]).await;
        let rows = [(101, FailedStatus::Parked), (102, FailedStatus::Interrupted), (106, FailedStatus::Halted)];
        let crm = prepared(fixture, "crm", &rows).await;
        let audit = prepared(fixture, "audit", &[(101, FailedStatus::Parked), (103, FailedStatus::Parked)]).await;
        let revision = revision(fixture).await;
        let one = FailedFilter {
            target: Some(id("audit")),
            instance: Some("one".into()),
            aggregate_id: Some("u103".to_owned()),
            sequence: Some(103),
            status: Some(FailedStatus::Parked),
            ..FailedFilter::default()
        };
        assert_eq!(fixture.state.retry(&one, "ada").await.expect("it can be retried"), 1);
        assert_eq!(fixture.cursor("audit", "one").await.epoch, audit.epoch, "only what halts is fenced off");
        let waiting = fixture.state.retries(audit.id, 100).await.expect("they can be read").0;
        assert_eq!(waiting.iter().map(|failed| failed.key.sequence).collect::<Vec<_>>(), [103]);
        let crm_only = FailedFilter { target: Some(id("crm")), ..FailedFilter::default() };
        assert_eq!(fixture.state.retry(&crm_only, "ada").await.expect("they can be retried"), 2);
        let after = fixture.cursor("crm", "one").await;
        assert_eq!((after.key, after.epoch.0, after.state), (crm.key, crm.epoch.0 + 1, CursorState::Retrying));
        let of_crm: Vec<_> = listed(fixture, &crm_only).await.into_iter().map(|(_, n, status)| (n, status)).collect();
        let expected = [(101, FailedStatus::Retrying), (102, FailedStatus::Interrupted), (106, FailedStatus::Retrying)];
        assert_eq!(of_crm, expected);
        let waiting = fixture.state.retries(crm.id, 100).await.expect("they can be read").0;
        assert_eq!(waiting.iter().map(|failed| failed.key.sequence).collect::<Vec<_>>(), [101], "106 is the head");
        assert_eq!(self::revision(fixture).await, revision + 2);
        assert_eq!(fixture.state.retry(&crm_only, "ada").await.expect("there is nothing more"), 0);
        assert_eq!(self::revision(fixture).await, revision + 2);
    })
    .await;
}

#[tokio::test]
async fn a_parked_event_that_is_discarded_leaves_the_cursor_alone() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let cursor = prepared(fixture, "crm", &[(101, FailedStatus::Parked), (102, FailedStatus::Interrupted)]).await;
        let done = fixture.state.discard(&FailedFilter::default(), By::new("ada").because(Some("not needed"))).await;
        assert_eq!(done.expect("they can be discarded"), 2);
        assert_eq!(listed(fixture, &FailedFilter::default()).await, []);
        assert_eq!(fixture.cursor("crm", "one").await, cursor);
        let act = last_act(fixture).await;
        assert_eq!((act.act.as_str(), act.reason.as_deref()), ("discard", Some("not needed")));
    })
    .await;
}

#[tokio::test]
async fn a_halted_event_that_is_discarded_lets_the_cursor_pass() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let cursor = prepared(fixture, "crm", &[(106, FailedStatus::Halted)]).await;
        let filter = FailedFilter { status: Some(FailedStatus::Halted), ..FailedFilter::default() };
        assert_eq!(fixture.state.discard(&filter, "ada").await.expect("it can be discarded"), 1);
        let after = fixture.cursor("crm", "one").await;
        assert_eq!((after.key, after.epoch.0), (key(106), cursor.epoch.0 + 1));
        assert_eq!((after.state, after.delivered), (CursorState::CatchingUp, cursor.delivered));
        assert_eq!(listed(fixture, &FailedFilter::default()).await, []);
    })
    .await;
}

#[tokio::test]
async fn a_retry_behind_the_cursor_that_is_discarded_fences_its_courier_off() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let cursor = prepared(fixture, "crm", &[(101, FailedStatus::Retrying)]).await;
        assert_eq!(fixture.state.discard(&FailedFilter::default(), "ada").await.expect("it can be"), 1);
        let after = fixture.cursor("crm", "one").await;
        assert_eq!((after.key, after.epoch.0), (key(105), cursor.epoch.0 + 1));
    })
    .await;
}

#[tokio::test]
async fn nothing_is_passed_that_may_have_unsettled_events_before_it() {
    on_both(async |fixture| {
        let mut unordered = target("crm");
        unordered.ordering = Ordering::Aggregate;
        let change = DefinitionsChange { targets: vec![unordered], ..DefinitionsChange::default() };
        fixture.state.apply(&change, "test").await.expect("it is valid");
        let cursor = prepared(fixture, "crm", &[(101, FailedStatus::Parked), (108, FailedStatus::Retrying)]).await;
        let all = FailedFilter::default();
        assert_eq!(fixture.state.discard(&all, "ada").await.expect("one of them can be"), 1);
        assert_eq!(listed(fixture, &all).await, [("crm-id".to_owned(), 108, FailedStatus::Retrying)]);
        let refused = fixture.state.discard(&all, "ada").await;
        assert!(matches!(refused, Err(StoreError::NotAtHead { .. })), "{refused:?}");
        assert_eq!(fixture.cursor("crm", "one").await, cursor);
    })
    .await;
}

#[tokio::test]
async fn failed_events_are_listed_by_target_name_and_key() {
    on_both(async |fixture| {
        fixture.define(&["crm", "Billing"]).await;
        prepared(fixture, "crm", &[(1001, FailedStatus::Parked), (99, FailedStatus::Parked)]).await;
        prepared(fixture, "Billing", &[(500, FailedStatus::Parked)]).await;
        let listed = listed(fixture, &FailedFilter::default()).await;
        let order: Vec<_> = listed.iter().map(|(target, sequence, _)| (target.as_str(), *sequence)).collect();
        assert_eq!(order, [("Billing-id", 500), ("crm-id", 99), ("crm-id", 1001)]);
    })
    .await;
}
