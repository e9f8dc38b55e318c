//! What others rely on stays as it is, or somebody decides otherwise: `tests/compat/README.md`.

mod accepted;
mod commands;
mod config;
mod environment;
mod exit_codes;
mod http;
mod migrations;
mod pin;
mod scene;
mod shape;
mod upgrade;
mod wire;
