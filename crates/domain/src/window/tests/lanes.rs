//! Sentences about several calls at a time: lanes, what is settled ahead, gates.

use super::*;
use crate::GateVerdict;

/// One letter for each event's aggregate: `abab` is four events of two aggregates, at the positions 1 to 4.
fn window_with(shape: Shape, cursor: &Cursor, events: &str) -> Window {
    let mut window = Window::resume(failures(2), shape, cursor, Vec::new());
    offer(&mut window, events);
    window
}

fn offer(window: &mut Window, events: &str) {
    for (aggregate, position) in events.chars().zip(1..) {
        window.offer(row_of(&aggregate.to_string(), position), false, at(0));
    }
}

/// Everything that may be sent now, in the order it is given.
fn sends(window: &mut Window, now: u64) -> Vec<Send> {
    std::iter::from_fn(|| match window.next(at(now)) {
        Step::Send(send) => Some(send),
        _ => None,
    })
    .collect()
}

fn positions(sends: &[Send]) -> String {
    sends.iter().map(|send| send.event.key().position.to_string()).collect::<Vec<_>>().join(" ")
}

fn answer(window: &mut Window, sends: &[Send], position: i64, outcome: &Outcome) {
    let send = sends.iter().find(|send| send.event.key().position == Position::from_integer(position));
    window.record(send.expect("it was sent").ticket, outcome, at(0), &mut |nth| SECOND * nth);
}

/// `cursor+ahead`: the cursor's position, and those settled beyond it.
fn stands(window: &mut Window) -> String {
    let (settlement, _) = window.settlement(true).expect("something happened");
    let ahead = settlement.ahead.map_or_else(String::new, |ahead| {
        let open: Vec<_> = ahead.open.iter().map(|key| key.position.to_string()).collect();
        format!(", up to {} but {}", ahead.to.position, open.join(" "))
    });
    format!("{}{ahead}", settlement.key.position)
}

#[test]
fn aggregates_go_side_by_side_and_each_stays_in_order() {
    let mut window = window_with(shape(Ordering::Aggregate, 8), &cursor(), "aabcb");
    let first = sends(&mut window, 0);
    assert_eq!(positions(&first), "1 3 4");
    answer(&mut window, &first, 3, &Outcome::Delivered);
    assert_eq!(positions(&sends(&mut window, 0)), "5", "the next of its aggregate goes at once");
    assert_eq!(stands(&mut window), "0, up to 3 but 1 2");
    answer(&mut window, &first, 1, &Outcome::Delivered);
    assert_eq!(positions(&sends(&mut window, 0)), "2");
    assert_eq!(stands(&mut window), "1, up to 3 but 2");
}

#[test]
fn without_order_everything_goes_up_to_the_limit() {
    let mut window = window_with(shape(Ordering::None, 3), &cursor(), "aaaaa");
    let first = sends(&mut window, 0);
    assert_eq!(positions(&first), "1 2 3");
    assert!(first.iter().all(|send| send.previous.is_none()), "there is no event before in any order");
    answer(&mut window, &first, 2, &Outcome::Delivered);
    assert_eq!(positions(&sends(&mut window, 0)), "4");
}

#[test]
fn a_failing_aggregate_waits_for_itself_alone_and_is_parked_by_event() {
    let mut window = window_with(shape(Ordering::Aggregate, 8), &cursor(), "abab");
    let first = sends(&mut window, 0);
    answer(&mut window, &first, 1, &refused());
    answer(&mut window, &first, 2, &Outcome::Delivered);
    let second = sends(&mut window, 0);
    assert_eq!(positions(&second), "4", "3 waits for 1");
    answer(&mut window, &second, 4, &Outcome::Delivered);
    assert_eq!(stands(&mut window), "0, up to 4 but 1 3");
    assert_eq!(window.next(at(0)), Step::WaitUntil(SECOND));
    let again = sends(&mut window, 1);
    assert_eq!((positions(&again).as_str(), again[0].attempt), ("1", 2));
    answer(&mut window, &again, 1, &refused());
    assert!(window.newly_parked().any(|failed| failed.key == *row(1).key()));
    assert_eq!(positions(&sends(&mut window, 1)), "3");
    assert_eq!(stands(&mut window), "2, up to 4 but 3");
}

#[test]
fn what_was_settled_ahead_is_not_sent_again_after_a_restart() {
    let mut window = window_with(shape(Ordering::Aggregate, 8), &cursor(), "abcb");
    let first = sends(&mut window, 0);
    answer(&mut window, &first, 3, &Outcome::Delivered);
    answer(&mut window, &first, 2, &Outcome::Delivered);
    let (settled, _) = window.settlement(true).expect("two were settled");
    let resumed = Cursor { key: settled.key, ahead: settled.ahead, state: CursorState::Holding, ..cursor() };
    let mut window = window_with(shape(Ordering::Aggregate, 8), &resumed, "");
    window.offer(row_of("a", 1), false, at(0));
    assert_eq!(stands(&mut window), "0, up to 3 but 1", "it knows what it has not read again");
    offer(&mut window, "abcb");
    assert_eq!(positions(&sends(&mut window, 0)), "1 4");
}

#[test]
fn only_so_much_is_taken_in_and_a_stretch_that_concerns_nobody_costs_nothing() {
    let small = Shape { lookahead: 2, ..shape(Ordering::Aggregate, 8) };
    let mut window = window_with(small, &cursor(), "a");
    for position in 2..50 {
        window.pass(row(position).key(), None);
        assert!(window.wants_more());
    }
    window.offer(row_of("b", 50), false, at(0));
    assert!(!window.wants_more(), "two events are enough");
    let first = sends(&mut window, 0);
    answer(&mut window, &first, 1, &Outcome::Delivered);
    assert!(window.wants_more());
    let light = Shape { max_bytes: 1, ..shape(Ordering::Aggregate, 8) };
    assert!(!window_with(light.clone(), &cursor(), "a").wants_more(), "one event is always taken in");
    assert!(window_with(light, &cursor(), "").wants_more());
}

#[test]
fn trouble_met_by_many_calls_is_one_hold_and_is_probed_by_one_call() {
    let mut window = window_with(shape(Ordering::Aggregate, 8), &cursor(), "abcd");
    let first = sends(&mut window, 0);
    for position in 1..=3 {
        answer(&mut window, &first, position, &away(None));
    }
    assert!(!window.wants_more(), "a target that waits keeps no more in memory");
    assert_eq!(window.next(at(0)), Step::Idle, "the fourth is still under way");
    answer(&mut window, &first, 4, &Outcome::Delivered);
    assert_eq!(window.next(at(0)), Step::WaitUntil(SECOND), "three calls are one trouble");
    let probe = sends(&mut window, 1);
    assert_eq!(positions(&probe), "1", "one at a time");
    window.record(probe[0].ticket, &Outcome::Delivered, at(1), &mut |nth| SECOND * nth);
    assert_eq!(positions(&sends(&mut window, 1)), "2 3");
}

#[test]
fn what_is_not_needed_while_waiting_is_given_back_and_offered_again() {
    let mut window = window_with(shape(Ordering::Aggregate, 2), &cursor(), "abcd");
    let first = sends(&mut window, 0);
    answer(&mut window, &first, 2, &Outcome::Delivered);
    answer(&mut window, &first, 1, &away(None));
    window.shed();
    assert_eq!(window.read_to(), row_of("b", 2).key(), "what was settled is kept");
    offer(&mut window, "abcd");
    let probe = sends(&mut window, 1);
    answer(&mut window, &probe, 1, &Outcome::Delivered);
    assert_eq!(positions(&sends(&mut window, 1)), "3 4");
}

#[test]
fn an_event_asked_for_again_is_never_beside_a_call_for_its_aggregate() {
    let resumed = Cursor { key: row(1).key().clone(), ..cursor() };
    let mut window = window_with(shape(Ordering::Aggregate, 8), &resumed, " ab");
    let live = sends(&mut window, 0);
    assert_eq!(positions(&live), "2 3");
    window.set_again(vec![(row_of("a", 1), failed(1, FailedStatus::Retrying))]);
    assert!(sends(&mut window, 0).is_empty(), "an event of its aggregate is under way");
    answer(&mut window, &live, 2, &Outcome::Delivered);
    let again = sends(&mut window, 0);
    assert_eq!(positions(&again), "1");
    window.offer(row_of("a", 4), false, at(0));
    window.offer(row_of("c", 5), false, at(0));
    assert_eq!(positions(&sends(&mut window, 0)), "5", "4 waits for 1, the others do not");
    answer(&mut window, &again, 1, &Outcome::Delivered);
    assert_eq!(positions(&sends(&mut window, 0)), "4");
}

#[test]
fn an_event_waits_for_its_gate_and_is_interrupted_where_that_gave_up() {
    let mut window = Window::resume(failures(2), strict(), &cursor(), Vec::new());
    window.offer(row(1), true, at(0));
    assert_eq!(window.next(at(0)), Step::Idle);
    window.judge(at(0), |_, _| GateVerdict::Unknown("for crm".into()));
    assert_eq!(window.state(), (CursorState::Waiting, Some("for crm")));
    window.judge(at(0), |_, _| GateVerdict::Passed);
    let sent = sends(&mut window, 0);
    answer(&mut window, &sent, 1, &Outcome::Delivered);
    window.offer(row(2), true, at(0));
    window.judge(at(0), |_, _| GateVerdict::Denied("crm did not deliver it".into()));
    let (settlement, events) = window.settlement(false).expect("two were settled");
    assert_eq!((settlement.key, events), (row(2).key().clone(), 2));
    assert!(matches!(&settlement.failed[..], [FailedChange::Put(failed)]
        if failed.status == FailedStatus::Interrupted && failed.error.contains("crm")));
    assert_eq!(settlement.denied, [row(2).key().clone()], "those behind it do not get it either");
}

#[test]
fn an_event_that_waits_for_nobody_any_more_is_passed() {
    let mut window = Window::resume(failures(2), strict(), &cursor(), vec![failed(1, FailedStatus::Parked)]);
    window.offer(row(1), true, at(0));
    window.judge(at(0), |_, _| GateVerdict::Unasked);
    let (settlement, _) = window.settlement(false).expect("it was settled");
    assert_eq!(
        (settlement.key, settlement.failed),
        (row(1).key().clone(), Vec::new()),
        "what was parked stays on record"
    );
}

#[test]
fn what_is_known_of_an_event_is_not_given_back_with_its_memory() {
    let known = vec![FailedEvent { key: row_of("b", 2).key().clone(), ..failed(2, FailedStatus::Parked) }];
    let mut window = Window::resume(failures(2), shape(Ordering::Aggregate, 1), &cursor(), known);
    offer(&mut window, "ab");
    let first = sends(&mut window, 0);
    answer(&mut window, &first, 1, &away(None));
    window.shed();
    offer(&mut window, "ab");
    for (now, position) in [(1, 1), (1, 2)] {
        let sent = sends(&mut window, now);
        answer(&mut window, &sent, position, &Outcome::Delivered);
    }
    let (settlement, _) = window.settlement(false).expect("both are delivered");
    assert_eq!(settlement.failed, [FailedChange::Remove(row_of("b", 2).key().clone())]);
}

#[test]
fn a_hold_always_finds_something_to_probe_with() {
    let policy = Policy { hold_after_parked: 1, max_failure_count: 1, ..Policy::default() };
    let mut window = Window::resume(policy, shape(Ordering::Aggregate, 4), &cursor(), Vec::new());
    window.offer(row_of("a", 1), true, at(0));
    window.offer(row_of("b", 2), false, at(0));
    let sent = sends(&mut window, 0);
    answer(&mut window, &sent, 2, &refused());
    assert_eq!(window.state().0, CursorState::Holding);
    assert!(window.wants_more(), "the only event at hand waits for a gate");
    window.offer(row_of("c", 3), false, at(0));
    assert!(!window.wants_more());
    assert_eq!(positions(&sends(&mut window, 9)), "3");
}

#[test]
fn what_was_parked_stays_on_record_when_it_expires() {
    let policy = Policy { max_event_age: Some(SECOND), ..Policy::default() };
    let known = vec![failed(1, FailedStatus::Parked), failed(2, FailedStatus::Retrying)];
    let mut window = Window::resume(policy, strict(), &cursor(), known);
    window.offer(row(1), false, at(9));
    window.offer(row(2), false, at(9));
    let (settlement, _) = window.settlement(false).expect("both are too old");
    assert_eq!(settlement.failed, [FailedChange::Remove(row(2).key().clone())]);
}

#[test]
fn what_a_gate_parks_is_told_to_those_behind_it() {
    let mut window = Window::resume(failures(1), strict(), &cursor(), Vec::new());
    window.offer(row(1), false, at(0));
    let sent = sends(&mut window, 0);
    answer(&mut window, &sent, 1, &refused());
    assert_eq!(window.settlement(false).map(|(settlement, _)| settlement.denied), Some(vec![row(1).key().clone()]));
}

#[test]
fn nothing_goes_while_an_operator_has_halted_the_cursor() {
    let halted = Cursor { halt: Some("the receiver moves".into()), ..cursor() };
    let mut window = window_with(shape(Ordering::Aggregate, 8), &halted, "ab");
    assert_eq!(window.next(at(0)), Step::Halted);
    assert_eq!(window.state(), (CursorState::Halted, Some("the receiver moves")));
    assert!(!window.can_send(at(0)));
}

#[test]
fn an_event_that_becomes_too_old_while_it_waits_expires() {
    let policy = Policy { max_event_age: Some(5 * SECOND), ..Policy::default() };
    let mut window = Window::resume(policy, strict(), &cursor(), Vec::new());
    window.offer(row(1), false, at(0));
    let sent = sends(&mut window, 0);
    answer(&mut window, &sent, 1, &away(Some(60)));
    assert_eq!(window.next(at(60)), Step::Idle);
    assert_eq!(stands(&mut window), "1");
}

#[test]
fn another_ordering_needs_another_window() {
    let mut window = window_with(strict(), &cursor(), "a");
    assert!(window.reshape(Shape { lookahead: 7, ..strict() }));
    assert!(!window.reshape(shape(Ordering::None, 4)));
}
