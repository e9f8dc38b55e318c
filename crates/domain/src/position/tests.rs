use std::{
    cmp::Ordering,
    hash::{BuildHasher, RandomState},
};

use proptest::prelude::*;

use super::{EventKey, Position};

fn position(text: &str) -> Position {
    text.parse().expect("a position")
}

fn key(position: Position, in_tx_order: i64, aggregate_id: &str, sequence: i64) -> EventKey {
    EventKey {
        position,
        in_tx_order,
        instance_id: "i".into(),
        aggregate_type: "user".into(),
        aggregate_id: aggregate_id.into(),
        sequence,
    }
}

#[test]
fn a_position_keeps_every_digit() {
    for text in ["0", "17", "1743070963.262665", "1743070963.262000", "1234567890123456789012345678", "0.000000000001"]
    {
        assert_eq!(position(text).to_string(), text);
    }
}

#[test]
fn texts_that_are_no_position_are_refused_and_named() {
    for text in ["", " ", "now", "1.2.3", "NaN", "Infinity", "1e3", "0x10", "12345678901234567890123456789012"] {
        let error = text.parse::<Position>().expect_err("no position");
        assert!(error.to_string().starts_with(&format!("{text:?} is no position")), "{error}");
    }
}

#[test]
fn digits_that_would_be_rounded_are_refused() {
    "1743070963.2626651234567890123456789".parse::<Position>().expect_err("more digits than are kept");
}

#[test]
fn positions_are_compared_as_numbers() {
    assert!(position("9") < position("10"));
    assert!(position("1743070963.262665") < position("1743070963.262666"));
    assert_eq!(position("1.50"), position("1.5"));
    let hash = RandomState::new();
    assert_eq!(hash.hash_one(position("1.50")), hash.hash_one(position("1.5")));
    assert!(Position::ZERO < position("0.000001"));
}

#[test]
fn microseconds_and_whole_numbers_become_positions() {
    assert_eq!(Position::from_micros(1_743_070_963_262_665).to_string(), "1743070963.262665");
    assert_eq!(Position::from_integer(17).to_string(), "17");
    assert_eq!(Position::from_micros(1_500_000), position("1.5"));
}

#[test]
fn a_position_is_a_string_to_a_reader_that_would_make_a_float_of_it() {
    use serde::{
        Deserialize,
        de::{
            IntoDeserializer,
            value::{Error, StrDeserializer},
        },
    };
    let text: StrDeserializer<'_, Error> = "1743070963.262665".into_deserializer();
    assert_eq!(Position::deserialize(text).expect("a position"), position("1743070963.262665"));
    let number = IntoDeserializer::<Error>::into_deserializer(1.5_f64);
    Position::deserialize(number).expect_err("a float is no position");
}

#[test]
fn edges_stand_around_every_event_of_their_position() {
    let (low, high) =
        (key(position("5"), 0, "", 1), key(position("5"), i64::from(i32::MAX) - 1, "\u{10ffff}", i64::MAX));
    assert!(EventKey::before(position("5")) < low);
    assert!(high < EventKey::after(position("5")));
    assert!(EventKey::after(position("5")) < EventKey::before(position("5.000001")));
    assert!(EventKey::before(position("5")).is_edge() && EventKey::after(position("5")).is_edge());
    assert!(!low.is_edge() && !high.is_edge());
}

#[test]
fn a_key_is_printed_in_one_line() {
    let event = key(position("1743070963.262665"), 2, "42", 3);
    assert_eq!(event.to_string(), "1743070963.262665/2 user 42#3");
    assert_eq!(format!("{event:?}"), event.to_string());
    assert_eq!(EventKey::before(position("5")).to_string(), "before 5");
    assert_eq!(EventKey::after(position("5")).to_string(), "after 5");
}

/// The order that SQL gives: numbers as numbers, text as bytes, in the order of the columns.
fn as_sql_orders(one: &EventKey, other: &EventKey) -> Ordering {
    let number = |key: &EventKey| {
        let text = key.position.to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        format!("{whole}{fraction:0<6}").parse::<i128>().expect("at most six decimals")
    };
    (number(one).cmp(&number(other)))
        .then(one.in_tx_order.cmp(&other.in_tx_order))
        .then(one.instance_id.as_str().as_bytes().cmp(other.instance_id.as_str().as_bytes()))
        .then(one.aggregate_type.as_str().as_bytes().cmp(other.aggregate_type.as_str().as_bytes()))
        .then(one.aggregate_id.as_str().as_bytes().cmp(other.aggregate_id.as_str().as_bytes()))
        .then(one.sequence.cmp(&other.sequence))
}

/// Keys that often share their first columns.
fn any_key() -> impl Strategy<Value = EventKey> {
    let positions = prop_oneof![
        prop::sample::select(vec!["0", "9", "10", "10.0", "10.000001", "1743070963.262665"]).prop_map(position),
        (0..i64::MAX).prop_map(Position::from_micros),
    ];
    let text = || prop::sample::select(vec!["", "A", "a", "a-b", "aa", "ä", "\u{ffff}", "𐀀"]);
    (positions, -1..3_i64, text(), text(), text(), 0..3_i64).prop_map(
        |(position, in_tx_order, instance, aggregate_type, aggregate_id, sequence)| EventKey {
            position,
            in_tx_order,
            instance_id: instance.into(),
            aggregate_type: aggregate_type.into(),
            aggregate_id: aggregate_id.into(),
            sequence,
        },
    )
}

proptest! {
    #[test]
    fn keys_are_ordered_as_sql_orders_them(one in any_key(), other in any_key()) {
        prop_assert_eq!(one.cmp(&other), as_sql_orders(&one, &other));
        prop_assert_eq!(one == other, one.cmp(&other) == Ordering::Equal);
    }

    #[test]
    fn the_order_of_keys_is_total(mut keys in prop::collection::vec(any_key(), 3)) {
        keys.sort();
        prop_assert!(keys[0] <= keys[1] && keys[1] <= keys[2] && keys[0] <= keys[2]);
        prop_assert_eq!(keys[0].cmp(&keys[2]), keys[2].cmp(&keys[0]).reverse());
    }

    #[test]
    fn a_printed_position_reads_back(micros in 0..i64::MAX) {
        let stamped = Position::from_micros(micros);
        prop_assert_eq!(position(&stamped.to_string()), stamped);
    }
}

#[test]
fn a_place_between_two_positions_is_found_by_its_share_of_the_way_and_the_other_way_round() {
    let check = |from: &str, to: &str, share: u32, expected: &str| {
        let at = position(from).part_of_the_way(position(to), share);
        assert_eq!(at, position(expected), "{share} of {from} to {to}");
        assert_eq!(at.to_string().contains('.'), expected.contains('.'), "as many decimals as the two have");
    };
    check("1", "1001", 500, "501");
    check("1", "4", 0, "1");
    check("1", "4", 400, "2");
    check("1", "4", 5000, "4");
    check("1743070963.262665", "1743070965.262665", 500, "1743070964.262665");
    check("7", "7", 300, "7");
    let share = |at: &str| position(at).share_of_the_way(position("10"), position("20"));
    assert_eq!([share("3"), share("10"), share("12.5"), share("20"), share("30")], [0, 0, 250, 1000, 1000]);
    assert_eq!(position("5").share_of_the_way(position("5"), position("5")), 1000);
}

proptest! {
    #[test]
    fn a_share_never_leads_out_of_the_way(from in 0..i64::MAX, to in 0..i64::MAX, share in 0..2000_u32) {
        let (from, to) = (Position::from_micros(from.min(to)), Position::from_micros(from.max(to)));
        let at = from.part_of_the_way(to, share);
        prop_assert!(from <= at && at <= to);
        prop_assert!(at.share_of_the_way(from, to) <= 1000);
    }
}
