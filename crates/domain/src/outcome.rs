//! What became of one HTTP call: data, never an error to propagate.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::cursor::words;

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
        self.kind().as_str()
    }

    /// Which of the three it is.
    #[must_use]
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Delivered => OutcomeKind::Delivered,
            Self::Failed { .. } => OutcomeKind::Failed,
            Self::Unavailable { .. } => OutcomeKind::Unavailable,
        }
    }

    /// What went wrong, if anything did.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Delivered => None,
            Self::Failed { error } | Self::Unavailable { error, .. } => Some(error),
        }
    }
}

words! {
    /// An outcome without its sentence.
    OutcomeKind {
        /// See [`Outcome::Delivered`].
        Delivered = "delivered",
        /// See [`Outcome::Failed`].
        Failed = "failed",
        /// See [`Outcome::Unavailable`].
        Unavailable = "unavailable",
    }
}
