//! What the tests of every crate stand on: real databases, real writers, a real receiver. Never part of a release.
//!
//! The cast:
//!
//! - [`TestDatabase`]: a database of its own for every test, on the server that `scripts/with-postgres` starts;
//!   with the schema of ZITADEL ([`TestDatabase::zitadel`]) or of somebody else ([`TestDatabase::custom`]).
//! - [`PrivatePostgres`]: a server of a test's own, to be stopped, crashed, frozen, followed and promoted.
//! - [`Push`] writes events one by one, [`Load`] with many writers at a time; both return what was [`Written`].
//!   [`EventBuilder`] makes events without a database.
//! - [`Receiver`]: an endpoint that writes down every [`Arrival`] and misbehaves as it is told ([`Behaviour`]).
//! - [`Proxy`]: a wire that can be cut, slowed down, or go dead.
//! - [`Account`]: whether what arrived is what had to.
//! - [`run_sql`] and [`texts`] do something to either database behind everybody's back; [`create_state`] makes a state as an
//!   earlier version had it.
//! - [`sources`] and [`files_below`]: what the repository itself says, for tests of documentation and of names.
//! - [`eventually`]: waiting for something by looking at it.
//!
//! Everything panics with a sentence when it cannot do its work: a test that cannot be run has failed.

#![expect(clippy::missing_panics_doc, reason = "everything here panics rather than return an error, see the head")]

mod account;
mod arrival;
mod custom;
mod database;
mod event;
mod eventually;
mod http;
mod load;
mod port;
mod proxy;
mod raw;
mod receiver;
mod repository;
mod server;
mod zitadel;

pub use account::Account;
pub use arrival::Arrival;
pub use custom::{CUSTOM_TABLE, CustomKind};
pub use database::{SERVER, TestDatabase};
pub use event::{EVENT_TYPES, EventBuilder};
pub use eventually::{eventually, eventually_within};
pub use http::{Answer, ask, ask_over};
pub use load::{Load, SEED, Shape};
pub use proxy::{Proxy, ProxyMode};
pub use raw::{create_state, run_sql, texts};
pub use receiver::{Behaviour, Receiver, Script, every_nth, first};
pub use repository::{files_below, repository, sources};
pub use server::{PROGRAMS, PrivatePostgres};
pub use zitadel::{Push, Stamp, Written};
