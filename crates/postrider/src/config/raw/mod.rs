//! The shape of a config file: what serde reads, with every default.
//!
//! Nothing here is checked against anything else; that is `validate`. Every struct refuses unknown keys, and serde's own
//! list of fields is what `problem` looks for the nearest name in, so a key is written down once: here.

mod definitions;
mod delivery;
mod operations;
mod projection;
mod stores;

use std::time::Duration;

use serde::Deserialize;

pub use self::{
    definitions::{RawCondition, RawDefinitions, RawExecution, RawTarget},
    delivery::{LoggedAttempts, RawDelivery},
    operations::{Log, LogFormat, RawAdmin, RawTraces, Retention},
    projection::{Lease, Ledger, OnExhausted, Projection},
    stores::{HorizonName, Profile, RawColumns, RawEventStore, RawState},
};

/// A whole config file, or with only the last two lists a definitions file.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawConfig {
    pub event_store: RawEventStore,
    pub state: RawState,
    pub projection: Projection,
    pub ledger: Ledger,
    pub lease: Lease,
    pub delivery: RawDelivery,
    pub admin: RawAdmin,
    pub log: Log,
    pub traces: RawTraces,
    pub retention: Retention,
    pub definitions: RawDefinitions,
    /// How long a stopping daemon waits for calls in flight.
    #[serde(with = "humantime_serde")]
    pub shutdown_grace: Duration,
    pub target: Vec<RawTarget>,
    pub execution: Vec<RawExecution>,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            event_store: RawEventStore::default(),
            state: RawState::default(),
            projection: Projection::default(),
            ledger: Ledger::default(),
            lease: Lease::default(),
            delivery: RawDelivery::default(),
            admin: RawAdmin::default(),
            log: Log::default(),
            traces: RawTraces::default(),
            retention: Retention::default(),
            definitions: RawDefinitions::default(),
            shutdown_grace: Duration::from_secs(30),
            target: Vec::new(),
            execution: Vec::new(),
        }
    }
}
