//! The calls that there are.

use domain::Role;

use super::Version;

/// One call of the action service, whichever way it comes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Call {
    CreateTarget,
    GetTarget,
    UpdateTarget,
    DeleteTarget,
    ListTargets,
    AddPublicKey,
    ActivatePublicKey,
    DeactivatePublicKey,
    RemovePublicKey,
    ListPublicKeys,
    SetExecution,
    ListExecutions,
    ListExecutionFunctions,
    ListExecutionMethods,
    ListExecutionServices,
}

impl Call {
    /// Every call.
    pub(crate) const ALL: [Self; 15] = [
        Self::CreateTarget,
        Self::GetTarget,
        Self::UpdateTarget,
        Self::DeleteTarget,
        Self::ListTargets,
        Self::AddPublicKey,
        Self::ActivatePublicKey,
        Self::DeactivatePublicKey,
        Self::RemovePublicKey,
        Self::ListPublicKeys,
        Self::SetExecution,
        Self::ListExecutions,
        Self::ListExecutionFunctions,
        Self::ListExecutionMethods,
        Self::ListExecutionServices,
    ];

    /// What ZITADEL's protos call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CreateTarget => "CreateTarget",
            Self::GetTarget => "GetTarget",
            Self::UpdateTarget => "UpdateTarget",
            Self::DeleteTarget => "DeleteTarget",
            Self::ListTargets => "ListTargets",
            Self::AddPublicKey => "AddPublicKey",
            Self::ActivatePublicKey => "ActivatePublicKey",
            Self::DeactivatePublicKey => "DeactivatePublicKey",
            Self::RemovePublicKey => "RemovePublicKey",
            Self::ListPublicKeys => "ListPublicKeys",
            Self::SetExecution => "SetExecution",
            Self::ListExecutions => "ListExecutions",
            Self::ListExecutionFunctions => "ListExecutionFunctions",
            Self::ListExecutionMethods => "ListExecutionMethods",
            Self::ListExecutionServices => "ListExecutionServices",
        }
    }

    /// Whether it changes something.
    pub(crate) fn writes(self) -> bool {
        match self {
            Self::CreateTarget
            | Self::UpdateTarget
            | Self::DeleteTarget
            | Self::AddPublicKey
            | Self::ActivatePublicKey
            | Self::DeactivatePublicKey
            | Self::RemovePublicKey
            | Self::SetExecution => true,
            Self::GetTarget
            | Self::ListTargets
            | Self::ListPublicKeys
            | Self::ListExecutions
            | Self::ListExecutionFunctions
            | Self::ListExecutionMethods
            | Self::ListExecutionServices => false,
        }
    }

    /// Who may make it.
    pub(crate) fn role(self) -> Role {
        if self.writes() { Role::Admin } else { Role::Viewer }
    }

    /// Whether this version of the service has it.
    pub(crate) fn is_in(self, version: Version) -> bool {
        version == Version::V2 || !self.is_about_public_keys()
    }

    fn is_about_public_keys(self) -> bool {
        matches!(
            self,
            Self::AddPublicKey
                | Self::ActivatePublicKey
                | Self::DeactivatePublicKey
                | Self::RemovePublicKey
                | Self::ListPublicKeys
        )
    }
}
