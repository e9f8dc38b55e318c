//! The account of what arrived.

use domain::EventKey;
use postrider_test_support::{Account, EventBuilder};

fn key(position: i64, aggregate: &str) -> EventKey {
    EventBuilder::new("user.locked").position(&position.to_string()).aggregate("user", aggregate).build().key
}

fn check(arrived: &[(i64, &str)], missing: usize, unexpected: usize, duplicates: usize, disorder: (usize, usize)) {
    let expected = [key(1, "a"), key(2, "b"), key(3, "a")];
    let account = Account::of_keys(arrived.iter().map(|(position, aggregate)| key(*position, aggregate)), &expected);
    let found = (account.missing.len(), account.unexpected.len(), account.duplicates.len());
    assert_eq!(found, (missing, unexpected, duplicates), "{account:?}");
    assert_eq!((account.out_of_order.len(), account.out_of_order_in_aggregate.len()), disorder, "{account:?}");
}

#[test]
fn what_arrives_once_and_in_order_is_beyond_reproach() {
    check(&[(1, "a"), (2, "b"), (3, "a")], 0, 0, 0, (0, 0));
}

#[test]
fn what_does_not_arrive_is_missing_and_what_was_never_written_unexpected() {
    check(&[(1, "a"), (4, "c")], 2, 1, 0, (0, 0));
}

#[test]
fn what_arrives_again_is_a_duplicate_and_no_disorder() {
    check(&[(1, "a"), (2, "b"), (1, "a"), (2, "b"), (3, "a")], 0, 0, 2, (0, 0));
}

#[test]
fn what_arrives_late_is_out_of_order_and_perhaps_so_in_its_aggregate() {
    check(&[(2, "b"), (1, "a"), (3, "a")], 0, 0, 0, (1, 0));
    check(&[(3, "a"), (2, "b"), (1, "a")], 0, 0, 0, (2, 1));
}

#[test]
#[should_panic(expected = "1 events are missing")]
fn an_assertion_names_what_is_wrong() {
    let expected = [key(1, "a"), key(2, "b")];
    Account::of_keys([key(1, "a")], &expected).assert_exact();
}
