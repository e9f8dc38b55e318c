#![no_main]

// The binary has no library: its config is compiled here once more.
#[path = "../../crates/postrider/src/config/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the commands use the rest")]
mod config;

libfuzzer_sys::fuzz_target!(|text: &str| config::fuzzed::config(text));
