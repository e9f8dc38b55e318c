//! Halts, filters, rehearsals, the audit, and what removed targets leave behind.

use std::collections::BTreeSet;

use domain::{Cursor, CursorState, FailedChange, FailedStatus, Position, Settlement};
use postrider_store::{AuditFilter, By, DefinitionsChange, FailedFilter, HorizonMark, Seek};

use crate::state_support::{Fixture, at, failed, id, key, on_both, settlement};

/// A cursor at 105 with these failed events.
async fn prepared(fixture: &Fixture, name: &str, rows: &[(i64, FailedStatus)]) -> Cursor {
    let cursor = fixture.cursor(name, "one").await;
    let put = |(position, status): &(i64, FailedStatus)| FailedChange::Put(failed(*position, *status, 5));
    let settlement = Settlement { failed: rows.iter().map(put).collect(), ..settlement(105) };
    fixture.state.commit(&[(cursor.id, cursor.epoch, settlement)], None).await.expect("it can be committed");
    fixture.cursor(name, "one").await
}

async fn listed(fixture: &Fixture, filter: &FailedFilter) -> Vec<(i64, FailedStatus)> {
    let all = fixture.state.failed_events(filter).await.expect("failed events can be listed");
    all.into_iter().map(|(_, _, failed)| (failed.key.sequence, failed.status)).collect()
}

/// Everything that an act can change.
async fn everything(fixture: &Fixture) -> String {
    let state = &fixture.state;
    let (cursors, failed) = (state.cursors().await, state.failed_events(&FailedFilter::default()).await);
    let (definitions, audit) = (state.definitions().await, state.audit(1000).await);
    let denials = fixture.number("SELECT count(*) FROM denials").await;
    format!("{:?} {denials} {:?}", (cursors, failed, definitions, audit), state.horizon().await)
}

#[tokio::test]
async fn a_cursor_that_is_halted_stays_so_wherever_it_is_moved() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let cursor = prepared(fixture, "crm", &[(101, FailedStatus::Parked)]).await;
        let ids = BTreeSet::from([cursor.id]);
        fixture.state.halt(&ids, "the CRM is being moved", "ada").await.expect("it can be halted");
        let halted = fixture.cursor("crm", "one").await;
        assert_eq!((halted.state, halted.epoch.0), (CursorState::Halted, cursor.epoch.0 + 1));
        assert_eq!(halted.halt.as_deref(), Some("the CRM is being moved"));
        assert_eq!((&halted.reason, &halted.key), (&halted.halt, &cursor.key));
        let act = fixture.state.audit(1).await.expect("the audit can be read").remove(0);
        assert_eq!((act.act.as_str(), act.reason.as_deref()), ("halt", Some("the CRM is being moved")));
        assert_eq!(act.from.as_deref(), Some("live"));

        fixture.state.seek(cursor.id, &key(50), false, "ada").await.expect("it can be moved");
        let moved = fixture.cursor("crm", "one").await;
        assert_eq!((moved.state, &moved.halt, &moved.key), (CursorState::Halted, &halted.halt, &key(50)));
        let stale = fixture.state.commit(&[(cursor.id, halted.epoch, settlement(107))], None).await;
        assert_eq!(stale.expect("it can be tried"), [cursor.id], "the courier before it is fenced off");

        let done = fixture.state.unhalt(&ids, "bob").await.expect("it can go on");
        assert_eq!((done.cursors, done.retried), (ids.clone(), 0));
        let free = fixture.cursor("crm", "one").await;
        assert_eq!((free.state, &free.halt, &free.reason), (CursorState::CatchingUp, &None, &None));
        assert_eq!(free.epoch.0, moved.epoch.0 + 1);
        let before = everything(fixture).await;
        let nothing = fixture.state.unhalt(&ids, "bob").await.expect("it can be asked for");
        assert!(nothing.cursors.is_empty() && everything(fixture).await == before, "{nothing:?}");
    })
    .await;
}

#[tokio::test]
async fn the_events_that_failed_last_are_looked_at_by_number_and_counted_by_status() {
    use FailedStatus::{Interrupted, Parked, Retrying};
    on_both(async |fixture| {
        fixture.define(&["crm", "erp"]).await;
        prepared(fixture, "crm", &[(101, Parked), (102, Interrupted), (103, Parked), (106, Retrying)]).await;
        prepared(fixture, "erp", &[(104, Parked)]).await;
        let counts = fixture.state.failed_counts().await.expect("they can be counted");
        let mut counts: Vec<_> =
            counts.iter().map(|count| (count.target.as_str(), count.status.as_str(), count.events)).collect();
        counts.sort_unstable();
        let crm = id("crm");
        let expected =
            [("interrupted", 1), ("parked", 2), ("retrying", 1)].map(|(status, events)| (crm.as_str(), status, events));
        assert_eq!(counts[..3], expected);
        assert_eq!(counts[3..], [(id("erp").as_str(), "parked", 1)]);
        let last = async |but, most| {
            let found = fixture.state.failed_last(&crm, but, most).await.expect("they can be listed");
            assert!(found.is_sorted_by(|(_, one), (_, next)| one.last_failed >= next.last_failed));
            let mut found: Vec<_> = found.into_iter().map(|(_, failed)| failed.key.sequence).collect();
            found.sort_unstable();
            found
        };
        assert_eq!(last(None, 10).await, [101, 102, 103, 106]);
        assert_eq!(last(Some(Interrupted), 10).await, [101, 103, 106]);
        assert_eq!(last(Some(Interrupted), 2).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn events_that_halt_are_tried_again_once_their_cursor_goes_on() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let rows = [(101, FailedStatus::Parked), (106, FailedStatus::Halted)];
        let cursor = prepared(fixture, "crm", &rows).await;
        let done = fixture.state.unhalt(&BTreeSet::from([cursor.id]), "ada").await.expect("it can go on");
        assert_eq!(done.retried, 1);
        let left = listed(fixture, &FailedFilter::default()).await;
        assert_eq!(left, [(101, FailedStatus::Parked), (106, FailedStatus::Retrying)]);
        let after = fixture.cursor("crm", "one").await;
        assert_eq!((after.state, after.key, after.epoch.0), (CursorState::Retrying, key(105), cursor.epoch.0 + 1));
    })
    .await;
}

#[tokio::test]
async fn failed_events_are_found_by_type_time_and_error() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let cursor = prepared(fixture, "crm", &[]).await;
        let one = |sequence: i64, event_type: &str, last: i64, error: &str| {
            let mut failed = failed(sequence, FailedStatus::Parked, 5);
            (failed.event_type, failed.last_failed, failed.error) = (event_type.into(), at(last), error.to_owned());
            FailedChange::Put(failed)
        };
        let failed = vec![
            one(101, "user.human.added", 10, "answered 500 Internal Server Error"),
            one(102, "user.human", 20, "no answer within 10s"),
            one(103, "username.added", 30, "ANSWERED 404: ÄRGER_%"),
        ];
        let settlement = Settlement { failed, ..settlement(105) };
        fixture.state.commit(&[(cursor.id, cursor.epoch, settlement)], None).await.expect("it can be committed");
        let check = async |filter: FailedFilter, expected: &[i64]| {
            let found: Vec<_> = listed(fixture, &filter).await.into_iter().map(|(sequence, _)| sequence).collect();
            assert_eq!(found, expected, "{filter:?}");
        };
        let any = FailedFilter::default;
        let of_type = |pattern: &str| FailedFilter { event_type: pattern.parse().ok(), ..any() };
        check(of_type("user.human.*"), &[101]).await;
        check(of_type("user.*"), &[101, 102]).await;
        check(of_type("username.added"), &[103]).await;
        check(FailedFilter { since: Some(at(20)), ..any() }, &[102, 103]).await;
        check(FailedFilter { until: Some(at(20)), ..any() }, &[101]).await;
        check(FailedFilter { since: Some(at(11)), until: Some(at(30)), ..any() }, &[102]).await;
        let with_error = |text: &str| FailedFilter { error: Some(text.to_owned()), ..any() };
        check(with_error("Answered"), &[101, 103]).await;
        check(with_error("ärger_%"), &[103]).await;
        check(with_error("%"), &[103]).await;
        check(with_error("refused"), &[]).await;

        let timeouts = with_error("no answer");
        assert_eq!(fixture.state.discard(&timeouts, "ada").await.expect("it can be"), 1);
        check(any(), &[101, 103]).await;
        assert_eq!(fixture.state.retry(&of_type("user.*"), "ada").await.expect("it can be"), 1);
        let retrying = FailedFilter { status: Some(FailedStatus::Retrying), ..any() };
        check(retrying, &[101]).await;
    })
    .await;
}

#[tokio::test]
async fn only_what_is_named_is_retried_beyond_the_parked_and_the_halted() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let rows = [(101, FailedStatus::Interrupted), (102, FailedStatus::Interrupted), (103, FailedStatus::Retrying)];
        let cursor = prepared(fixture, "crm", &rows).await;
        let retry = async |filter: &FailedFilter| fixture.state.retry(filter, "ada").await.expect("it can be");
        assert_eq!(retry(&FailedFilter::default()).await, 0);
        let one = FailedFilter { aggregate_id: Some("u101".to_owned()), sequence: Some(101), ..Default::default() };
        assert_eq!(retry(&one).await, 1);
        let with = |status| FailedFilter { status: Some(status), ..FailedFilter::default() };
        assert_eq!(retry(&with(FailedStatus::Interrupted)).await, 1);
        assert_eq!(retry(&with(FailedStatus::Retrying)).await, 3, "those that wait are tried at once");
        let again = fixture.state.retries(cursor.id, 100).await.expect("they can be read").0;
        let order: Vec<_> = again.iter().map(|failed| failed.key.sequence).collect();
        assert_eq!(order, [101, 102, 103], "in the order of their keys");
    })
    .await;
}

#[tokio::test]
async fn a_rehearsal_says_what_the_act_would_do_and_changes_nothing() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let rows = [(101, FailedStatus::Parked), (102, FailedStatus::Parked), (106, FailedStatus::Halted)];
        let cursor = prepared(fixture, "crm", &rows).await;
        let mark = HorizonMark { watermark: Position::from_integer(200), identity: None };
        fixture.state.commit(&[], Some(&mark)).await.expect("it can be committed");
        let before = everything(fixture).await;
        let state = &fixture.state;
        let (all, ids, by) = (FailedFilter::default(), BTreeSet::from([cursor.id]), By::new("ada").rehearsed(true));
        let to = key(50);
        let seek = Seek { cursors: &ids, to: &to, new_ids: true, accept_lost: true };
        assert_eq!(state.retry(&all, by).await.expect("it can be rehearsed"), 3);
        assert_eq!(state.discard(&all, by).await.expect("it can be rehearsed"), 3);
        assert_eq!(state.unhalt(&ids, by).await.expect("it can be rehearsed").retried, 1);
        assert!(state.set_paused(&id("crm"), true, by).await.expect("it can be rehearsed"));
        state.halt(&ids, "why not", by).await.expect("it can be rehearsed");
        state.seek_all(seek, by).await.expect("it can be rehearsed");
        let parked = failed(106, FailedStatus::Parked, 5);
        state.skip(&cursor, &parked, None, by).await.expect("it can be rehearsed");
        assert_eq!(everything(fixture).await, before);
    })
    .await;
}

#[tokio::test]
async fn every_act_leaves_one_row_in_the_audit() {
    on_both(async |fixture| {
        fixture.define(&["crm", "audit"]).await;
        let cursor = prepared(fixture, "crm", &[(101, FailedStatus::Parked), (106, FailedStatus::Parked)]).await;
        prepared(fixture, "audit", &[(101, FailedStatus::Parked)]).await;
        let mark = HorizonMark { watermark: Position::from_integer(200), identity: None };
        fixture.state.commit(&[], Some(&mark)).await.expect("it can be committed");
        let before = fixture.state.audit(1000).await.expect("the audit can be read").len();
        let state = &fixture.state;
        let (ids, by) = (BTreeSet::from([cursor.id]), By::new("ada@desk").because(Some("a reason")));
        let crm = FailedFilter { target: Some(id("crm")), ..FailedFilter::default() };
        state.set_paused(&id("crm"), true, by).await.expect("it can be paused");
        state.set_paused(&id("crm"), true, by).await.expect("it is paused already");
        state.set_paused(&id("crm"), false, by).await.expect("it can be resumed");
        state.halt(&ids, "a reason", by).await.expect("it can be halted");
        state.unhalt(&ids, by).await.expect("it can go on");
        state.retry(&crm, by).await.expect("they can be retried");
        state.discard(&crm, by).await.expect("they can be discarded");
        let seek = Seek { cursors: &ids, to: &key(50), new_ids: true, accept_lost: true };
        state.seek_all(seek, by).await.expect("it can be moved");
        let at_50 = fixture.cursor("crm", "one").await;
        state.skip(&at_50, &failed(51, FailedStatus::Parked, 0), None, by).await.expect("it can be skipped");
        let acts = state.audit(1000).await.expect("the audit can be read");
        let since: Vec<_> = acts[..acts.len() - before].iter().rev().collect();
        let names: Vec<_> = since.iter().map(|act| act.act.as_str()).collect();
        let expected = ["pause", "resume", "halt", "unhalt", "retry", "discard", "seek", "forget_horizon", "skip"];
        assert_eq!(names, expected);
        for act in &since {
            assert_eq!(act.actor, "ada@desk");
            assert!(act.reason.as_ref().is_some_and(|reason| reason.contains("a reason")), "{act:?}");
            assert_eq!(act.target_id, (act.act != "forget_horizon").then(|| id("crm")), "{act:?}");
            assert!(act.from.is_some(), "{act:?}");
        }
        let seek = since[6].reason.as_deref();
        assert_eq!(seek, Some("new ids; what the event store lost is accepted; a reason"));
        assert_eq!(since[7].from.as_deref(), Some("200"));
        assert_eq!(state.horizon().await.expect("it can be read"), None);
    })
    .await;
}

#[tokio::test]
async fn the_audit_is_asked_by_target_act_and_time() {
    on_both(async |fixture| {
        fixture.define(&["crm", "audit"]).await;
        for name in ["crm", "audit", "crm"] {
            let paused = fixture.definitions().await.targets.iter().any(|known| known.id == id(name) && known.paused);
            fixture.state.set_paused(&id(name), !paused, "ada").await.expect("it can be paused");
        }
        let check = async |filter: AuditFilter, limit: u32, expected: &[&str]| {
            let found = fixture.state.acts(&filter, limit).await.expect("the audit can be read");
            let name = |target: &Option<domain::TargetName>| target.as_ref().map_or("-".into(), ToString::to_string);
            let words: Vec<_> = found.iter().map(|act| format!("{} {}", act.act, name(&act.target))).collect();
            assert_eq!(words, expected, "{filter:?}");
        };
        let of = |target: &str| AuditFilter { target: Some(target.to_owned()), ..AuditFilter::default() };
        let did = |act: &str| AuditFilter { act: Some(act.to_owned()), ..AuditFilter::default() };
        check(of("crm"), 100, &["resume crm", "pause crm", "target.create crm"]).await;
        check(of("crm-id"), 2, &["resume crm", "pause crm"]).await;
        check(did("pause"), 100, &["pause audit", "pause crm"]).await;
        check(did("target.*"), 100, &["target.create audit", "target.create crm"]).await;
        check(did("target"), 100, &[]).await;
        check(AuditFilter { target_id: Some(id("audit")), ..of("nobody") }, 1, &["pause audit"]).await;
        fixture.execute("UPDATE audit SET at = 1000000 WHERE act <> 'resume'").await;
        let since = AuditFilter { since: at(0).into(), ..AuditFilter::default() };
        check(since, 100, &["resume crm"]).await;
    })
    .await;
}

#[tokio::test]
async fn what_a_removed_target_leaves_is_found_by_its_id() {
    on_both(async |fixture| {
        fixture.define(&["crm", "audit"]).await;
        let rows = [(101, FailedStatus::Parked), (106, FailedStatus::Halted)];
        let cursor = prepared(fixture, "crm", &rows).await;
        assert_eq!(fixture.state.removed_targets().await.expect("they can be listed"), []);
        let change = DefinitionsChange {
            executions: vec![crate::state_support::execution("event", None, &["audit"])],
            remove_targets: vec![id("crm")],
            ..DefinitionsChange::default()
        };
        fixture.state.apply(&change, "test").await.expect("it is valid");
        let removed = fixture.state.removed_targets().await.expect("they can be listed").remove(0);
        assert_eq!((removed.id.as_str(), removed.name.as_str()), ("crm-id", "crm"));
        let standing = fixture.state.standing(&removed.id).await.expect("they can be read");
        let (left, failed) = standing.first().expect("its cursor is there");
        assert_eq!((left.id, failed.len()), (cursor.id, 2));
        let by_id = FailedFilter { target: Some(removed.id), ..FailedFilter::default() };
        assert_eq!(fixture.state.discard(&by_id, "ada").await.expect("they can be"), 2);
        assert_eq!(listed(fixture, &by_id).await, []);
    })
    .await;
}
