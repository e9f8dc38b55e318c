//! Counting, time and medians.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A number for people and for ratios; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "figures are far below 2^53, and for people")]
pub fn float(count: u64) -> f64 {
    count as f64
}

/// A count as a number for people.
pub fn count(count: usize) -> f64 {
    float(count as u64)
}

/// What lies in the middle; `None` of nothing.
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted.get(middle).copied()
    } else {
        Some(f64::midpoint(*sorted.get(middle.checked_sub(1)?)?, *sorted.get(middle)?))
    }
}

/// What this share of the samples, in hundredths, does not exceed.
pub fn percentile(samples: &mut [Duration], hundredths: usize) -> Option<Duration> {
    samples.sort_unstable();
    samples.get((samples.len() * hundredths / 100).min(samples.len().checked_sub(1)?)).copied()
}

/// Since the machine was started: the one clock that all processes read alike.
pub fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(seconds.expect("the clock starts at 0"), nanos.expect("it is below a second"))
}

/// Nanoseconds, as they go from process to process.
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("a machine does not run for 500 years")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_lies_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_percentile_is_one_of_the_samples() {
        let mut samples: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut samples, 50), Some(Duration::from_millis(101)));
        assert_eq!(percentile(&mut samples, 99), Some(Duration::from_millis(199)));
        assert_eq!(percentile(&mut samples, 100), Some(Duration::from_millis(200)));
        assert_eq!(percentile(&mut [], 50), None);
    }
}
