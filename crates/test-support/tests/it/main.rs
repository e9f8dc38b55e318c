//! Whether the support can be relied on.
//!
//! Needs the server of `scripts/with-postgres`, as every test with a database does.

mod account;
mod database;
mod guide;
mod load;
mod proxy;
mod receiver;
mod scripts;
mod server;
