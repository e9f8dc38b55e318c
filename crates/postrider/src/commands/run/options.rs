//! The config, in the engine's words.

use engine::{DeliveryLog, Options, Parts, Traces};

use crate::{
    config::{Config, LoggedAttempts, OnExhausted},
    failure::usage,
};

/// Where what this daemon does is told in traces, if anywhere.
pub(super) fn traces(config: &Config, parts: &Parts) -> anyhow::Result<Option<Traces>> {
    let Some(traces) = &config.traces else { return Ok(None) };
    let collector = traces.collector().map_err(usage)?;
    Ok(Some(Traces::new(collector, &parts.worker.0, &parts.info)))
}

/// What the config says, in the engine's words.
pub(super) fn options(config: &Config) -> Options {
    let projection = &config.projection;
    Options {
        policy: domain::window::Policy {
            max_failure_count: projection.max_failure_count,
            on_exhausted: match projection.on_exhausted {
                OnExhausted::Park => domain::window::OnExhausted::Park,
                OnExhausted::Halt => domain::window::OnExhausted::Halt,
            },
            hold_after_parked: projection.hold_after_parked,
            max_hold: projection.max_hold,
            max_event_age: projection.max_event_age,
            max_retry_interval: projection.max_retry_interval,
        },
        retry_failed_after: projection.retry_failed_after,
        poll_interval: projection.poll_interval,
        requeue_every: projection.requeue_every,
        bulk_limit: usize::try_from(projection.bulk_limit).unwrap_or(usize::MAX),
        lookahead: usize::try_from(projection.lookahead).unwrap_or(usize::MAX),
        flush_interval: config.ledger.flush_interval,
        max_group: usize::try_from(config.ledger.max_group).unwrap_or(usize::MAX),
        lease_duration: config.lease.duration,
        shutdown_grace: config.shutdown_grace,
        delivery_log: match config.delivery.log {
            LoggedAttempts::Off => DeliveryLog::Off,
            LoggedAttempts::Failures => DeliveryLog::Failures,
            LoggedAttempts::All => DeliveryLog::All { sample: config.delivery.log_sample },
        },
        retention: store::Retention {
            parked: config.retention.parked,
            deliveries: config.retention.deliveries,
            deliveries_per_target: config.retention.deliveries_per_target,
            audit: config.retention.audit,
            removed: config.retention.removed,
        },
    }
}
