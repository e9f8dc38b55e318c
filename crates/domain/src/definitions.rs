//! What operators define: targets, and executions that name them.
//!
//! Which executions are in force on an instance is decided here ([`Scope`]); what follows from it for an event is the
//! Router's.

mod groups;
mod validate;

use crate::{Condition, InstanceId, PayloadType, Source, Target, TargetName, TypePattern};

pub use groups::Group;
pub(crate) use validate::Scope;

/// A condition and the ordered list of targets to call when it matches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Execution {
    /// When.
    pub condition: Condition,
    /// On which instance; `None` for all of them.
    pub instance: Option<InstanceId>,
    /// Whom, in order.
    pub targets: Vec<ExecutionTarget>,
    /// Event types that do not fire it.
    pub exclude: Vec<TypePattern>,
    /// Who may change it.
    pub source: Source,
}

impl Execution {
    /// The targets that it names itself, without those it includes.
    pub fn names(&self) -> impl Iterator<Item = &TargetName> {
        self.targets.iter().filter_map(|entry| match entry {
            ExecutionTarget::Target(name) => Some(name),
            ExecutionTarget::Include(_) => None,
        })
    }
}

/// One entry of an execution's list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExecutionTarget {
    /// A target, by name.
    Target(TargetName),
    /// The targets of another execution of the same kind.
    Include(Condition),
}

/// Everything that is defined, at one revision.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Definitions {
    /// Raised by every change.
    pub revision: i64,
    /// All targets.
    pub targets: Vec<Target>,
    /// All executions.
    pub executions: Vec<Execution>,
}

impl Definitions {
    /// Whether bodies are to be signed and there is no key to sign them with.
    #[must_use]
    pub fn lack_a_web_key(&self) -> bool {
        let lacks = |target: &Target| target.payload_type != PayloadType::Json && target.wrapping.web_keys.is_empty();
        self.targets.iter().any(lacks)
    }
}

/// Why definitions cannot be in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// Two targets of one name.
    #[error("there are two targets named {0:?}; names are unique")]
    DuplicateTarget(TargetName),
    /// Two executions of one condition on the same instance.
    #[error("there are two executions for {0}; one condition has one execution on an instance")]
    DuplicateExecution(Condition),
    /// An execution names a target that is not there.
    #[error("the execution {condition} names the target {target:?}, which is not there{}", nearest.as_ref().map(|n| format!("; is {n:?} meant?")).unwrap_or_default())]
    UnknownTarget {
        /// The execution.
        condition: Condition,
        /// The name that is not there.
        target: TargetName,
        /// A name like it.
        nearest: Option<TargetName>,
    },
    /// An execution names a target that belongs to one instance, and is not of that instance.
    #[error(
        "the execution {condition} names the target {target:?}, which belongs to the instance {instance}; only executions of that instance may"
    )]
    TargetOfAnotherInstance {
        /// The execution.
        condition: Condition,
        /// The target.
        target: TargetName,
        /// To which it belongs.
        instance: InstanceId,
    },
    /// An execution for events includes one for requests, or the like.
    #[error("the execution {condition} includes {include}, which is of another kind")]
    IncludeOfAnotherKind {
        /// The execution.
        condition: Condition,
        /// What it includes.
        include: Condition,
    },
    /// An include of a condition that has no execution.
    #[error("the execution {condition} includes {include}, which has no execution")]
    UnknownInclude {
        /// The execution.
        condition: Condition,
        /// What it includes.
        include: Condition,
    },
    /// Includes that come back to where they began.
    #[error("the execution {0} includes itself")]
    Cycle(Condition),
    /// Includes of includes of includes of includes.
    #[error("the execution {0} includes more than 3 levels deep")]
    TooDeep(Condition),
}

#[cfg(test)]
mod tests;
