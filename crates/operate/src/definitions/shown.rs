//! Targets and executions as they are shown.

use domain::{Execution, ExecutionTarget, SigningKey, Start, Target};
use serde_json::{Value, json};

use crate::{clock, words};

/// As JSON with stable names, its endpoint as far as the reader may see it. Header values and signing keys are secrets; only what
/// there is of them is told.
#[must_use]
pub fn target_json(target: &Target, endpoint: &str) -> Value {
    let now = clock::now();
    let start_time = match target.start {
        Start::Time(at) => Some(words::time(at)),
        _ => None,
    };
    json!({
        "name": target.name,
        "id": target.id,
        "type": target.kind,
        "endpoint": endpoint,
        "timeout": humantime::format_duration(target.timeout).to_string(),
        "interrupt_on_error": target.interrupt_on_error,
        "signing_keys": target.keys_in_force(now).count(),
        "signing_key_expires_at": target.keys_in_force(now).filter_map(SigningKey::expires_at).max(),
        "ordering": target.ordering,
        "max_in_flight": target.max_in_flight,
        "rate_limit": target.limits.rate.map(|rate| rate.to_string()),
        "rate_burst": target.limits.burst,
        "max_request": target.limits.max_request,
        "max_answer": target.limits.max_answer,
        "start": start_time.unwrap_or_else(|| target.start.to_string()),
        "start_position": target.start_position,
        "headers": target.headers.keys().collect::<Vec<_>>(),
        "exclude": target.exclude,
        "payload": target.payload,
        "payload_encoding": target.payload_encoding,
        "payload_type": target.payload_type,
        "public_key": target.wrapping.encryption_key.as_ref().map(|key| &key.id),
        "public_key_expires_at": target.wrapping.encryption_key.as_ref().and_then(|key| key.expires_at),
        "instance": target.instance,
        "paused": target.paused,
        "source": target.source,
    })
}

/// As JSON with stable names, its targets as they are written in a file.
#[must_use]
pub fn execution_json(execution: &Execution) -> Value {
    let targets: Vec<Value> = (execution.targets.iter())
        .map(|entry| match entry {
            ExecutionTarget::Target(name) => json!(name),
            ExecutionTarget::Include(condition) => json!({ "include": condition }),
        })
        .collect();
    json!({
        "condition": execution.condition,
        "instance": execution.instance,
        "targets": targets,
        "exclude": execution.exclude,
        "source": execution.source,
    })
}
