//! Durations are seconds with an `s` behind them: `10s`, `0.500s`, `-1s`.

use std::time::Duration;

use domain::SignedDuration;

const NANOS_DIGITS: usize = 9;

/// The duration, or `None` if the text is none. Longer ones than proto's (10,000 years) are none.
pub(crate) fn parse(text: &str) -> Option<SignedDuration> {
    const LONGEST: i64 = 315_576_000_000;
    let text = text.strip_suffix('s')?;
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) || fraction.len() > NANOS_DIGITS {
        return None;
    }
    let seconds: i64 = seconds.parse().ok().filter(|seconds| *seconds <= LONGEST)?;
    let nanos: i32 = format!("{fraction:0<NANOS_DIGITS$}").parse().ok()?;
    let duration = SignedDuration::new(seconds, nanos);
    Some(if negative { -duration } else { duration })
}

/// With as many digits behind the point as it needs, in threes.
pub(crate) fn print(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    match digits(nanos) {
        0 => format!("{seconds}s"),
        digits => format!("{seconds}.{}s", &format!("{nanos:0NANOS_DIGITS$}")[..digits]),
    }
}

/// How many digits behind the point are written: none, three, six or nine.
pub(crate) fn digits(nanos: u32) -> usize {
    match nanos {
        0 => 0,
        _ if nanos.is_multiple_of(1_000_000) => 3,
        _ if nanos.is_multiple_of(1_000) => 6,
        _ => NANOS_DIGITS,
    }
}
