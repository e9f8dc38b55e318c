#![no_main]

#[path = "../bodies/domain.rs"]
#[allow(dead_code, reason = "it holds what other targets fuzz as well")]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::signature(data));
