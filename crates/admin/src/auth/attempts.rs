//! How often an address may show a token that opens nothing.
//!
//! Whoever has shown a good one may go on showing it from the same address, so that somebody who guesses behind the same proxy
//! does not lock others out. What is remembered of good tokens is a hash, and opens nothing: each is looked up in the state every
//! time.

use domain::LogEvent;
use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    sync::Mutex,
    time::Duration,
};

use axum::http::StatusCode;
use governor::{Quota, RateLimiter, clock::DefaultClock, state::keyed::HashMapStateStore};
use sha2::{Digest as _, Sha256};
use tracing::warn;

use crate::problem::Problem;

/// So many at once, and one more every [`REFILL`].
const BURST: NonZeroU32 = NonZeroU32::new(10).expect("it is not zero");
const REFILL: Duration = Duration::from_secs(6);
/// Good tokens and addresses that are remembered; beyond that all are forgotten, which costs nobody anything but an attempt.
const MOST: usize = 10_000;

type Hash = [u8; 32];

/// See the module.
pub(crate) struct Attempts {
    failed: RateLimiter<IpAddr, HashMapStateStore<IpAddr>, DefaultClock>,
    exhausted: Mutex<HashSet<IpAddr>>,
    good: Mutex<HashSet<Hash>>,
}

impl std::fmt::Debug for Attempts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempts").finish_non_exhaustive()
    }
}

impl Default for Attempts {
    fn default() -> Self {
        let quota = Quota::with_period(REFILL).expect("it is not zero").allow_burst(BURST);
        Self { failed: RateLimiter::hashmap(quota), exhausted: Mutex::default(), good: Mutex::default() }
    }
}

impl Attempts {
    /// Whether this token is looked at at all.
    pub(crate) fn may_try(&self, peer: Option<IpAddr>, shown: &str) -> Result<(), Problem> {
        let peer = place(peer);
        if !self.exhausted.lock().expect("nobody panics with it").contains(&peer) || self.is_known(shown) {
            return Ok(());
        }
        if self.failed.check_key(&peer).is_ok() {
            self.exhausted.lock().expect("nobody panics with it").remove(&peer);
            return Ok(());
        }
        let detail = "too many tokens were shown from this address that open nothing; wait a little";
        let seconds = Some(REFILL.as_secs());
        Err(Problem { retry_after: seconds, ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many", detail) })
    }

    /// It opens nothing.
    pub(crate) fn failed(&self, peer: Option<IpAddr>, shown: &str) {
        self.good.lock().expect("nobody panics with it").remove(&hash(shown));
        let peer = place(peer);
        if self.failed.len() > MOST {
            self.failed.retain_recent();
        }
        if self.failed.check_key(&peer).is_err() {
            let mut exhausted = self.exhausted.lock().expect("nobody panics with it");
            if exhausted.len() > MOST {
                exhausted.clear();
            }
            if exhausted.insert(peer) {
                warn!(event = LogEvent::AdminTokensRefused.name(), address = %peer, "too many tokens that open nothing; no more are looked at for a while");
            }
        }
    }

    /// It is in force.
    pub(crate) fn succeeded(&self, shown: &str) {
        let mut good = self.good.lock().expect("nobody panics with it");
        if good.len() > MOST {
            good.clear();
        }
        good.insert(hash(shown));
    }

    fn is_known(&self, shown: &str) -> bool {
        self.good.lock().expect("nobody panics with it").contains(&hash(shown))
    }
}

/// Of a whole network where one machine has as many addresses as it likes.
fn place(peer: Option<IpAddr>) -> IpAddr {
    match peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address @ IpAddr::V4(_) => address,
    }
}

fn hash(shown: &str) -> Hash {
    Sha256::digest(shown.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as it is asked for")]
    fn from(address: &str) -> Option<IpAddr> {
        Some(address.parse().expect("an address"))
    }

    #[test]
    fn an_address_that_fails_too_often_is_not_looked_at_for_a_while_and_others_are() {
        let attempts = Attempts::default();
        attempts.succeeded("good");
        for number in 0..u32::from(BURST) {
            assert!(attempts.may_try(from("10.0.0.1"), &number.to_string()).is_ok(), "{number}");
            attempts.failed(from("10.0.0.1"), &number.to_string());
        }
        attempts.failed(from("10.0.0.1"), "once more");
        let refused = attempts.may_try(from("10.0.0.1"), "another").expect_err("it is too often");
        assert_eq!((refused.status, refused.kind), (StatusCode::TOO_MANY_REQUESTS, "too_many"));
        assert!(attempts.may_try(from("::ffff:10.0.0.1"), "another").is_err(), "the same address");
        assert!(attempts.may_try(from("10.0.0.2"), "another").is_ok());
        assert!(attempts.may_try(from("10.0.0.1"), "good").is_ok(), "what was good before goes on");
        attempts.failed(from("10.0.0.1"), "good");
        assert!(attempts.may_try(from("10.0.0.1"), "good").is_err(), "until it opens nothing any more");
    }

    #[test]
    fn a_network_of_one_machine_is_one_address() {
        assert_eq!(place(from("2001:db8:1:2:3:4:5:6")), place(from("2001:db8:1:2:ffff::1")));
        assert_ne!(place(from("2001:db8:1:2::1")), place(from("2001:db8:1:3::1")));
    }
}
