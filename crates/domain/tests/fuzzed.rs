//! What `just fuzz` does at length: no text from outside makes the parsers panic, and what they accept they can print.

extern crate postrider_domain as domain;

#[path = "../../../fuzz/bodies/mod.rs"]
mod bodies;
#[path = "../../../fuzz/bodies/domain.rs"]
mod body;

#[test]
fn no_signature_makes_verifying_it_panic() {
    bodies::try_bytes("signature", body::signature);
}

#[test]
fn no_text_makes_reading_a_position_panic() {
    bodies::try_bytes("position", body::position);
}

#[test]
fn no_text_makes_reading_a_key_panic() {
    bodies::try_bytes("key", body::key);
}
