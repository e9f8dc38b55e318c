//! How often a target may be called: one token bucket for each target with a rate, shared by all its couriers in this daemon.
//!
//! A courier that has something to send asks [`Limits::ready`], and takes a token by that. One that gets none waits as it
//! would for a retry: nothing is under way meanwhile, and nobody else is held up.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use domain::{RateLimit, Target, TargetId};
use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

use crate::clock;

/// `CLOCK_BOOTTIME`, as everything here that waits.
#[derive(Clone, Copy, Default)]
pub(crate) struct Boottime;

impl Clock for Boottime {
    type Instant = Duration;

    fn now(&self) -> Duration {
        clock::boottime()
    }
}

/// See the module's head.
pub(crate) struct Limits<C: Clock<Instant = Duration> = Boottime> {
    clock: C,
    buckets: Mutex<HashMap<TargetId, Bucket<C>>>,
}

struct Bucket<C: Clock<Instant = Duration>> {
    rate: RateLimit,
    burst: NonZeroU32,
    tokens: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<Duration>>,
    used: Duration,
}

impl<C: Clock<Instant = Duration> + Clone> Bucket<C> {
    fn new(rate: RateLimit, burst: NonZeroU32, clock: &C) -> Self {
        let quota = Quota::with_period(rate.every()).expect("a rate's interval is at least a microsecond");
        let tokens = RateLimiter::direct_with_clock(quota.allow_burst(burst), clock.clone());
        Self { rate, burst, tokens, used: clock.now() }
    }

    /// Whether it is full again by now: then a new one is just as good.
    fn is_full(&self, now: Duration) -> bool {
        now.saturating_sub(self.used) > self.rate.every().saturating_mul(self.burst.get())
    }
}

impl<C: Clock<Instant = Duration> + Clone + Default> Default for Limits<C> {
    fn default() -> Self {
        Self { clock: C::default(), buckets: Mutex::default() }
    }
}

impl<C: Clock<Instant = Duration> + Clone> Limits<C> {
    /// Takes a token for one call to the target, or says at which reading of the monotonic clock to ask again.
    pub fn ready(&self, target: &Target) -> Result<(), Duration> {
        let Some(rate) = target.limits.rate else { return Ok(()) };
        let burst = target.limits.burst.unwrap_or_else(|| rate.usual_burst());
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let known = buckets.get(&target.id).is_some_and(|bucket| (bucket.rate, bucket.burst) == (rate, burst));
        if !known {
            // Those of targets that are gone go too, in time.
            buckets.retain(|_, bucket| !bucket.is_full(now));
            buckets.insert(target.id.clone(), Bucket::new(rate, burst, &self.clock));
        }
        let bucket = buckets.get_mut(&target.id).expect("it is there, or was just put there");
        bucket.used = now;
        bucket.tokens.check().map_err(|refused| refused.earliest_possible())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicU64, atomic::Ordering::SeqCst};

    use super::*;

    /// Milliseconds that a test counts.
    #[derive(Clone, Default)]
    struct Hand(Arc<AtomicU64>);

    impl Clock for Hand {
        type Instant = Duration;

        fn now(&self) -> Duration {
            Duration::from_millis(self.0.load(SeqCst))
        }
    }

    fn target(name: &str, rate: &str, burst: Option<u32>) -> Target {
        let mut target = Target::new(name.into(), name.into(), "https://example.com/".parse().expect("a URL"));
        target.limits.rate = (!rate.is_empty()).then(|| rate.parse().expect("a rate"));
        target.limits.burst = burst.and_then(NonZeroU32::new);
        target
    }

    fn limits(at: u64) -> Limits<Hand> {
        let limits = Limits::<Hand>::default();
        limits.clock.0.store(at, SeqCst);
        limits
    }

    /// At which milliseconds calls are let through, by one that asks again when it was told to.
    fn passes(limits: &Limits<Hand>, target: &Target, calls: usize) -> Vec<u64> {
        let mut passes = Vec::new();
        while passes.len() < calls {
            match limits.ready(target) {
                Ok(()) => passes.push(limits.clock.0.load(SeqCst)),
                Err(until) => {
                    assert!(until > limits.clock.now(), "it never asks again without time having passed");
                    limits.clock.0.store(u64::try_from(until.as_micros().div_ceil(1000)).expect("it is soon"), SeqCst);
                }
            }
        }
        passes
    }

    #[test]
    fn after_a_burst_calls_come_one_by_one() {
        assert_eq!(passes(&limits(5000), &target("t", "10/s", Some(3)), 6), [5000, 5000, 5000, 5100, 5200, 5300]);
        assert_eq!(passes(&limits(5000), &target("t", "30/m", None), 3), [5000, 7000, 9000]);
        let seconds_worth = passes(&limits(5000), &target("t", "10/s", None), 20);
        assert_eq!(seconds_worth[9..12], [5000, 5100, 5200]);
    }

    #[test]
    fn a_refusal_takes_no_token() {
        let (limits, target) = (limits(1000), target("t", "10/s", Some(1)));
        assert_eq!(limits.ready(&target), Ok(()));
        for _ in 0..50 {
            assert_eq!(limits.ready(&target), Err(Duration::from_millis(1100)));
        }
        limits.clock.0.store(1100, SeqCst);
        assert_eq!(limits.ready(&target), Ok(()));
    }

    #[test]
    fn targets_do_not_share_tokens_and_one_without_a_rate_needs_none() {
        let limits = limits(1000);
        let (slow, other, free) = (target("slow", "1/h", None), target("other", "1/h", None), target("free", "", None));
        assert!(limits.ready(&slow).is_ok() && limits.ready(&slow).is_err());
        assert_eq!(limits.ready(&other), Ok(()));
        for _ in 0..1000 {
            assert_eq!(limits.ready(&free), Ok(()));
        }
    }

    #[test]
    fn another_rate_is_in_force_at_once_and_what_nobody_uses_is_forgotten() {
        let limits = limits(1000);
        assert!(limits.ready(&target("t", "1/h", None)).is_ok());
        assert_eq!(limits.ready(&target("t", "10/s", None)), Ok(()));
        limits.clock.0.store(1_000_000, SeqCst);
        assert_eq!(limits.ready(&target("u", "10/s", None)), Ok(()));
        let known: Vec<_> = limits.buckets.lock().expect("no panic").keys().cloned().collect();
        assert_eq!(known, ["u".into()]);
    }
}
