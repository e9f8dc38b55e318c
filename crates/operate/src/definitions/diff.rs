//! Which fields of a definition differ, by their names in the file. Values of secrets are never told.

use domain::{Execution, Target};

/// The fields of a target that a file decides about.
pub fn fields(old: &Target, new: &Target) -> Vec<String> {
    let shown = |name: &str, old: String, new: String| (old != new).then(|| format!("{name}: {old} -> {new}"));
    let named = |name: &str, differs: bool| differs.then(|| name.to_owned());
    [
        shown("name", old.name.to_string(), new.name.to_string()),
        shown("type", format!("{:?}", old.kind).to_lowercase(), format!("{:?}", new.kind).to_lowercase()),
        // Queries may hold tokens, so two endpoints that differ can look the same.
        named("endpoint", old.endpoint != new.endpoint),
        shown("timeout", duration(old.timeout), duration(new.timeout)),
        named("interrupt_on_error", old.interrupt_on_error != new.interrupt_on_error),
        named("signing_key", !same_keys(old, new)),
        named("ordering", old.ordering != new.ordering),
        shown("max_in_flight", old.max_in_flight.to_string(), new.max_in_flight.to_string()),
        shown("rate_limit", said(old.limits.rate), said(new.limits.rate)),
        shown("rate_burst", said(old.limits.burst), said(new.limits.burst)),
        shown("max_request", said(old.limits.max_request), said(new.limits.max_request)),
        shown("max_answer", said(old.limits.max_answer), said(new.limits.max_answer)),
        named("headers", old.headers != new.headers),
        named("exclude", old.exclude != new.exclude),
        named("payload", old.payload != new.payload),
        named("payload_encoding", old.payload_encoding != new.payload_encoding),
        named("payload_type", old.payload_type != new.payload_type),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The fields of an execution that differ; its condition and instance are what it is known by.
pub fn execution(old: &Execution, new: &Execution) -> Vec<String> {
    [("targets", old.targets != new.targets), ("exclude", old.exclude != new.exclude)]
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn said(limit: Option<impl ToString>) -> String {
    limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string())
}

fn same_keys(old: &Target, new: &Target) -> bool {
    old.signing_keys == new.signing_keys
}

fn duration(duration: std::time::Duration) -> String {
    humantime::format_duration(duration).to_string()
}
