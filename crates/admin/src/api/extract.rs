//! What a request brings, read so that a mistake is answered with a sentence.

use std::marker::PhantomData;

use aide::{OperationInput, generate::GenContext, openapi::Operation};
use axum::{
    Extension, Json,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
};
use http::request::Parts;
use operate::{Caller, Operator};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub(super) use crate::may::{Act, Define, Look};

use crate::{house::House, may::May, problem::Problem};

/// The body, as JSON.
pub(super) struct Body<T>(pub(super) T);

/// What stands behind the question mark.
pub(super) struct Asked<T>(pub(super) T);

/// What stands in the path.
pub(super) struct In<T>(pub(super) T);

/// Who asks, and what there is to manage: only for who may do what `M` says. It comes first among what a handler takes, so that
/// somebody who may not is refused whatever else they sent.
pub(super) struct Desk<M> {
    pub(super) caller: Caller,
    pub(super) operator: Operator,
    may: PhantomData<M>,
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

impl<M: May> FromRequestParts<House> for Desk<M> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, house: &House) -> Result<Self, Problem> {
        let caller = Extension::<Caller>::from_request_parts(parts, house).await;
        let Extension(caller) = caller.map_err(|_| Problem::unauthenticated())?;
        caller.must_be(M::ROLE)?;
        Ok(Self { caller, operator: house.operator()?.clone(), may: PhantomData })
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

/// The description says who may, from what the handler takes.
impl<M: May> OperationInput for Desk<M> {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        operation.description = Some(format!("Takes the role {}, or more.", M::ROLE));
    }
}
