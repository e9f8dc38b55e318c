//! The binary, as a person at a terminal or a script meets it.

mod bad_config;
mod daemon;
mod demo;
mod help;
mod operate;
mod process;
mod proof;
mod receive;
mod stored;
