//! What became of one HTTP call: data, never an error to propagate.

use std::time::Duration;

/// The answer to one delivery, already classified (the table of answers in `webhook`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// 2xx: the event is delivered. For `async` targets: it was handed to the connection pool.
    Delivered,
    /// A failure of this event: it counts.
    Failed {
        /// One sentence for the operator: never a payload, a secret or credentials.
        error: String,
    },
    /// The endpoint's trouble, not the event's: nothing is counted, the target holds.
    Unavailable {
        /// One sentence for the operator: never a payload, a secret or credentials.
        error: String,
        /// What the endpoint asked for with `Retry-After`, if it did.
        retry_after: Option<Duration>,
    },
}

impl Outcome {
    /// A short word for a metric's label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed { .. } => "failed",
            Self::Unavailable { .. } => "unavailable",
        }
    }
}
