//! One file a command group. Each command is a struct of its arguments with a `run`: wiring only.

pub mod apply;
pub mod check;
pub mod completions;
pub mod cursor;
pub mod delivery;
pub mod demo;
mod edited;
pub mod execution;
pub mod explain;
pub mod failed;
pub mod key;
pub mod listen;
pub mod migrate;
pub mod run;
pub mod target;
pub mod verify;
pub mod worker;
