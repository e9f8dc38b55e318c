//! Ids and keys that are made here.

use std::sync::{Mutex, PoisonError};

use domain::TargetId;
use rand::{
    RngExt as _,
    distr::{Alphanumeric, SampleString},
};

use crate::clock;

/// As ZITADEL's own: letters and digits.
const KEY_LENGTH: usize = 36;
/// Of an id's 63 bits: what is drawn at random, so that daemons that make one in the same millisecond make two.
const RANDOM_BITS: u32 = 21;
/// 2025-01-01, in milliseconds since 1970: with 42 bits of milliseconds ids last until 2164.
const BEGINNING: i64 = 1_735_689_600_000;

/// The most that a later id is beyond the one before where the time has not gone on: small, so that many fit a millisecond.
const STEP: u64 = 1 << 10;

/// What was given out last.
static LAST: Mutex<u64> = Mutex::new(0);

/// An id as ZITADEL's are: a number as text. Each is larger than those that this process made before, so a file with a
/// thousand targets gets a thousand ids; from those of other processes it differs by the millisecond, and by chance within it.
#[must_use]
pub fn new_id() -> TargetId {
    let millis = u64::try_from(clock::now().as_millisecond() - BEGINNING).unwrap_or_default();
    let drawn = (millis << RANDOM_BITS) | rand::rng().random_range(0..1_u64 << RANDOM_BITS);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    *last = if drawn > *last { drawn } else { *last + rand::rng().random_range(1..=STEP) };
    TargetId::from(last.to_string())
}

/// A signing key nobody has seen.
#[must_use]
pub fn new_signing_key() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), KEY_LENGTH)
}

#[cfg(test)]
mod tests {
    use super::{new_id, new_signing_key};

    #[test]
    fn ids_are_numbers_that_fit_into_63_bits_and_each_is_larger_than_the_one_before() {
        // So many in one moment that by chance alone some would meet.
        let ids: Vec<i64> =
            (0..20_000).map(|_| new_id().as_str().parse().expect("a number that fits into 63 bits")).collect();
        assert!(ids.iter().all(|id| *id > 1_000_000_000_000_000));
        assert!(ids.is_sorted_by(|earlier, later| earlier < later));
    }

    #[test]
    fn keys_are_letters_and_digits() {
        let key = new_signing_key();
        assert!(key.len() == 36 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
