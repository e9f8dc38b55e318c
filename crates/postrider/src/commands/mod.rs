//! One file or folder a command group. Each command is a struct of its arguments with a `run`: wiring only. What several of
//! them need has a file of its own: `act`, `census`, `head`, `known`, `place`, `reckon`.

pub mod act;
pub mod apply;
pub mod audit;
pub mod audit_deliveries;
pub mod census;
pub mod check;
pub mod completions;
pub mod cursor;
pub mod delivery;
pub mod demo;
mod edited;
pub mod execution;
pub mod explain;
pub mod failed;
pub mod head;
pub mod key;
pub mod known;
pub mod listen;
pub mod migrate;
pub mod pause;
pub mod place;
pub mod reckon;
pub mod run;
pub mod target;
pub mod verify;
pub mod worker;
