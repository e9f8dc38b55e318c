use super::{Horizon, Writer};
use crate::Position;

mod simulation;

fn at(number: i64) -> Position {
    Position::from_integer(number)
}

fn writer(vxid: &str, floor: Option<i64>) -> Writer {
    Writer {
        vxid: vxid.to_owned(),
        floor: floor.map(at),
        pid: None,
        role: None,
        application: None,
        since: None,
        state: None,
    }
}

/// The head, who is open and with which visible floor, and what `safe` and the holder should be then.
type Poll<'a> = (i64, &'a [(&'a str, Option<i64>)], i64, Option<&'a str>);

fn check(watermark: i64, polls: &[Poll<'_>]) {
    let mut horizon = Horizon::resume(at(watermark));
    for (number, (head, open, safe, holder)) in polls.iter().enumerate() {
        let writers: Vec<Writer> = open.iter().map(|(vxid, floor)| writer(vxid, *floor)).collect();
        let reading = horizon.advance(at(*head), &writers);
        assert_eq!(reading.safe, at(*safe), "safe at poll {number}");
        assert_eq!(reading.safe, horizon.safe());
        assert_eq!(reading.head, at(*head));
        assert_eq!(reading.holder.as_ref().map(|writer| writer.vxid.as_str()), *holder, "holder at poll {number}");
    }
}

#[test]
fn without_writers_everything_is_safe() {
    check(0, &[(10, &[], 10, None), (10, &[], 10, None), (30, &[], 30, None)]);
}

#[test]
fn a_writer_keeps_the_horizon_at_the_head_before_it_was_seen_until_it_ends() {
    check(
        0,
        &[
            (10, &[], 10, None),
            (20, &[("3/7", None)], 10, Some("3/7")),
            (30, &[("3/7", None)], 10, Some("3/7")),
            (40, &[], 40, None),
        ],
    );
}

#[test]
fn later_writers_do_not_wait_for_earlier_ones() {
    check(
        0,
        &[
            (10, &[("a", None)], 0, Some("a")),
            (20, &[("a", None), ("b", None)], 0, Some("a")),
            (30, &[("b", None), ("c", None)], 10, Some("b")),
            (40, &[("c", None)], 20, Some("c")),
            (50, &[], 50, None),
        ],
    );
}

#[test]
fn at_the_start_a_writer_may_have_begun_long_ago() {
    check(100, &[(150, &[("a", None)], 100, Some("a")), (160, &[("b", None)], 150, Some("b"))]);
}

#[test]
fn the_start_of_a_transaction_lowers_its_floor_and_never_raises_it() {
    check(
        0,
        &[
            (10, &[], 10, None),
            (20, &[], 20, None),
            (30, &[("a", Some(25))], 20, Some("a")),
            (40, &[("a", Some(25)), ("b", Some(12))], 20, Some("b")),
            (50, &[("a", None)], 20, Some("a")),
        ],
    );
}

#[test]
fn a_writer_that_is_listed_twice_has_its_lowest_floor() {
    check(0, &[(10, &[], 10, None), (20, &[("a", None), ("a", Some(4)), ("b", Some(6))], 10, Some("a"))]);
}

#[test]
fn safe_never_falls_when_the_head_does() {
    check(
        0,
        &[(10, &[], 10, None), (5, &[], 10, None), (7, &[("a", None)], 10, None), (20, &[("a", None)], 10, Some("a"))],
    );
}

#[test]
fn a_writer_at_the_head_holds_nothing() {
    check(0, &[(10, &[], 10, None), (10, &[("a", None)], 10, None), (11, &[("a", None)], 10, Some("a"))]);
}
