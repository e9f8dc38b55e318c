//! The only place that reads clocks.
//!
//! Waiting and leases count on `CLOCK_BOOTTIME`, which nobody sets and which goes on while the machine sleeps; the wall
//! clock is for records and signatures.

use std::time::Duration;

use domain::{Timestamp, window::Now};
use rustix::time::{ClockId, clock_gettime};

/// Both clocks.
pub(crate) fn now() -> Now {
    Now { wall: wall(), monotonic: boottime() }
}

/// Since the machine was started.
pub(crate) fn boottime() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("a second has 10^9 nanoseconds"))
}

/// What people call the time.
#[expect(clippy::disallowed_methods, reason = "this module owns the clocks")]
pub(crate) fn wall() -> Timestamp {
    Timestamp::now()
}
