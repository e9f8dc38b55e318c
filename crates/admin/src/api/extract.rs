//! What a request brings, read so that a mistake is answered with a sentence.

use aide::{OperationInput, generate::GenContext, openapi::Operation};
use axum::{
    Extension, Json,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
};
use http::request::Parts;
use operate::{Caller, Operator};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{house::House, problem::Problem};

/// The body, as JSON.
pub(super) struct Body<T>(pub(super) T);

/// What stands behind the question mark.
pub(super) struct Asked<T>(pub(super) T);

/// What stands in the path.
pub(super) struct In<T>(pub(super) T);

/// Who asks, and what there is to manage.
pub(super) struct Desk {
    pub(super) caller: Caller,
    pub(super) operator: Operator,
}

impl<T: DeserializeOwned + Send> FromRequest<House> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, house: &House) -> Result<Self, Problem> {
        let read = Json::<T>::from_request(request, house).await;
        read.map(|Json(body)| Self(body))
            .map_err(|error| Problem { status: error.status(), ..Problem::invalid(error.body_text()) })
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<House> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, house: &House) -> Result<Self, Problem> {
        let read = Query::<T>::from_request_parts(parts, house).await;
        read.map(|Query(asked)| Self(asked)).map_err(|error| Problem::invalid(error.body_text()))
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<House> for In<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, house: &House) -> Result<Self, Problem> {
        let read = Path::<T>::from_request_parts(parts, house).await;
        read.map(|Path(path)| Self(path)).map_err(|error| Problem::invalid(error.body_text()))
    }
}

impl FromRequestParts<House> for Desk {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, house: &House) -> Result<Self, Problem> {
        let caller = Extension::<Caller>::from_request_parts(parts, house).await;
        let Extension(caller) = caller.map_err(|_| Problem::unauthenticated())?;
        Ok(Self { caller, operator: house.operator()?.clone() })
    }
}

impl<T: JsonSchema> OperationInput for Body<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Json::<T>::operation_input(ctx, operation);
    }
}

impl<T: JsonSchema> OperationInput for Asked<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Query::<T>::operation_input(ctx, operation);
    }
}

impl<T: JsonSchema> OperationInput for In<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Path::<T>::operation_input(ctx, operation);
    }
}

impl OperationInput for Desk {}
