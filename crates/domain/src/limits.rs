//! What a target's endpoint can take: how often it may be called, and how much may be sent to it and read of its answers.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

/// The limits of one target; what is `None` is not limited, or by the daemon's own bounds only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Limits {
    /// How often it may be called, by one daemon and on all instances together.
    pub rate: Option<RateLimit>,
    /// How many calls may come at once after a pause; `None` for [`RateLimit::usual_burst`].
    pub burst: Option<NonZeroU32>,
    /// Bytes of a request's body: a larger one is not sent, which is a failure of the event.
    pub max_request: Option<u64>,
    /// Bytes that are read of an answer's body before its connection is dropped.
    pub max_answer: Option<u64>,
}

/// So many calls per unit of time, at most a million a second: `10/s`, `600/m`, `1000/h`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RateLimit {
    /// Calls in each unit.
    pub calls: NonZeroU32,
    /// The unit.
    pub per: Per,
}

/// A unit of time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Per {
    /// `s`
    Second,
    /// `m`
    Minute,
    /// `h`
    Hour,
}

impl Per {
    /// How long it is.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.seconds().into())
    }

    fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }

    fn letter(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "m",
            Self::Hour => "h",
        }
    }
}

/// The text is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no rate: calls per second, minute or hour are needed, such as \"10/s\", \"600/m\" or \"1000/h\"")]
pub struct RateLimitError {
    text: String,
}

const MOST_A_SECOND: u32 = 1_000_000;

impl RateLimit {
    /// One call more may be made after each of these.
    #[must_use]
    pub fn every(self) -> Duration {
        self.per.duration() / self.calls.get()
    }

    /// How many calls may come at once after a pause, if nothing else is said: one second's worth, and at least one.
    #[must_use]
    pub fn usual_burst(self) -> NonZeroU32 {
        NonZeroU32::new(self.calls.get() / self.per.seconds()).unwrap_or(NonZeroU32::MIN)
    }
}

impl FromStr for RateLimit {
    type Err = RateLimitError;

    fn from_str(text: &str) -> Result<Self, RateLimitError> {
        let refused = || RateLimitError { text: text.to_owned() };
        let (calls, unit) = text.split_once('/').ok_or_else(refused)?;
        let per = match unit.trim() {
            "s" => Per::Second,
            "m" => Per::Minute,
            "h" => Per::Hour,
            _ => return Err(refused()),
        };
        let calls: NonZeroU32 = calls.trim().parse().map_err(|_| refused())?;
        let most = MOST_A_SECOND.saturating_mul(per.seconds());
        if calls.get() > most { Err(refused()) } else { Ok(Self { calls, per }) }
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.calls, self.per.letter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, printed: &str, every: Duration, burst: u32) {
        let rate: RateLimit = text.parse().expect("it is a rate");
        assert_eq!((rate.to_string().as_str(), rate.every(), rate.usual_burst().get()), (printed, every, burst));
        assert_eq!(rate.to_string().parse(), Ok(rate));
    }

    #[test]
    fn a_rate_is_calls_per_second_minute_or_hour() {
        check("10/s", "10/s", Duration::from_millis(100), 10);
        check(" 600 / m ", "600/m", Duration::from_millis(100), 10);
        check("90/m", "90/m", Duration::from_nanos(666_666_666), 1);
        check("30/m", "30/m", Duration::from_secs(2), 1);
        check("1000/h", "1000/h", Duration::from_millis(3600), 1);
        check("1000000/s", "1000000/s", Duration::from_micros(1), 1_000_000);
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in
            ["", "10", "/s", "10/", "0/s", "-1/s", "1.5/s", "10/d", "10/10s", "10 s", "1000001/s", "5000000000/h"]
        {
            assert!(text.parse::<RateLimit>().is_err(), "{text}");
        }
    }
}
