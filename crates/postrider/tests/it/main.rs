//! The binary, as a person at a terminal or a script meets it.

mod admin;
mod bad_config;
mod book;
mod compat;
mod daemon;
mod demo;
mod edit;
mod healthcheck;
mod help;
mod keys;
mod logged;
mod managed;
mod observed;
mod operate;
mod operate_account;
mod operate_acts;
mod operate_removed;
mod process;
mod proof;
mod receive;
mod stored;
mod terminal;
mod traced;
mod version;
mod watched;
mod wrapping_keys;
