//! How long to wait before the next try: the `backoff` crate's exponential policy with jitter.
//!
//! The crate is no longer maintained; this module is all that knows it.

use std::time::Duration;

use backoff::{SystemClock, backoff::Backoff, exponential::ExponentialBackoff};

/// A schedule of growing waits.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    first: Duration,
    most: Duration,
}

impl Retry {
    /// Waits that begin around `first` and grow by half each time, never beyond `most`.
    #[must_use]
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most }
    }

    /// The wait before the n-th try in a row, from 1: half to one and a half times its share.
    #[must_use]
    pub fn delay(&self, nth: u32) -> Duration {
        let mut policy = ExponentialBackoff::<SystemClock> {
            current_interval: self.first,
            initial_interval: self.first,
            max_interval: self.most,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        // Forty steps of one and a half are past any sensible limit.
        for _ in 1..nth.min(40) {
            let _ = policy.next_backoff();
        }
        policy.next_backoff().unwrap_or(self.most).min(self.most)
    }
}

/// For databases and other things that a daemon needs and must wait for.
impl Default for Retry {
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_by_half_with_jitter_and_end_at_the_most() {
        let retry = Retry::new(Duration::from_secs(1), Duration::from_secs(10));
        for nth in 1..60 {
            let share = 1.5_f64.powi(i32::try_from(nth).expect("small") - 1).min(10.0);
            let wait = retry.delay(nth).as_secs_f64();
            assert!(wait >= share * 0.49 && wait <= (share * 1.51).min(10.0), "{nth}: {wait} for {share}");
        }
    }
}
