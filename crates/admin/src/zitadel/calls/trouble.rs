//! Why a call is not answered as it was meant.

use operate::{Kind, OperateError};
use store::StoreError;

use crate::{
    problem,
    zitadel::errors::{ApiError, Code},
};

/// What came up while a call was carried out.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It can be told as it is.
    Api(ApiError),
    /// Whoever asks and acts did not do it.
    Operate(OperateError),
}

impl From<ApiError> for Trouble {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<OperateError> for Trouble {
    fn from(error: OperateError) -> Self {
        Self::Operate(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Operate(error.into())
    }
}

/// What went wrong inside is logged where its words are found, and not told.
impl From<Trouble> for ApiError {
    fn from(trouble: Trouble) -> Self {
        let error = match trouble {
            Trouble::Api(error) => return error,
            Trouble::Operate(error) => error,
        };
        let code = match error.kind() {
            Kind::Invalid => Code::InvalidArgument,
            Kind::NotFound => Code::NotFound,
            Kind::AlreadyExists => Code::AlreadyExists,
            Kind::Precondition | Kind::Nothing => Code::FailedPrecondition,
            Kind::Denied => Code::PermissionDenied,
            Kind::Overtaken | Kind::Unavailable => Code::Unavailable,
            Kind::Internal => Code::Internal,
        };
        let (.., sentence) = problem::of(&error);
        Self::new(code, sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_the_code_that_clients_expect() {
        let said = || "a sentence".to_owned();
        for (error, code) in [
            (OperateError::Invalid(said()), Code::InvalidArgument),
            (OperateError::NotFound(said()), Code::NotFound),
            (OperateError::AlreadyExists(said()), Code::AlreadyExists),
            (OperateError::Precondition(said()), Code::FailedPrecondition),
            (OperateError::Nothing(said()), Code::FailedPrecondition),
            (OperateError::Denied(said()), Code::PermissionDenied),
        ] {
            assert_eq!(ApiError::from(Trouble::from(error)), ApiError::new(code, "a sentence"));
        }
    }

    #[test]
    fn what_went_wrong_inside_is_not_told() {
        let unusable = StoreError::Unusable { reason: "a detail".to_owned() };
        let told = ApiError::from(Trouble::from(unusable));
        assert_eq!(told.code, Code::Internal);
        assert!(!told.message.contains("a detail"), "{}", told.message);
        let away = StoreError::Timeout { operation: "a detail", after: std::time::Duration::from_secs(1) };
        let told = ApiError::from(Trouble::from(away));
        assert_eq!(told.code, Code::Unavailable);
        assert!(!told.message.contains("a detail"), "{}", told.message);
    }
}
