//! What an answer means: delivered, a failure of this event, or the endpoint's own trouble.

use std::time::Duration;

use domain::{Outcome, Timestamp};
use http::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use jiff::fmt::rfc2822::DateTimeParser;
use url::Url;

/// The outcome of an answer's head.
pub(crate) fn of_status(url: &Url, status: StatusCode, retry_after: Option<Duration>) -> Outcome {
    let answered = || format!("{} answered {}", host(url), describe(status));
    match status.as_u16() {
        200..=299 => Outcome::Delivered,
        408 | 425 | 429 | 502..=504 | 520..=530 => Outcome::Unavailable { error: answered(), retry_after },
        307 | 308 => Outcome::Failed { error: format!("{} without a usable Location", answered()) },
        300..=399 => Outcome::Failed { error: format!("{}; only 307 and 308 are followed", answered()) },
        _ => Outcome::Failed { error: answered() },
    }
}

fn describe(status: StatusCode) -> String {
    status
        .canonical_reason()
        .map_or_else(|| status.as_str().to_owned(), |reason| format!("{} {reason}", status.as_str()))
}

/// Host, and port where it is not the scheme's own: all of a URL that an error tells.
pub(crate) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// `Retry-After`, in seconds or as a date (RFC 9110, section 10.2.3). A date that is past is no wait at all.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_meaning() {
        let url = "https://crm.example.com:8443/hook?token=secret".parse().expect("a valid URL");
        let asked = Some(Duration::from_secs(7));
        for code in 100..=999 {
            let status = StatusCode::from_u16(code).expect("a valid status");
            let meant = match code {
                200..=299 => "delivered",
                408 | 425 | 429 | 502 | 503 | 504 | 520..=530 => "unavailable",
                _ => "failed",
            };
            let outcome = of_status(&url, status, asked);
            assert_eq!(outcome.label(), meant, "{code}");
            match outcome {
                Outcome::Delivered => {}
                Outcome::Failed { error } => assert_sentence(&error, code),
                Outcome::Unavailable { error, retry_after } => {
                    assert_sentence(&error, code);
                    assert_eq!(retry_after, asked);
                }
            }
        }
    }

    fn assert_sentence(error: &str, code: u16) {
        assert!(error.starts_with(&format!("crm.example.com:8443 answered {code}")), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2025-03-27T10:22:43Z".parse().expect("a valid time");
        for (text, wait) in [
            ("120", Some(120)),
            ("0", Some(0)),
            (" 5 ", Some(5)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Thu, 27 Mar 2025 10:23:43 GMT", Some(60)),
            ("Thu, 27 Mar 2025 10:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().expect("a valid value"))]);
            assert_eq!(retry_after(&headers, now), wait.map(Duration::from_secs), "{text:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
