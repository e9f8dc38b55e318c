//! What `target create` and `target update` can say about a target: the fields of `[[target]]`, as flags.
//!
//! They are handed on as those fields, and checked as a file's are.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use clap::Args;
use domain::{Endpoint, Target};
use serde_json::{Map, Value, json};

use crate::{config::Config, connect, failure::usage};

#[derive(Args)]
pub struct Settings {
    /// How its answer is used; async does not await it
    #[arg(long = "type", value_name = "TYPE", value_parser = ["webhook", "call", "async"])]
    kind: Option<String>,
    /// From the first byte of the request to the last one of the answer, such as 10s
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    /// Whether targets behind it in an execution need its verdict first
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    interrupt_on_error: Option<bool>,
    /// In which order calls are made
    #[arg(long, value_name = "ORDERING", value_parser = ["strict", "aggregate", "none"])]
    ordering: Option<String>,
    /// How many calls at a time, where the ordering allows more than one
    #[arg(long, value_name = "N")]
    max_in_flight: Option<u32>,
    /// Calls per second, minute or hour, such as 10/s, 600/m or 1000/h, by each daemon; none for no limit
    #[arg(long, value_name = "RATE")]
    rate_limit: Option<String>,
    /// Calls that may come at once after a pause; one second's worth if left out
    #[arg(long, value_name = "N", requires = "rate_limit")]
    rate_burst: Option<u32>,
    /// The largest body that is sent, such as 256KiB, or in bytes; none for no limit
    #[arg(long, value_name = "SIZE")]
    max_request: Option<String>,
    /// How much of an answer is read, such as 64KiB, or in bytes; none for the most, which is 1MiB
    #[arg(long, value_name = "SIZE")]
    max_answer: Option<String>,
    /// A header of its own, for all to see who can list processes; may be given more than once
    #[arg(long = "header", value_name = "NAME=VALUE")]
    headers: Vec<String>,
    /// A header whose value is in an environment variable; may be given more than once
    #[arg(long = "header-env", value_name = "NAME=VARIABLE")]
    headers_env: Vec<String>,
    /// Event types that are never sent to it, such as user.human.password.*; may be given more than once
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Whether the payload goes with the event
    #[arg(long, value_name = "PAYLOAD", value_parser = ["full", "none"])]
    payload: Option<String>,
    /// How the payload stands in the body
    #[arg(long, value_name = "ENCODING", value_parser = ["base64", "json"])]
    payload_encoding: Option<String>,
    /// How the body is wrapped: as it is, as a signed JWT, or as that JWT encrypted for its active public key
    #[arg(long, value_name = "TYPE", value_parser = ["json", "jwt", "jwe"])]
    payload_type: Option<String>,
    /// File with the signing key; left out, create generates one and shows it once, and update leaves it (see rotate-key)
    #[arg(long, value_name = "FILE")]
    signing_key_file: Option<PathBuf>,
}

impl Settings {
    /// The fields of `[[target]]` that were given, and the three that a target needs. `key` is of no use where there is a file.
    pub fn fields(&self, name: &str, endpoint: &str, key: &str) -> anyhow::Result<Map<String, Value>> {
        let mut headers = Map::new();
        for header in &self.headers {
            let (name, value) = split(header, "--header")?;
            headers.insert(name, json!(value));
        }
        for header in &self.headers_env {
            let (name, variable) = split(header, "--header-env")?;
            headers.insert(name, json!({ "env": variable }));
        }
        let signing_key = self.signing_key_file.as_ref().map_or_else(|| json!(key), |file| json!({ "file": file }));
        let fields = json!({
            "name": name,
            "endpoint": endpoint,
            "signing_key": signing_key,
            "headers": headers,
            "exclude": self.exclude,
            "type": self.kind,
            "timeout": self.timeout.map(|timeout| humantime::format_duration(timeout).to_string()),
            "interrupt_on_error": self.interrupt_on_error,
            "ordering": self.ordering,
            "max_in_flight": self.max_in_flight,
            "rate_limit": limit(self.rate_limit.as_ref()),
            "rate_burst": self.rate_burst.filter(|_| limit(self.rate_limit.as_ref()).is_some()),
            "max_request": limit(self.max_request.as_ref()),
            "max_answer": limit(self.max_answer.as_ref()),
            "payload": self.payload,
            "payload_encoding": self.payload_encoding,
            "payload_type": self.payload_type,
        });
        let Value::Object(fields) = fields else { unreachable!("it is written as an object") };
        Ok(fields.into_iter().filter(|(_, value)| !value.is_null()).collect())
    }

    /// Takes over from `checked`, which was made of [`Self::fields`], what was given. A header is set beside the others.
    pub fn take_over(&self, target: &mut Target, checked: Target) {
        fn set<T>(given: bool, to: &mut T, value: T) {
            if given {
                *to = value;
            }
        }
        set(self.kind.is_some(), &mut target.kind, checked.kind);
        set(self.timeout.is_some(), &mut target.timeout, checked.timeout);
        set(self.interrupt_on_error.is_some(), &mut target.interrupt_on_error, checked.interrupt_on_error);
        set(self.ordering.is_some(), &mut target.ordering, checked.ordering);
        set(self.max_in_flight.is_some(), &mut target.max_in_flight, checked.max_in_flight);
        // A rate has the burst that goes with it.
        set(self.rate_limit.is_some(), &mut target.limits.rate, checked.limits.rate);
        set(self.rate_limit.is_some(), &mut target.limits.burst, checked.limits.burst);
        set(self.max_request.is_some(), &mut target.limits.max_request, checked.limits.max_request);
        set(self.max_answer.is_some(), &mut target.limits.max_answer, checked.limits.max_answer);
        set(!self.exclude.is_empty(), &mut target.exclude, checked.exclude);
        set(self.payload.is_some(), &mut target.payload, checked.payload);
        set(self.payload_encoding.is_some(), &mut target.payload_encoding, checked.payload_encoding);
        set(self.payload_type.is_some(), &mut target.payload_type, checked.payload_type);
        set(self.signing_key_file.is_some(), &mut target.signing_keys, checked.signing_keys);
        for (name, value) in checked.headers {
            remove_header(target, &name);
            target.headers.insert(name, value);
        }
    }

    /// Whether the key is the operator's own, and need not be shown.
    pub fn has_key(&self) -> bool {
        self.signing_key_file.is_some()
    }
}

/// A limit that was given, unless it is `none`.
fn limit(given: Option<&String>) -> Option<&String> {
    given.filter(|text| *text != "none")
}

/// Whatever the case of its name. `false`: there was none.
pub fn remove_header(target: &mut Target, name: &str) -> bool {
    let before = target.headers.len();
    target.headers.retain(|known, _| !known.eq_ignore_ascii_case(name));
    target.headers.len() < before
}

/// What is said of a key that was generated: the only time that it is shown.
pub fn shown_once(key: Option<&str>) -> Vec<String> {
    let told = |key| {
        let remark = "It is shown this once; what receives the calls verifies them with it.";
        vec![format!("signing key: {key}"), remark.to_owned()]
    };
    key.map_or_else(Vec::new, told)
}

/// Warns of an endpoint that the guard would refuse.
pub async fn warn_if_refused(config: &Config, endpoint: &Endpoint) -> anyhow::Result<()> {
    let deliverer = connect::deliverer(config).context("calls cannot be made")?;
    if let Some(reason) = deliverer.refused(endpoint).await {
        eprintln!("warning: calls to {endpoint} are refused: {reason}");
    }
    Ok(())
}

/// Never repeats what stands behind the `=`, or the whole without one: it may be a secret.
fn split(text: &str, flag: &str) -> anyhow::Result<(String, String)> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| usage(format!("{flag} needs the header's name, then =, then its value")))?;
    Ok((name.to_owned(), value.to_owned()))
}
