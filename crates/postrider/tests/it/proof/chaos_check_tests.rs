//! The judge is judged: records that somebody made up, good ones and bad ones.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::{Duration, Instant},
};

use domain::{EventKey, Ordering, Position, Timestamp};

use super::chaos_check::{Call, Case, Fault, Look, judge};

/// Aggregates are `a` and `b`, in turn.
fn key(number: i64) -> EventKey {
    EventKey {
        position: Position::from_integer(number),
        in_tx_order: 1,
        instance_id: "i1".into(),
        aggregate_type: "user".into(),
        aggregate_id: ["a", "b"][usize::try_from(number).expect("not negative") % 2].into(),
        sequence: number,
    }
}

/// What happened, one thing every 10 ms.
#[derive(Clone, Copy)]
enum Did {
    /// An event was accepted.
    Ok(i64),
    /// An event was refused.
    No(i64),
    /// A daemon claimed the cursor and found it there.
    Claim(i64),
    /// The cursor was looked at, and stood there.
    At(i64),
    /// A daemon was thawed.
    Thaw,
}
use Did::{At, Claim, No, Ok, Thaw};

fn call(event: i64, at: Instant, accepted: bool) -> Call {
    Call { key: key(event), at, accepted, attempt: 1, connection: 0, time: Timestamp::UNIX_EPOCH }
}

/// Six events of which some were given up; gives the faults.
fn faults(ordering: Ordering, given_up: &[i64], did: &[Did]) -> Vec<Fault> {
    let expected: BTreeSet<_> = (0..6).map(key).collect();
    let given_up: HashSet<_> = given_up.iter().copied().map(key).collect();
    let began = Instant::now();
    let (mut calls, mut looks, mut thaws, mut epoch) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let mut look = |at, epoch, number| {
        looks.push(Look { began: at, ended: at, epoch, generation: 0, key: key(number) });
    };
    look(began, epoch, 0);
    for (number, did) in (1..).zip(did) {
        let at = began + Duration::from_millis(10) * number;
        match *did {
            Ok(event) => calls.push(call(event, at, true)),
            No(event) => calls.push(call(event, at, false)),
            Claim(cursor) => {
                epoch += 1;
                look(at, epoch, cursor);
            }
            At(cursor) => look(at, epoch, cursor),
            Thaw => thaws.push(at),
        }
    }
    let looks = HashMap::from([("i1".into(), looks)]);
    let case = Case { ordering, expected: &expected, given_up: &given_up, calls: &calls, looks: &looks, thaws: &thaws };
    judge(&case).faults
}

#[track_caller]
fn check(ordering: Ordering, did: &[Did], wanted: &[Fault]) {
    assert_eq!(faults(ordering, &[], did), wanted);
}

fn swapped(before: i64, called: i64) -> Fault {
    Fault::OutOfOrder { before: Some(key(before)), called: key(called) }
}

const STRAIGHT: [Did; 6] = [Ok(0), Ok(1), Ok(2), Ok(3), Ok(4), Ok(5)];

#[test]
fn a_good_record_is_good_in_every_order() {
    for ordering in [Ordering::Strict, Ordering::Aggregate, Ordering::None] {
        check(ordering, &STRAIGHT, &[]);
        check(ordering, &[Ok(0), No(1), No(1), Ok(1), Ok(2), Ok(3), Ok(4), No(5), Ok(5)], &[]);
        check(ordering, &[Ok(0), Ok(1), Ok(2), Claim(0), Ok(1), Ok(2), Ok(3), Ok(4), Ok(5)], &[]);
    }
}

#[test]
fn a_lost_event_is_found() {
    for ordering in [Ordering::Strict, Ordering::Aggregate, Ordering::None] {
        check(ordering, &STRAIGHT[..5], &[Fault::Lost(key(5))]);
    }
    check(Ordering::Strict, &[Ok(0), Ok(1), Ok(3), Ok(4), Ok(5)], &[swapped(2, 3), Fault::Lost(key(2))]);
    check(Ordering::None, &[Ok(0), Ok(1), Ok(3), Ok(4), Ok(5)], &[Fault::Lost(key(2))]);
    check(Ordering::Aggregate, &[Ok(0), Ok(1), No(2), Ok(3), Ok(5)], &[Fault::Lost(key(2)), Fault::Lost(key(4))]);
}

#[test]
fn an_event_that_was_refused_for_good_is_not_lost_and_holds_up_nobody_else() {
    let did = [Ok(0), No(1), No(1), Ok(2), Ok(3), Ok(4), Ok(5)];
    assert_eq!(faults(Ordering::Strict, &[1], &did), []);
    assert_eq!(faults(Ordering::Strict, &[], &did), [swapped(1, 2), Fault::Lost(key(1))]);
}

#[test]
fn swapped_events_are_found_where_order_is_promised() {
    let did = [Ok(0), Ok(2), Ok(1), Ok(3), Ok(4), Ok(5)];
    // From 1 it may go on with 2 only.
    check(Ordering::Strict, &did, &[swapped(1, 2), Fault::Overtaken(key(1)), swapped(2, 3)]);
    check(Ordering::Aggregate, &did, &[]);
    check(Ordering::None, &did, &[]);
    let did = [Ok(2), Ok(0), Ok(1), Ok(3), Ok(4), Ok(5)];
    check(Ordering::Aggregate, &did, &[swapped(0, 2), Fault::Overtaken(key(0)), swapped(2, 4)]);
}

#[test]
fn an_event_that_was_sent_while_the_one_before_was_refused_is_found() {
    let did = [Ok(0), No(1), Ok(2), Ok(1), Ok(2), Ok(3), Ok(4), Ok(5)];
    let found = faults(Ordering::Strict, &[], &did);
    for fault in [swapped(1, 2), Fault::Overtaken(key(1)), Fault::Unexplained(key(2))] {
        assert!(found.contains(&fault), "{found:?}");
    }
}

#[test]
fn a_repeat_that_nobody_claimed_the_cursor_for_is_found() {
    for ordering in [Ordering::Strict, Ordering::Aggregate, Ordering::None] {
        let did = [Ok(0), Claim(0), Ok(1), At(0), At(1), Ok(1), Ok(2), Ok(3), Ok(4), Ok(5)];
        check(ordering, &did, &[Fault::Unexplained(key(1))]);
    }
}

#[test]
fn a_gap_in_what_is_repeated_is_found() {
    let did = [Ok(0), Ok(1), Ok(2), Ok(3), Claim(0), Ok(1), Ok(3), Ok(4), Ok(5)];
    check(Ordering::Strict, &did, &[swapped(2, 3)]);
    // Of each aggregate it is the next one.
    check(Ordering::Aggregate, &did, &[]);
    let did = [Ok(0), Ok(2), Ok(4), Claim(0), Ok(0), Ok(4), Ok(1), Ok(3), Ok(5)];
    check(Ordering::Aggregate, &did, &[swapped(2, 4)]);
}

#[test]
fn an_event_that_was_never_to_be_sent_is_found() {
    check(Ordering::Strict, &[&STRAIGHT[..], &[Ok(6)]].concat(), &[Fault::Unasked(key(6))]);
}

#[test]
fn a_cursor_that_went_back_is_found() {
    let back = [Fault::WentBack(key(4), key(3))];
    check(Ordering::Strict, &[&STRAIGHT[..], &[At(4), At(3), At(5)]].concat(), &back);
    check(Ordering::None, &[&STRAIGHT[..], &[At(4), Claim(3), At(5)]].concat(), &back);
}

#[test]
fn one_call_of_a_thawed_daemon_may_come_late_and_nothing_else() {
    // Another daemon has gone on from 1; the call of 3 was about to be made when its daemon was frozen.
    let did = |thaw| [Ok(0), Ok(1), Ok(2), Claim(0), Ok(1), thaw, Ok(3), Ok(2), Ok(3), Ok(4), Ok(5)];
    check(Ordering::Strict, &did(Thaw), &[]);
    let found = faults(Ordering::Strict, &[], &did(At(0)));
    assert_eq!(found, [swapped(2, 3), Fault::Unexplained(key(3))]);
    // What nobody was about to call is no such call.
    let found = faults(Ordering::Strict, &[], &[Ok(0), Thaw, Ok(2), Ok(1), Ok(2), Ok(3), Ok(4), Ok(5)]);
    assert!(found.contains(&swapped(1, 2)), "{found:?}");
}
