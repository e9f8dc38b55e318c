//! Tests of the store against real databases: `events_*` of event stores, `state_*` of the state.

// As the other crates call it.
extern crate postrider_store as store;

mod events_custom;
mod events_horizon;
mod events_notify;
mod events_paging;
mod events_payload;
mod events_sqlite;
mod events_support;
mod fuzzed;
mod state_ahead;
mod state_attempts;
mod state_definitions;
mod state_gates;
mod state_hands;
mod state_keys;
mod state_leases;
mod state_ledger;
mod state_operators;
mod state_public_keys;
mod state_resend;
mod state_schema;
mod state_support;
mod state_sweep;
mod state_tokens;
mod state_web_keys;
