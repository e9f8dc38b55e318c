//! An operator has a settled event sent again.

use domain::{Ahead, Cursor, FailedChange, FailedEvent, FailedStatus, Settlement};
use postrider_store::{AttemptFilter, AttemptId, DefinitionsChange, FailedFilter, StoreError};

use crate::{
    state_attempts::{attempt, listed, record},
    state_support::{Fixture, failed, id, key, on_both, settlement},
};

/// A cursor at 105, beyond which everything up to 110 is settled but 107, and an attempt of the event at `position`.
async fn prepared(fixture: &Fixture, position: i64, rows: &[(i64, FailedStatus)]) -> (Cursor, AttemptId) {
    fixture.define(&["crm"]).await;
    let cursor = fixture.cursor("crm", "one").await;
    let put = |(position, status): &(i64, FailedStatus)| FailedChange::Put(failed(*position, *status, 5));
    let settlement = Settlement {
        failed: rows.iter().map(put).collect(),
        ahead: Some(Ahead { to: key(110), open: vec![key(107)] }),
        ..settlement(105)
    };
    fixture.state.commit(&[(cursor.id, cursor.epoch, settlement)], None).await.expect("it can be committed");
    let mut made = attempt("crm", 1);
    made.key = key(position);
    record(fixture, &[made]).await;
    let filter = AttemptFilter { target: Some(id("crm")), instance: None, outcome: None, event: None, limit: 1 };
    (fixture.cursor("crm", "one").await, listed(fixture, &filter).await[0].id)
}

async fn failed_events(fixture: &Fixture) -> Vec<FailedEvent> {
    let all = fixture.state.failed_events(&FailedFilter::default()).await.expect("they can be listed");
    all.into_iter().map(|(_, _, failed)| failed).collect()
}

/// Everything that an act could change.
async fn everything(fixture: &Fixture) -> (Cursor, Vec<FailedEvent>, i64, usize) {
    let revision = fixture.state.revision().await.expect("there is a revision");
    let audit = fixture.state.audit(100).await.expect("the audit can be read").len();
    (fixture.cursor("crm", "one").await, failed_events(fixture).await, revision, audit)
}

#[tokio::test]
async fn a_settled_event_becomes_one_that_is_retried_and_the_cursor_stays() {
    on_both(async |fixture| {
        let (cursor, id) = prepared(fixture, 104, &[]).await;
        let before = everything(fixture).await;
        let would = fixture.state.resend(id, true, "ada").await.expect("it would be sent again");
        assert_eq!((would.target.as_str(), &would.attempt.key), ("crm", &key(104)));
        assert_eq!(everything(fixture).await, before, "a dry run changes nothing");

        fixture.state.resend(id, false, "ada").await.expect("it is sent again");
        assert_eq!(fixture.cursor("crm", "one").await, cursor, "not even its epoch: a courier takes it up where it is");
        let retries = fixture.state.retries(cursor.id, 100).await.expect("they can be read").0;
        let [again] = &retries[..] else { panic!("one event: {retries:?}") };
        assert_eq!((&again.key, again.failure_count, again.status), (&key(104), 0, FailedStatus::Retrying));
        assert_eq!(fixture.state.revision().await.expect("there is a revision"), before.2 + 1);
        let act = fixture.state.audit(1).await.expect("the audit can be read").remove(0);
        assert_eq!((act.act.as_str(), act.actor.as_str(), act.target), ("resend", "ada", Some("crm".into())));
        assert_eq!(act.from, Some(format!("settled user.human.added at {}", key(104))));

        let twice = fixture.state.resend(id, false, "ada").await;
        assert!(matches!(twice, Err(StoreError::SentAgainAlready { .. })), "{twice:?}");
    })
    .await;
}

#[tokio::test]
async fn a_parked_event_is_counted_anew() {
    on_both(async |fixture| {
        let (_, id) = prepared(fixture, 104, &[(104, FailedStatus::Parked)]).await;
        fixture.state.resend(id, false, "ada").await.expect("it is sent again");
        let parked = failed(104, FailedStatus::Parked, 5);
        let [again] = &failed_events(fixture).await[..] else { panic!("one event") };
        assert_eq!(
            (again.failure_count, again.status, again.first_failed),
            (0, FailedStatus::Retrying, parked.first_failed)
        );
    })
    .await;
}

#[tokio::test]
async fn an_event_that_is_settled_ahead_of_the_cursor_stays_settled_and_is_sent_again() {
    on_both(async |fixture| {
        let (cursor, id) = prepared(fixture, 106, &[]).await;
        fixture.state.resend(id, false, "ada").await.expect("it is sent again");
        assert_eq!(fixture.cursor("crm", "one").await, cursor);
        let retries = fixture.state.retries(cursor.id, 100).await.expect("they can be read").0;
        assert_eq!(retries.iter().map(|failed| &failed.key).collect::<Vec<_>>(), [&key(106)]);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_settled_is_refused_and_nothing_changes() {
    for (position, rows) in [(107, vec![(107, FailedStatus::Retrying)]), (111, vec![])] {
        on_both(async |fixture| {
            let (_, id) = prepared(fixture, position, &rows).await;
            let before = everything(fixture).await;
            let refused = fixture.state.resend(id, false, "ada").await;
            assert!(matches!(refused, Err(StoreError::NotSettled { .. })), "{refused:?}");
            let unknown = fixture.state.resend(AttemptId(4711), false, "ada").await;
            assert!(matches!(unknown, Err(StoreError::NoAttempt { id: 4711 })), "{unknown:?}");
            assert_eq!(everything(fixture).await, before);
        })
        .await;
    }
}

#[tokio::test]
async fn a_removed_target_is_sent_nothing_again() {
    on_both(async |fixture| {
        let (_, attempt) = prepared(fixture, 104, &[]).await;
        let change = DefinitionsChange {
            remove_targets: vec![id("crm")],
            remove_executions: vec![("event".parse().expect("it is a condition"), None)],
            ..DefinitionsChange::default()
        };
        fixture.state.apply(&change, "test").await.expect("it can be removed");
        let refused = fixture.state.resend(attempt, false, "ada").await;
        assert!(matches!(refused, Err(StoreError::NoTarget { .. })), "{refused:?}");
    })
    .await;
}
