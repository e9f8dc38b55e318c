//! What can be said of a target over HTTP: the fields of `[[target]]`, each checked as a file's is.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use domain::{Ordering, PayloadEncoding, PayloadMode, PayloadType, RateLimit, Target, TargetKind, TypePattern};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::OperateError;

/// No target waits longer for an answer than a day.
const LONGEST: Duration = Duration::from_hours(24);

/// Settings of a target; what is left out stays as it is, or as it is by default.
#[derive(Clone, PartialEq, Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
pub struct TargetSettings {
    /// What people call it.
    #[schemars(length(min = 1, max = 1000))]
    pub name: Option<String>,
    /// What is called: http or https, without credentials.
    pub endpoint: Option<String>,
    /// How its answer is used: `webhook`, `call` or `async`, which does not await it.
    #[serde(rename = "type")]
    #[schemars(with = "Option<String>")]
    pub kind: Option<TargetKind>,
    /// From the first byte of the request to the last one of the answer, such as `10s`.
    pub timeout: Option<String>,
    /// Whether targets behind it in an execution need its verdict first.
    pub interrupt_on_error: Option<bool>,
    /// `strict`, `aggregate` or `none`.
    #[schemars(with = "Option<String>")]
    pub ordering: Option<Ordering>,
    /// How many calls at a time, where the ordering allows more than one.
    #[schemars(range(min = 1))]
    pub max_in_flight: Option<u32>,
    /// Calls per second, minute or hour by each daemon, such as `10/s`; `none` for no limit.
    pub rate_limit: Option<String>,
    /// Calls that may come at once after a pause.
    #[schemars(range(min = 1))]
    pub rate_burst: Option<u32>,
    /// The largest body that is sent, in bytes; 0 for no limit.
    pub max_request: Option<u64>,
    /// How much of an answer is read, in bytes; 0 for the most, which is 1 MiB.
    #[schemars(range(max = 1_048_576))]
    pub max_answer: Option<u64>,
    /// Headers of its own, beside those it has; null takes one away.
    pub headers: BTreeMap<String, Option<String>>,
    /// Event types that are never sent to it, such as `user.human.password.*`.
    #[schemars(with = "Option<Vec<String>>")]
    pub exclude: Option<Vec<TypePattern>>,
    /// `full`, or `none` to send events without their payloads.
    #[schemars(with = "Option<String>")]
    pub payload: Option<PayloadMode>,
    /// `base64` or `json`.
    #[schemars(with = "Option<String>")]
    pub payload_encoding: Option<PayloadEncoding>,
    /// `json`, `jwt` or `jwe`.
    #[schemars(with = "Option<String>")]
    pub payload_type: Option<PayloadType>,
}

impl TargetSettings {
    /// Puts what is said into a target.
    pub fn put_into(self, target: &mut Target) -> Result<(), OperateError> {
        let invalid = |sentence: String| OperateError::Invalid(sentence);
        if let Some(name) = self.name {
            if name.trim().is_empty() || name.chars().count() > 1000 || name.contains(char::is_control) {
                return Err(invalid("a name of 1 to 1000 characters is needed".to_owned()));
            }
            target.name = name.into();
        }
        if let Some(endpoint) = self.endpoint {
            target.endpoint = endpoint.parse()?;
        }
        if let Some(text) = self.timeout {
            let timeout =
                humantime::parse_duration(&text).ok().filter(|timeout| !timeout.is_zero() && *timeout <= LONGEST);
            target.timeout =
                timeout.ok_or_else(|| invalid("timeout: a duration such as 10s is needed, 24h at most".to_owned()))?;
        }
        if self.max_in_flight == Some(0) || self.rate_burst == Some(0) {
            return Err(invalid("max_in_flight and rate_burst must be at least 1".to_owned()));
        }
        limits(target, self.rate_limit.as_deref(), self.rate_burst, self.max_request, self.max_answer)?;
        for (name, value) in self.headers {
            target.headers.retain(|known, _| !known.eq_ignore_ascii_case(&name));
            target.headers.extend(value.map(|value| (name, value)));
        }
        webhook::check_headers(&target.headers).map_err(|error| invalid(format!("headers: {error}")))?;
        put(self.kind, &mut target.kind);
        put(self.interrupt_on_error, &mut target.interrupt_on_error);
        put(self.ordering, &mut target.ordering);
        put(self.max_in_flight, &mut target.max_in_flight);
        put(self.exclude, &mut target.exclude);
        put(self.payload, &mut target.payload);
        put(self.payload_encoding, &mut target.payload_encoding);
        put(self.payload_type, &mut target.payload_type);
        Ok(())
    }
}

fn put<T>(said: Option<T>, to: &mut T) {
    if let Some(said) = said {
        *to = said;
    }
}

fn limits(
    target: &mut Target,
    rate: Option<&str>,
    burst: Option<u32>,
    max_request: Option<u64>,
    max_answer: Option<u64>,
) -> Result<(), OperateError> {
    let limits = &mut target.limits;
    match rate {
        None => {}
        Some("none") => (limits.rate, limits.burst) = (None, None),
        Some(text) => {
            let rate: RateLimit =
                text.parse().map_err(|error| OperateError::Invalid(format!("rate_limit: {error}")))?;
            (limits.rate, limits.burst) = (Some(rate), None);
        }
    }
    if let Some(burst) = burst {
        if limits.rate.is_none() {
            return Err(OperateError::Invalid("rate_burst goes with rate_limit only".to_owned()));
        }
        limits.burst = NonZeroU32::new(burst);
    }
    let most = webhook::DeliveryOptions::default().max_answer as u64;
    if max_answer.is_some_and(|bytes| bytes > most) {
        return Err(OperateError::Invalid(format!("max_answer: {most} bytes is the most that is read")));
    }
    if let Some(bytes) = max_request {
        limits.max_request = Some(bytes).filter(|bytes| *bytes > 0);
    }
    if let Some(bytes) = max_answer {
        limits.max_answer = Some(bytes).filter(|bytes| *bytes > 0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target() -> Target {
        let mut target = Target::new("1".into(), "crm".into(), "https://crm.example.com".parse().expect("a URL"));
        target.headers.insert("X-Tenant".to_owned(), "acme".to_owned());
        target
    }

    fn put_into(said: serde_json::Value) -> Result<Target, String> {
        let settings: TargetSettings = serde_json::from_value(said).map_err(|error| error.to_string())?;
        let mut target = target();
        settings.put_into(&mut target).map_err(|error| error.to_string())?;
        Ok(target)
    }

    #[test]
    fn what_is_not_said_stays() {
        assert_eq!(put_into(json!({})), Ok(target()));
        let changed = put_into(json!({ "timeout": "3s", "ordering": "aggregate", "headers": { "x-tenant": "beta" } }));
        let changed = changed.expect("it is sound");
        assert_eq!((changed.timeout, changed.ordering), (Duration::from_secs(3), Ordering::Aggregate));
        assert_eq!(changed.headers, BTreeMap::from([("x-tenant".to_owned(), "beta".to_owned())]));
        assert!(put_into(json!({ "headers": { "X-TENANT": null } })).expect("it is sound").headers.is_empty());
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_sentence_that_repeats_no_secret() {
        for (said, part) in [
            (json!({ "name": " " }), "1 to 1000"),
            (json!({ "endpoint": "https://user:secret@crm.example.com" }), "credentials"),
            (json!({ "endpoint": "secret" }), "no URL"),
            (json!({ "timeout": "0s" }), "timeout"),
            (json!({ "timeout": "25h" }), "24h"),
            (json!({ "max_in_flight": 0 }), "at least 1"),
            (json!({ "rate_limit": "secret" }), "rate_limit"),
            (json!({ "rate_burst": 3 }), "rate_limit only"),
            (json!({ "max_answer": 2_000_000 }), "1048576"),
            (json!({ "headers": { "X": "sec\nret" } }), "characters"),
            (json!({ "headers": { "webhook-id": "secret" } }), "set by postrider"),
            (json!({ "exclude": ["user..x"] }), "no event type"),
            (json!({ "timeout_": "3s" }), "unknown field"),
        ] {
            let refused = put_into(said.clone()).expect_err("it cannot be");
            assert!(refused.contains(part), "{said}: {refused}");
            assert!(part == "rate_limit" || !refused.contains("secret"), "{refused}");
        }
    }
}
