//! Sentences about one window; any interleaving of everything against a model is in [`model`].

mod lanes;
mod model;

use std::{fmt::Write, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::*;
use crate::{CursorId, Outcome};

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> Now {
    Now {
        wall: Timestamp::from_second(i64::try_from(seconds).expect("small")).expect("in range"),
        monotonic: Duration::from_secs(seconds),
    }
}

fn row(position: i64) -> Arc<Row> {
    row_of("a", position)
}

fn row_of(aggregate: &str, position: i64) -> Arc<Row> {
    let key = EventKey {
        position: Position::from_integer(position),
        in_tx_order: 1,
        instance_id: "i".into(),
        aggregate_type: "user".into(),
        aggregate_id: aggregate.into(),
        sequence: position,
    };
    Arc::new(Row::Event(Event {
        key,
        event_type: "user.human.added".into(),
        revision: Some(2),
        created_at: Timestamp::UNIX_EPOCH,
        payload: None,
        creator: "".into(),
        owner: "".into(),
    }))
}

fn shape(ordering: Ordering, max_in_flight: usize) -> Shape {
    Shape { ordering, max_in_flight, lookahead: 100, max_bytes: 1 << 20 }
}

fn strict() -> Shape {
    shape(Ordering::Strict, 1)
}

fn cursor() -> Cursor {
    Cursor::new(CursorId(1), "t".into(), "i".into(), EventKey::before(Position::ZERO))
}

fn refused() -> Outcome {
    Outcome::Failed { error: "answered 500".into() }
}

fn away(retry_after: Option<u64>) -> Outcome {
    Outcome::Unavailable { error: "connection refused".into(), retry_after: retry_after.map(Duration::from_secs) }
}

/// Offers the events 1 to `events`, answers each call with the next outcome, waits as told, and tells the story: what each
/// call's answer made of the event, in words.
fn tell(policy: Policy, events: i64, outcomes: &[Outcome]) -> String {
    let mut window = Window::resume(policy, strict(), &cursor(), Vec::new());
    let (mut now, mut offered, mut story) = (0, 0, String::new());
    for outcome in outcomes {
        let send = loop {
            if window.wants_more() && offered < events {
                offered += 1;
                window.offer(row(offered), false, at(now));
            }
            match window.next(at(now)) {
                Step::Send(send) => break send,
                Step::WaitUntil(until) => {
                    let waited = until.as_secs() - now;
                    write!(story, "wait {waited}s; ").expect("a string takes it");
                    now = until.as_secs();
                }
                Step::Halted => return story + "halted",
                Step::Idle => return story + "idle",
            }
        };
        let key = send.event.key().clone();
        window.record(send.ticket, outcome, at(now), &mut |nth| SECOND * nth);
        let (settlement, _) = window.settlement(true).expect("an outcome is worth a commit");
        let what = match settlement.failed.last() {
            Some(FailedChange::Put(row)) => format!("{} ({})", row.status, row.failure_count),
            Some(FailedChange::Remove(_)) => "delivered at last".into(),
            None if settlement.state == CursorState::Holding => "hold".into(),
            None => "delivered".into(),
        };
        write!(story, "{}: {what}; ", key.position).expect("a string takes it");
        if settlement.state == CursorState::Holding && what != "hold" {
            story.push_str("hold; ");
        }
    }
    story.trim_end_matches("; ").to_owned()
}

#[track_caller]
fn check(policy: Policy, events: i64, outcomes: &[Outcome], story: &str) {
    assert_eq!(tell(policy, events, outcomes), story);
}

fn failures(max_failure_count: u32) -> Policy {
    Policy { max_failure_count, ..Policy::default() }
}

#[test]
fn events_are_delivered_one_after_the_other() {
    let outcomes = [Outcome::Delivered, Outcome::Delivered];
    check(failures(5), 2, &outcomes, "1: delivered; 2: delivered");
}

#[test]
fn a_refused_call_is_retried_then_parked() {
    let outcomes = [refused(), refused(), Outcome::Delivered];
    check(failures(2), 2, &outcomes, "1: retrying (1); wait 1s; 1: parked (2); 2: delivered");
}

#[test]
fn a_later_success_removes_the_failed_event() {
    let outcomes = [refused(), refused(), Outcome::Delivered];
    check(failures(5), 1, &outcomes, "1: retrying (1); wait 1s; 1: retrying (2); wait 2s; 1: delivered at last");
}

#[test]
fn an_endpoint_that_is_away_is_waited_for_and_nothing_is_counted() {
    let outcomes = [away(None), away(None), away(Some(7)), Outcome::Delivered, Outcome::Delivered];
    check(
        failures(1),
        2,
        &outcomes,
        "1: hold; wait 1s; 1: hold; wait 2s; 1: hold; wait 7s; 1: delivered; 2: delivered",
    );
}

#[test]
fn retry_after_is_obeyed_but_bounded() {
    let policy = Policy { max_retry_interval: 60 * SECOND, ..Policy::default() };
    check(policy, 1, &[away(Some(86_400)), Outcome::Delivered], "1: hold; wait 60s; 1: delivered");
}

#[test]
fn a_failure_after_a_hold_counts_from_where_it_was() {
    let outcomes = [refused(), away(None), refused(), Outcome::Delivered];
    check(
        failures(3),
        1,
        &outcomes,
        "1: retrying (1); wait 1s; 1: hold; wait 1s; 1: retrying (2); wait 2s; 1: delivered at last",
    );
}

#[test]
fn many_parked_in_a_row_make_the_endpoint_suspect() {
    let policy = Policy { max_failure_count: 1, hold_after_parked: 2, ..Policy::default() };
    let outcomes = [refused(), refused(), refused(), Outcome::Delivered, refused()];
    check(
        policy,
        4,
        &outcomes,
        "1: parked (1); 2: parked (1); hold; wait 1s; 3: hold; wait 2s; 3: delivered; 4: parked (1)",
    );
}

#[test]
fn a_hold_that_lasts_too_long_counts_as_a_failure() {
    let policy = Policy { max_failure_count: 2, max_hold: Some(2 * SECOND), ..Policy::default() };
    let outcomes = [away(None), away(None), away(None), away(None), away(None), away(None)];
    check(
        policy,
        1,
        &outcomes,
        "1: hold; wait 1s; 1: hold; wait 2s; 1: retrying (1); wait 1s; 1: hold; wait 1s; 1: hold; wait 2s; 1: parked (2)",
    );
}

#[test]
fn an_exhausted_event_halts_where_that_is_asked_for() {
    let policy = Policy { max_failure_count: 1, on_exhausted: OnExhausted::Halt, ..Policy::default() };
    check(policy, 2, &[refused(), Outcome::Delivered], "1: halted (1); halted");
}

#[test]
fn an_old_event_expires_and_the_next_one_goes() {
    let policy = Policy { max_event_age: Some(5 * SECOND), ..Policy::default() };
    let mut window = Window::resume(policy, strict(), &cursor(), Vec::new());
    window.offer(row(1), false, at(0));
    window.offer(row(2), false, at(6));
    assert_eq!(window.cursor(), &EventKey::before(Position::ZERO), "the first is young enough, and waits");
    let Step::Send(send) = window.next(at(5)) else { panic!("the first is to be sent") };
    window.record(send.ticket, &Outcome::Delivered, at(5), &mut |_| SECOND);
    assert_eq!(window.cursor(), row(2).key(), "the second expired behind it");
    assert_eq!(window.next(at(5)), Step::Idle);
}

#[test]
fn a_row_that_cannot_be_decoded_halts_and_goes_on_once_it_is_mended() {
    let mut window = Window::resume(failures(5), strict(), &cursor(), Vec::new());
    let broken = crate::BrokenRow {
        key: row(1).key().clone(),
        event_type: Some("user.human.added".into()),
        reason: "the column created_at is infinity".into(),
    };
    window.offer(Arc::new(Row::Broken(broken)), false, at(0));
    assert_eq!(window.next(at(0)), Step::Halted);
    let (state, reason) = window.state();
    assert_eq!(state, CursorState::Halted);
    let reason = reason.expect("a reason");
    assert!(reason.contains("user.human.added at 1/1 user a#1") && reason.contains("created_at"), "{reason}");
    assert_eq!(window.broken(), [row(1).key().clone()]);
    window.mend(row(1).key(), Some(row(1)), false);
    assert!(matches!(window.next(at(1)), Step::Send(send) if send.event.key() == row(1).key()));
}

#[test]
fn failures_are_remembered_over_a_restart() {
    let known = FailedEvent {
        key: row(1).key().clone(),
        event_type: "user.human.added".into(),
        failure_count: 4,
        status: FailedStatus::Retrying,
        error: "answered 500".into(),
        first_failed: Timestamp::UNIX_EPOCH,
        last_failed: Timestamp::UNIX_EPOCH,
    };
    let mut window = Window::resume(failures(5), strict(), &cursor(), vec![known]);
    window.offer(row(1), false, at(0));
    let Step::Send(send) = window.next(at(0)) else { panic!("it is sent") };
    assert_eq!(send.attempt, 5);
    window.record(send.ticket, &refused(), at(0), &mut |_| SECOND);
    assert!(window.newly_parked().any(|row| row.failure_count == 5));
    assert_eq!(window.cursor(), row(1).key());
}

#[test]
fn an_event_asked_for_again_goes_through_the_same_window_and_leaves_the_cursor() {
    let mut start = cursor();
    start.key = row(9).key().clone();
    let parked = FailedEvent {
        key: row(3).key().clone(),
        event_type: "user.human.added".into(),
        failure_count: 5,
        status: FailedStatus::Retrying,
        error: "answered 500".into(),
        first_failed: Timestamp::UNIX_EPOCH,
        last_failed: Timestamp::UNIX_EPOCH,
    };
    let mut window = Window::resume(failures(5), strict(), &start, Vec::new());
    window.set_again(vec![(row(3), parked.clone())]);
    window.offer(row(10), false, at(0));
    let Step::Send(send) = window.next(at(0)) else { panic!("it is sent") };
    assert_eq!((send.event.key(), send.previous), (row(3).key(), None));
    assert_eq!(window.next(at(0)), Step::Idle, "one call at a time");
    window.record(send.ticket, &refused(), at(0), &mut |_| SECOND);
    let (settlement, _) = window.settlement(false).expect("it failed again");
    assert!(matches!(&settlement.failed[..], [FailedChange::Put(row)] if row.status == FailedStatus::Parked));
    assert_eq!(settlement.key, start.key);

    window.set_again(vec![(row(3), parked)]);
    let Step::Send(send) = window.next(at(1)) else { panic!("it is sent again") };
    window.record(send.ticket, &Outcome::Delivered, at(1), &mut |_| SECOND);
    let (settlement, _) = window.settlement(false).expect("it was delivered");
    assert_eq!(settlement.failed, [FailedChange::Remove(row(3).key().clone())]);
    assert_eq!(settlement.key, start.key);
    assert!(matches!(window.next(at(1)), Step::Send(send) if send.event.key() == row(10).key()));
}

#[test]
fn an_event_asked_for_again_that_cannot_be_decoded_stays_parked_and_is_in_nobodys_way() {
    let mut start = cursor();
    start.key = row(9).key().clone();
    let asked = |position: i64| FailedEvent {
        key: row(position).key().clone(),
        event_type: "user.human.added".into(),
        failure_count: 0,
        status: FailedStatus::Retrying,
        error: "skipped by an operator".into(),
        first_failed: Timestamp::UNIX_EPOCH,
        last_failed: Timestamp::UNIX_EPOCH,
    };
    let broken = crate::BrokenRow {
        key: row(3).key().clone(),
        event_type: Some("user.human.added".into()),
        reason: "created_at is infinity".into(),
    };
    let mut window = Window::resume(failures(5), strict(), &start, Vec::new());
    window.set_again(vec![(Arc::new(Row::Broken(broken)), asked(3)), (row(4), asked(4))]);
    let (settlement, _) = window.settlement(false).expect("the first is parked");
    assert!(matches!(&settlement.failed[..], [FailedChange::Put(failed)]
        if failed.key == *row(3).key() && failed.status == FailedStatus::Parked && failed.error.contains("infinity")));
    assert!(matches!(window.next(at(0)), Step::Send(send) if send.event.key() == row(4).key()));
}

#[test]
fn each_event_names_the_one_delivered_before_it() {
    let mut window = Window::resume(failures(1), strict(), &cursor(), Vec::new());
    let mut named = Vec::new();
    for (position, outcome) in
        [(1, Outcome::Delivered), (2, refused()), (3, Outcome::Delivered), (4, Outcome::Delivered)]
    {
        window.offer(row(position), false, at(0));
        let Step::Send(send) = window.next(at(0)) else { panic!("it is sent") };
        named.push(send.previous.map(|(position, _)| position.to_string()));
        window.record(send.ticket, &outcome, at(0), &mut |_| SECOND);
    }
    let named: Vec<_> = named.iter().map(Option::as_deref).collect();
    assert_eq!(named, [None, Some("1"), Some("1"), Some("3")]);
}

#[test]
fn what_concerns_nobody_moves_the_cursor_but_is_not_worth_a_commit() {
    let mut window = Window::resume(failures(1), strict(), &cursor(), Vec::new());
    window.pass(row(7).key(), None);
    assert_eq!(window.cursor(), row(7).key());
    assert_eq!(window.settlement(false), None);
    assert_eq!(
        window.settlement(true).map(|(settlement, events)| (settlement.key, events)),
        Some((row(7).key().clone(), 0))
    );
}

fn failed(position: i64, status: FailedStatus) -> FailedEvent {
    FailedEvent {
        key: row(position).key().clone(),
        event_type: "user.human.added".into(),
        failure_count: 5,
        status,
        error: "answered 500".into(),
        first_failed: Timestamp::UNIX_EPOCH,
        last_failed: Timestamp::UNIX_EPOCH,
    }
}

#[test]
fn a_failure_of_an_event_that_is_no_longer_wanted_is_forgotten_and_what_was_parked_stays_on_record() {
    let known =
        vec![failed(1, FailedStatus::Retrying), failed(2, FailedStatus::Parked), failed(3, FailedStatus::Halted)];
    let mut window = Window::resume(failures(5), strict(), &cursor(), known);
    window.pass(row(2).key(), None);
    window.offer(row(4), false, at(0));
    let (settlement, _) = window.settlement(false).expect("that is worth a commit");
    let gone = [1, 3].map(|position| FailedChange::Remove(row(position).key().clone()));
    assert_eq!(settlement.failed, gone);
}

#[test]
fn a_parked_event_that_is_come_to_again_begins_anew_and_leaves_the_record_once_delivered() {
    let mut window = Window::resume(failures(5), strict(), &cursor(), vec![failed(1, FailedStatus::Parked)]);
    window.offer(row(1), false, at(0));
    let Step::Send(send) = window.next(at(0)) else { panic!("it is sent") };
    assert_eq!(send.attempt, 1);
    window.record(send.ticket, &Outcome::Delivered, at(0), &mut |_| SECOND);
    let (settlement, _) = window.settlement(false).expect("it was delivered");
    assert_eq!(settlement.failed, [FailedChange::Remove(row(1).key().clone())]);
}

#[test]
fn a_changed_endpoint_is_tried_at_once() {
    let mut window = Window::resume(failures(5), strict(), &cursor(), Vec::new());
    window.offer(row(1), false, at(0));
    let Step::Send(send) = window.next(at(0)) else { panic!("it is sent") };
    window.record(send.ticket, &away(Some(60)), at(0), &mut |_| SECOND);
    assert_eq!(window.next(at(1)), Step::WaitUntil(60 * SECOND));
    window.try_now(at(1));
    assert!(matches!(window.next(at(1)), Step::Send(_)));
}
