//! How things are put into words, the same everywhere.

use domain::{EventKey, ExecutionTarget, Timestamp, Writer};
use engine::Resolved;

use crate::Caller;

/// Who keeps the horizon from passing.
#[must_use]
pub fn writer(writer: &Writer) -> String {
    let mut parts =
        vec![writer.pid.map_or_else(|| format!("prepared transaction {}", writer.vxid), |pid| format!("pid {pid}"))];
    parts.extend(writer.role.iter().map(|role| format!("role {role}")));
    parts.extend(writer.application.iter().filter(|name| !name.is_empty()).map(|name| format!("application {name:?}")));
    parts.extend(writer.state.clone());
    parts.extend(writer.since.map(|since| format!("since {}", time(since))));
    parts.join(", ")
}

/// To the second: tables are narrow.
#[must_use]
pub fn time(time: Timestamp) -> String {
    let text = time.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

/// The last key that is settled, or where a cursor stands between events.
#[must_use]
pub fn place(key: &EventKey) -> String {
    if key.is_edge() { key.to_string() } else { format!("{}/{}", key.position, key.in_tx_order) }
}

/// Seconds as people say them.
#[must_use]
pub fn age(seconds: f64) -> String {
    let duration = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    if duration.as_secs() == 0 {
        return format!("{}ms", duration.as_millis());
    }
    // Two units say enough.
    let text = humantime::format_duration(std::time::Duration::from_secs(duration.as_secs())).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// So many of them: `1 target`, `2 targets`.
#[must_use]
pub fn number(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// One entry of an execution's list.
#[must_use]
pub fn entry(entry: &ExecutionTarget) -> String {
    match entry {
        ExecutionTarget::Target(name) => name.to_string(),
        ExecutionTarget::Include(condition) => format!("include {condition}"),
    }
}

/// What an operator should know of a place that an open transaction holds back.
#[must_use]
pub fn held(place: &Resolved, caller: &Caller) -> Option<String> {
    let holder = writer_for(place.held_by.as_ref()?, caller);
    let position = place.position;
    Some(format!("a transaction that may write events did not end in time ({holder}); now is taken to be {position}"))
}

/// Who keeps the horizon from passing, as far as it is the caller's to know: sessions of the database are the house's.
#[must_use]
pub fn writer_for(one: &Writer, caller: &Caller) -> String {
    match (&caller.instance, one.since) {
        (None, _) => writer(one),
        (Some(_), Some(since)) => format!("open since {}", time(since)),
        (Some(_), None) => "open".to_owned(),
    }
}

/// A duration that reads back as it is.
#[must_use]
pub fn exactly(duration: std::time::Duration) -> String {
    humantime::format_duration(duration).to_string()
}
