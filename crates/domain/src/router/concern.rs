//! Whether an event concerns one target, and why: what `postrider explain --target` says of many events.

use std::fmt;

use super::{Router, Verdict};
use crate::{Condition, EventType, InstanceId, TargetId};

/// How an event of some type stands to a target.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Concern {
    /// The target is called.
    Receives {
        /// By this execution.
        execution: Condition,
        /// Which is for this instance only.
        instance: Option<InstanceId>,
        /// Through these includes, from the outside in.
        via: Vec<Condition>,
    },
    /// No execution is for the type.
    NoExecution,
    /// The most specific execution does not call the target.
    NotCalled {
        /// Which execution.
        execution: Condition,
    },
    /// An `exclude` keeps the type out.
    Excluded {
        /// Whose, and which pattern, in words.
        by: String,
    },
}

impl Concern {
    /// Whether the target is called.
    #[must_use]
    pub fn receives(&self) -> bool {
        matches!(self, Self::Receives { .. })
    }

    /// A word for programs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Receives { .. } => "receives",
            Self::NoExecution => "no_execution",
            Self::NotCalled { .. } => "not_called",
            Self::Excluded { .. } => "excluded",
        }
    }
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Receives { execution, instance, via } => {
                write!(f, "{execution}")?;
                if let Some(instance) = instance {
                    write!(f, " on {instance}")?;
                }
                via.iter().try_for_each(|include| write!(f, ", includes {include}"))
            }
            Self::NoExecution => f.write_str("no execution is for them"),
            Self::NotCalled { execution } => write!(f, "the execution {execution} does not call the target"),
            Self::Excluded { by } => f.write_str(by),
        }
    }
}

impl Router {
    /// Whether an event of this type concerns the target, and why. Agrees with [`Router::concerns`].
    #[must_use]
    pub fn concern(&self, target: &TargetId, instance: &InstanceId, event_type: &EventType) -> Concern {
        let explanation = self.explain(instance, event_type);
        let Some(matched) = explanation.matched else { return Concern::NoExecution };
        let mut places = explanation.targets.into_iter().filter(|place| place.id == *target);
        let first = places.next();
        let called = (first.iter().cloned().chain(places)).find(|place| place.verdict == Verdict::Fires);
        match (called, first) {
            (Some(place), _) => {
                Concern::Receives { execution: matched.condition, instance: matched.instance, via: place.via }
            }
            (None, Some(place)) => Concern::Excluded { by: place.verdict.to_string() },
            (None, None) => Concern::NotCalled { execution: matched.condition },
        }
    }
}
