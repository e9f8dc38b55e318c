//! The only place that reads the clock on behalf of operators.

use domain::Timestamp;

/// What people call the time.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this module owns the clock of operators")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
