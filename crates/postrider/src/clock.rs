//! The only place of the binary that reads the clock.

use domain::Timestamp;

/// What people call the time.
#[expect(clippy::disallowed_methods, reason = "this module owns the clock of the binary")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
