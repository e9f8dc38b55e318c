//! Why something cannot be asked or done, in a sentence and by its kind.

use domain::{ConditionError, DefinitionError, EndpointError};
use engine::ResolveError;
use store::StoreError;

/// Why something cannot be asked or done.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// What was asked for cannot be, whatever the state is.
    #[error("{0}")]
    Invalid(String),
    /// It is not there, or not for this caller.
    #[error("{0}")]
    NotFound(String),
    /// It is there already.
    #[error("{0}")]
    AlreadyExists(String),
    /// As things stand it cannot be done: something else has to be done first.
    #[error("{0}")]
    Precondition(String),
    /// Somebody with another role may.
    #[error("{0}")]
    Denied(String),
    /// It was asked for rightly, and there is nothing to do it to.
    #[error("{0}")]
    Nothing(String),
    /// The state or the event store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The change was not made.
    #[error("nothing was changed")]
    Unchanged(#[source] StoreError),
    /// A place in the store cannot be found.
    #[error("{what} cannot be found")]
    Resolve {
        /// What of.
        what: String,
        /// Why.
        source: ResolveError,
    },
    /// What is stored cannot be in force.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
}

/// What sort of refusal it is: for exit codes and for HTTP.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// The request is wrong.
    Invalid,
    /// What it is about is not there.
    NotFound,
    /// What it would make is there.
    AlreadyExists,
    /// Something else has to be done first.
    Precondition,
    /// This caller may not.
    Denied,
    /// There was nothing to do.
    Nothing,
    /// Somebody else changed something meanwhile: ask again.
    Overtaken,
    /// A database is away or busy: the same may succeed later.
    Unavailable,
    /// Anything else.
    Internal,
}

impl OperateError {
    /// Of what sort it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) => Kind::Invalid,
            Self::NotFound(_) => Kind::NotFound,
            Self::AlreadyExists(_) => Kind::AlreadyExists,
            Self::Precondition(_) => Kind::Precondition,
            Self::Denied(_) => Kind::Denied,
            Self::Nothing(_) => Kind::Nothing,
            Self::Store(error)
            | Self::Unchanged(error)
            | Self::Resolve {
                source: ResolveError::Watermark(error) | ResolveError::Probe(error) | ResolveError::Time(error),
                ..
            } => of_the_store(error),
            Self::Definition(error) => of_definitions(error),
        }
    }

    /// Whether the request itself is at fault, and not how things stand with the databases.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::NotFound(_) | Self::AlreadyExists(_) | Self::Precondition(_) | Self::Denied(_) => {
                true
            }
            Self::Nothing(_) | Self::Store(_) | Self::Unchanged(_) | Self::Resolve { .. } | Self::Definition(_) => {
                false
            }
        }
    }
}

fn of_the_store(error: &StoreError) -> Kind {
    match error {
        StoreError::Overtaken | StoreError::Moved { .. } => Kind::Overtaken,
        StoreError::NoTarget { .. }
        | StoreError::NoCursor { .. }
        | StoreError::NoAttempt { .. }
        | StoreError::NoPublicKey { .. } => Kind::NotFound,
        StoreError::TokenNameTaken { .. } => Kind::AlreadyExists,
        StoreError::PublicKey(_) => Kind::Invalid,
        StoreError::PublicKeyExpired { .. }
        | StoreError::PublicKeyActive { .. }
        | StoreError::NotAtHead { .. }
        | StoreError::NotSettled { .. }
        | StoreError::SentAgainAlready { .. }
        | StoreError::TargetRemoved { .. }
        | StoreError::KeyClosed { .. }
        | StoreError::NoMasterKey => Kind::Precondition,
        StoreError::Definition(error) => of_definitions(error),
        error if error.is_transient() => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

fn of_definitions(error: &DefinitionError) -> Kind {
    match error {
        DefinitionError::DuplicateTarget(_) | DefinitionError::DuplicateExecution(_) => Kind::AlreadyExists,
        DefinitionError::UnknownTarget { .. }
        | DefinitionError::UnknownInclude { .. }
        | DefinitionError::TargetOfAnotherInstance { .. }
        | DefinitionError::IncludeOfAnotherKind { .. }
        | DefinitionError::Cycle(_)
        | DefinitionError::TooDeep(_) => Kind::Precondition,
    }
}

impl From<ConditionError> for OperateError {
    fn from(error: ConditionError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<EndpointError> for OperateError {
    fn from(error: EndpointError) -> Self {
        Self::Invalid(error.to_string())
    }
}
