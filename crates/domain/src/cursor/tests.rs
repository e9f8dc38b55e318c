use super::Ahead;
use crate::{EventKey, Position};

fn key(position: i64) -> EventKey {
    EventKey { aggregate_id: "a".into(), in_tx_order: 1, ..EventKey::before(Position::from_integer(position)) }
}

fn ahead(to: i64, open: &[i64]) -> Ahead {
    Ahead { to: key(to), open: open.iter().copied().map(key).collect() }
}

/// With a cursor at 10, what stands ahead of it, and what is settled.
fn check(before: (i64, &[i64]), settled: &[i64], cursor: i64, after: Option<(i64, &[i64])>) {
    let settled = settled.iter().copied().map(key).collect();
    let expected = (key(cursor), after.map(|(to, open)| ahead(to, open)));
    assert_eq!(ahead(before.0, before.1).without(&key(10), &settled), expected);
}

#[test]
fn a_cursor_passes_what_is_settled_up_to_the_first_event_that_is_not() {
    check((20, &[12, 14, 16]), &[12], 12, Some((20, &[14, 16])));
    check((20, &[12, 14, 16]), &[12, 14], 14, Some((20, &[16])));
    check((20, &[12, 14, 16]), &[14], 10, Some((20, &[12, 16])));
    check((20, &[12, 14, 16]), &[12, 16], 12, Some((20, &[14])));
}

#[test]
fn a_cursor_that_waits_for_nothing_more_stands_at_the_end_of_what_is_settled() {
    check((20, &[12]), &[12], 20, None);
    check((20, &[12, 14]), &[12, 14], 20, None);
    check((20, &[]), &[], 20, None);
    check((5, &[]), &[12], 10, None);
}
