//! Why a call is not answered as it was meant.

use std::error::Error;

use operate::{Kind, OperateError};
use store::StoreError;
use tracing::{error, warn};

use crate::zitadel::errors::{ApiError, Code};

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

/// What went wrong inside is logged here and not told.
impl From<Trouble> for ApiError {
    fn from(trouble: Trouble) -> Self {
        let error = match trouble {
            Trouble::Api(error) => return error,
            Trouble::Operate(error) => error,
        };
        match error.kind() {
            Kind::Invalid => Self::new(Code::InvalidArgument, error.to_string()),
            Kind::NotFound => Self::new(Code::NotFound, error.to_string()),
            Kind::AlreadyExists => Self::new(Code::AlreadyExists, error.to_string()),
            Kind::Precondition | Kind::Nothing => Self::new(Code::FailedPrecondition, error.to_string()),
            Kind::Denied => Self::new(Code::PermissionDenied, error.to_string()),
            Kind::Overtaken => Self::new(Code::Unavailable, "others change definitions all the time; try again"),
            Kind::Unavailable => {
                warn!(error = chain(&error), "a call of ZITADEL's API could not be answered");
                Self::new(Code::Unavailable, "a database does not answer at the moment; try again")
            }
            Kind::Internal => {
                error!(error = chain(&error), "a call of ZITADEL's API could not be answered");
                Self::new(Code::Internal, "something went wrong inside; the log of the daemon says what")
            }
        }
    }
}

fn chain(error: &OperateError) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        told.push_str(": ");
        told.push_str(&source.to_string());
        cause = source.source();
    }
    told
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
