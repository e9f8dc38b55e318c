//! When things happen: the only crate that decides it.
//!
//! The cast: [`Engine`] joins the workers and takes its share of the targets. `tail` reads the events table up
//! to the horizon into one `feed` per instance; a `courier` per target and instance reads its feed,
//! drives its `domain::window` and calls through `webhook`; the `ledger` commits what they settled, in groups. The
//! `lease` and the supervisor's share make sure that each target is served by one daemon. Beside them couriers send in `turns`
//! and gather their `claims`, a `limit` keeps calls apart, `attempts` are written down and `traces` sent, and the `sweeper`
//! removes what is kept no longer.
//!
//! Invariants: every task is owned by the `supervisor` and ends through a token; nothing is sent unless the lease
//! runs; no cursor moves but through the ledger, which presents its epoch.
//!
//! What this crate deliberately does not do: SQL (`store`), HTTP (`webhook`), decisions about one event (`domain`).

mod attempts;
mod claims;
mod clock;
mod courier;
mod feed;
mod feeds;
mod figures;
mod lease;
mod ledger;
mod limit;
mod looks;
mod options;
mod page_size;
mod resolve;
mod retry;
mod status;
mod supervisor;
mod sweeper;
mod tail;
mod traces;
mod turns;
mod verdicts;
mod waking;

pub use options::{DeliveryLog, Options};
pub use resolve::{ResolveError, Resolved, resolve_start};
pub use retry::Retry;
pub use status::{Calls, Readiness, Status};
pub use supervisor::{Engine, EngineError, Parts};
pub use traces::Traces;
