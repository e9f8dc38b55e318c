//! Acts on cursors that know what is settled beyond them, and what a gate is recorded to have passed.

use std::collections::BTreeSet;

use domain::{Ahead, Cursor, EventKey, FailedChange, FailedStatus, Ordering, Position, Settlement};
use postrider_store::{DefinitionsChange, FailedFilter, Seek, StoreError};

use crate::state_support::{Fixture, at, execution, failed, id, key, on_both, settlement, target};

const BOTH: [Ordering; 2] = [Ordering::Strict, Ordering::Aggregate];

/// A cursor at 105; up to 120 everything is settled but the events that wait for something, and those of `rows` that do.
async fn prepared(fixture: &Fixture, ordering: Ordering, gate: bool, rows: &[(i64, FailedStatus)]) -> Cursor {
    let mut crm = target("crm");
    (crm.ordering, crm.interrupt_on_error) = (ordering, gate);
    let executions = vec![execution("event", None, &["crm"])];
    let change = DefinitionsChange { targets: vec![crm], executions, ..DefinitionsChange::default() };
    fixture.state.apply(&change, "test").await.expect("it is valid");
    let cursor = fixture.cursor("crm", "one").await;
    fixture.state.seek(cursor.id, &key(105), false, "test").await.expect("it can be moved");
    let cursor = fixture.cursor("crm", "one").await;
    let put = |(position, status): &(i64, FailedStatus)| FailedChange::Put(failed(*position, *status, 5));
    let waits = |status| matches!(status, FailedStatus::Retrying | FailedStatus::Halted);
    let open = rows.iter().filter(|(position, status)| *position > 105 && waits(*status));
    let ahead = Ahead { to: key(120), open: open.map(|(position, _)| key(*position)).collect() };
    let (failed, ahead) = (rows.iter().map(put).collect(), Some(ahead));
    let settlement = Settlement { failed, ahead, ..settlement(105) };
    fixture.state.commit(&[(cursor.id, cursor.epoch, settlement)], None).await.expect("it can be committed");
    fixture.execute("DELETE FROM denials").await;
    fixture.cursor("crm", "one").await
}

async fn at_present(fixture: &Fixture) -> (EventKey, Option<(i64, Vec<i64>)>, i64) {
    let cursor = fixture.cursor("crm", "one").await;
    let open = |ahead: Ahead| (ahead.to.sequence, ahead.open.iter().map(|key| key.sequence).collect());
    (cursor.key, cursor.ahead.map(open), cursor.epoch.0)
}

fn one(position: i64) -> FailedFilter {
    FailedFilter { aggregate_id: Some(format!("u{position}")), sequence: Some(position), ..FailedFilter::default() }
}

/// The positions that are denied to those behind the target.
async fn denied(fixture: &Fixture) -> Vec<i64> {
    let gates = fixture.state.gates(&[(id("crm"), "one".into())], |_| false).await.expect("gates can be read");
    let denied = gates[0].1.as_ref().expect("it was not known");
    (101..150).filter(|position| denied.has(&key(*position))).collect()
}

#[tokio::test]
async fn an_open_event_that_is_discarded_is_settled_wherever_it_stands() {
    on_both(async |fixture| {
        for ordering in BOTH {
            let rows = [(107, FailedStatus::Retrying), (110, FailedStatus::Halted), (112, FailedStatus::Retrying)];
            let cursor = prepared(fixture, ordering, false, &rows).await;
            let discard = async |position| fixture.state.discard(&one(position), "ada").await.expect("it can be");
            assert_eq!(discard(110).await, 1);
            assert_eq!(at_present(fixture).await, (key(105), Some((120, vec![107, 112])), cursor.epoch.0 + 1));
            assert_eq!(fixture.cursor("crm", "one").await.event_date, cursor.event_date, "it has not moved");
            assert_eq!(discard(107).await, 1);
            assert_eq!(at_present(fixture).await, (key(107), Some((120, vec![112])), cursor.epoch.0 + 2));
            assert_eq!(discard(112).await, 1);
            assert_eq!(at_present(fixture).await, (key(120), None, cursor.epoch.0 + 3));
            assert!(denied(fixture).await.is_empty(), "nobody is behind it");
        }
    })
    .await;
}

#[tokio::test]
async fn all_that_a_cursor_waits_for_is_discarded_at_once() {
    on_both(async |fixture| {
        let rows = [(101, FailedStatus::Parked), (107, FailedStatus::Halted), (109, FailedStatus::Parked)];
        let cursor = prepared(fixture, Ordering::Aggregate, true, &rows).await;
        assert_eq!(fixture.state.discard(&FailedFilter::default(), "ada").await.expect("they can be"), 3);
        assert_eq!(at_present(fixture).await, (key(120), None, cursor.epoch.0 + 1));
        assert_eq!(denied(fixture).await, [107], "what was parked was recorded when it was");
    })
    .await;
}

#[tokio::test]
async fn what_lies_beyond_all_that_is_known_is_not_discarded() {
    on_both(async |fixture| {
        let cursor = prepared(fixture, Ordering::Aggregate, false, &[(107, FailedStatus::Retrying)]).await;
        let ahead = Some(Ahead { to: key(110), open: vec![key(107)] });
        let failed = vec![FailedChange::Put(failed(130, FailedStatus::Retrying, 1))];
        let settlement = Settlement { failed, ahead, ..settlement(105) };
        fixture.state.commit(&[(cursor.id, cursor.epoch, settlement)], None).await.expect("it can be committed");
        let refused = fixture.state.discard(&one(130), "ada").await;
        assert!(matches!(refused, Err(StoreError::NotAtHead { .. })), "{refused:?}");
        assert_eq!(at_present(fixture).await, (key(105), Some((110, vec![107])), cursor.epoch.0));
    })
    .await;
}

#[tokio::test]
async fn skipping_settles_what_is_open_while_the_cursor_may_move() {
    on_both(async |fixture| {
        for ordering in BOTH {
            let rows = [(107, FailedStatus::Retrying), (110, FailedStatus::Retrying)];
            let seen = prepared(fixture, ordering, true, &rows).await;
            let skip = async |seen: &Cursor, position| {
                let parked = failed(position, FailedStatus::Parked, 5);
                fixture.state.skip(seen, &parked, Some(at(position)), "ada").await
            };
            // Another courier's commit, in between: the cursor moves, the event stays open.
            let ahead = Some(Ahead { to: key(125), open: vec![key(107), key(110)] });
            let moved = Settlement { ahead, ..settlement(106) };
            fixture.state.commit(&[(seen.id, seen.epoch, moved)], None).await.expect("it can be committed");
            skip(&seen, 107).await.expect("it is still open");
            let (at_107, ahead, epoch) = at_present(fixture).await;
            assert_eq!((at_107, ahead, epoch), (key(107), Some((125, vec![110])), seen.epoch.0 + 1));
            assert_eq!(fixture.cursor("crm", "one").await.event_date, Some(at(107)));
            let again = skip(&seen, 107).await;
            assert!(matches!(again, Err(StoreError::Moved { .. })), "{again:?}");
            let settled = skip(&seen, 111).await;
            assert!(matches!(settled, Err(StoreError::Moved { .. })), "{settled:?}");
            skip(&fixture.cursor("crm", "one").await, 110).await.expect("it is open");
            assert_eq!(at_present(fixture).await, (key(125), None, seen.epoch.0 + 2));
            assert_eq!(denied(fixture).await, [107, 110]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_parked_event_beyond_the_cursor_stays_settled_while_it_is_retried() {
    on_both(async |fixture| {
        let rows = [(101, FailedStatus::Parked), (107, FailedStatus::Retrying), (111, FailedStatus::Parked)];
        let cursor = prepared(fixture, Ordering::Aggregate, false, &rows).await;
        assert_eq!(fixture.state.retry(&FailedFilter::default(), "ada").await.expect("they can be"), 2);
        assert_eq!(at_present(fixture).await, (key(105), Some((120, vec![107])), cursor.epoch.0));
        let again = fixture.state.retries(cursor.id, 100).await.expect("they can be read").0;
        assert_eq!(again.iter().map(|failed| failed.key.sequence).collect::<Vec<_>>(), [101, 111]);
        assert_eq!(fixture.state.discard(&one(111), "ada").await.expect("it can be"), 1);
        assert_eq!(at_present(fixture).await, (key(105), Some((120, vec![107])), cursor.epoch.0 + 1));
    })
    .await;
}

#[tokio::test]
async fn a_seek_forgets_what_was_settled_ahead() {
    on_both(async |fixture| {
        let rows = [(107, FailedStatus::Retrying), (111, FailedStatus::Parked)];
        let cursor = prepared(fixture, Ordering::Aggregate, false, &rows).await;
        fixture.state.seek(cursor.id, &key(106), false, "ada").await.expect("it can be moved");
        assert_eq!(at_present(fixture).await, (key(106), None, cursor.epoch.0 + 1));
        let left = fixture.state.failed_events(&FailedFilter::default()).await.expect("they can be listed");
        assert_eq!(left.iter().map(|(_, _, failed)| failed.key.sequence).collect::<Vec<_>>(), [111]);
    })
    .await;
}

#[tokio::test]
async fn what_a_gate_passes_by_a_seek_is_denied_until_it_comes_back() {
    on_both(async |fixture| {
        let cursor = prepared(fixture, Ordering::Strict, true, &[]).await;
        let seek = async |to: &EventKey| fixture.state.seek(cursor.id, to, false, "ada").await.expect("it can be");
        // Nothing is open: what is settled ahead was delivered.
        seek(&key(130)).await;
        assert_eq!(denied(fixture).await, (121..=130).collect::<Vec<_>>());
        seek(&key(125)).await;
        assert_eq!(denied(fixture).await, (121..=125).collect::<Vec<_>>());
        seek(&EventKey::after(Position::from_integer(140))).await;
        assert_eq!(denied(fixture).await, (121..=140).collect::<Vec<_>>());
        seek(&EventKey::before(Position::ZERO)).await;
        assert!(denied(fixture).await.is_empty());

        let rows = [(107, FailedStatus::Retrying), (110, FailedStatus::Halted), (112, FailedStatus::Retrying)];
        prepared(fixture, Ordering::Aggregate, true, &rows).await;
        seek(&key(111)).await;
        assert_eq!(denied(fixture).await, [107, 110], "112 is come to again");
    })
    .await;
}

#[tokio::test]
async fn cursors_are_moved_all_or_none() {
    on_both(async |fixture| {
        let cursor = prepared(fixture, Ordering::Strict, false, &[]).await;
        let both = BTreeSet::from([cursor.id, domain::CursorId(4711)]);
        let to = key(50);
        let seek = Seek { cursors: &both, to: &to, new_ids: true, accept_lost: true };
        let refused = fixture.state.seek_all(seek, "ada").await;
        assert!(matches!(refused, Err(StoreError::NoCursor { .. })), "{refused:?}");
        assert_eq!(fixture.cursor("crm", "one").await, cursor);
    })
    .await;
}
