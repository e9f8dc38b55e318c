//! The proof: the running daemon against real databases, real writers and receivers that misbehave.

mod attempts;
mod bench;
mod bench_endpoint;
mod bench_scene;
mod crash;
mod crash_failures;
mod crash_standby;
mod crash_stop;
mod daemon;
mod database;
mod database_failover;
mod edits;
mod endpoint;
mod hands;
mod hands_acts;
mod hands_admin;
mod hands_broken;
mod hands_scene;
mod lossless;
mod lossless_custom;
mod lossless_open;
mod lossless_roles;
mod lossless_scene;
mod replicas;
mod replicas_scene;
