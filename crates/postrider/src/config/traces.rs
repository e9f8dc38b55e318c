//! Where traces are sent.

use std::collections::BTreeMap;

use webhook::{Collector, CollectorConfigError};

use super::{raw::RawTraces, secret::RawSecret, validate::Problems};

/// A collector of traces.
pub struct Traces {
    endpoint: String,
    headers: BTreeMap<String, RawSecret>,
}

impl Traces {
    /// What was read, if it names a collector. What a header is, is seen by the daemon only, which needs it.
    pub fn checked(raw: RawTraces, problems: &mut Problems) -> Option<Self> {
        let Some(endpoint) = raw.endpoint.filter(|endpoint| !endpoint.is_empty()) else {
            if !raw.headers.is_empty() {
                problems
                    .add("traces.headers", "they are sent with traces only; set traces.endpoint, or leave them out");
            }
            return None;
        };
        problems.take("traces.endpoint", Collector::check(&endpoint))?;
        Some(Self { endpoint, headers: raw.headers })
    }

    /// The collector, with what its headers are. An error names the key.
    pub fn collector(&self) -> Result<Collector, String> {
        let mut headers = BTreeMap::new();
        for (name, value) in &self.headers {
            let value = value.fetch().map_err(|error| format!("traces.headers.{name}: {error}"))?;
            headers.insert(name.clone(), value);
        }
        Collector::new(&self.endpoint, &headers).map_err(|error| match error {
            CollectorConfigError::Header(_) => format!("traces.headers: {error}"),
            CollectorConfigError::Endpoint | CollectorConfigError::Tls(_) => format!("traces.endpoint: {error}"),
        })
    }
}
