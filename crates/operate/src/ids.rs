//! Ids and keys that are made here.

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

/// An id as ZITADEL's are: a number as text, later ones larger to the millisecond.
#[must_use]
pub fn new_id() -> TargetId {
    let millis = u64::try_from(clock::now().as_millisecond() - BEGINNING).unwrap_or_default();
    let drawn = rand::rng().random_range(0..1_u64 << RANDOM_BITS);
    TargetId::from(((millis << RANDOM_BITS) | drawn).to_string())
}

/// A signing key nobody has seen.
#[must_use]
pub fn new_signing_key() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), KEY_LENGTH)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{new_id, new_signing_key};

    #[test]
    fn ids_are_numbers_that_fit_into_63_bits_and_differ() {
        let ids: HashSet<_> = (0..1000).map(|_| new_id()).collect();
        assert!(ids.len() > 998, "two of a thousand in one moment may meet by chance, no more");
        assert!(ids.iter().all(|id| id.as_str().parse::<i64>().is_ok_and(|id| id > 1_000_000_000_000_000)));
    }

    #[test]
    fn keys_are_letters_and_digits() {
        let key = new_signing_key();
        assert!(key.len() == 36 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
