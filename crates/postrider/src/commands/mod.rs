//! One file or folder a command group. Each command is a struct of its arguments with a `run`: wiring only. What they ask and do
//! is in `operate`; what several of them need of the command line has a file of its own: `act`, `edited`.

pub mod act;
pub mod apply;
pub mod audit;
pub mod audit_deliveries;
pub mod check;
pub mod completions;
pub mod cursor;
pub mod delivery;
pub mod demo;
mod edited;
pub mod execution;
pub mod explain;
pub mod failed;
pub mod healthcheck;
pub mod key;
pub mod listen;
pub mod man;
pub mod migrate;
pub mod pause;
pub mod run;
pub mod target;
pub mod token;
pub mod top;
pub mod verify;
pub mod worker;
