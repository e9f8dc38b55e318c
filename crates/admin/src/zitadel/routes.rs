//! Where each call comes in: one list, from which both the router and the tests are made, so that no route is forgotten.
//!
//! A route names who may call it, for whoever stands before it; the call itself makes sure of that once more.

#[cfg(test)]
mod tests;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodFilter, on},
};
use domain::Role;
use operate::Caller;

use super::{
    Version,
    call::Call,
    calls::Asked,
    connect::{self, Refusal},
    errors::{ApiError, Code, Protocol, refusal},
    incoming::Incoming,
    messages::search::Shape,
    rest,
};
use crate::house::House;

/// One method of one path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Route {
    /// How it is asked.
    pub(crate) method: Method,
    /// Where, as axum writes it: `/v2/actions/targets/{id}`.
    pub(crate) path: String,
    /// Who may.
    pub(crate) role: Role,
    /// What is called.
    pub(crate) call: Call,
    version: Version,
    shape: Shape,
    protocol: Protocol,
}

/// Every route, of both versions and both protocols.
pub(crate) fn routes() -> Vec<Route> {
    let mut routes = Vec::new();
    for version in [Version::V2, Version::V2Beta] {
        let route = |method, path: String, call: Call, shape, protocol| Route {
            method,
            path,
            role: call.role(),
            call,
            version,
            shape,
            protocol,
        };
        routes.extend(rest::ROUTES.iter().flat_map(|(methods, path, call)| {
            let shape = rest::shape(version, path);
            let path = format!("{}/{path}", rest::prefix(version));
            methods.iter().map(move |method| route(method.clone(), path.clone(), *call, shape, Protocol::Rest))
        }));
        routes.extend(Call::ALL.into_iter().filter(|call| call.is_in(version)).flat_map(|call| {
            let path = format!("/{}/{}", connect::service(version), call.name());
            connect::methods(call)
                .iter()
                .map(move |method| route(method.clone(), path.clone(), call, Shape::Named, Protocol::Connect))
        }));
    }
    routes
}

/// All of them, behind something that finds out who calls: without a [`Caller`] in the request nobody is answered.
pub(crate) fn router() -> Router<House> {
    let mut router = Router::new();
    for route in routes() {
        let filter = MethodFilter::try_from(route.method.clone()).expect("these methods are known");
        let path = route.path.clone();
        router = router.route(&path, on(filter, move |state, request| serve(route, state, request)));
    }
    router.method_not_allowed_fallback(not_in_this_way)
}

async fn serve(route: Route, State(house): State<House>, request: Request) -> Response {
    let mut response = match answered(&route, &house, request).await {
        Ok(body) => (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(refusal) => refusal.answer(route.protocol),
    };
    // There may be a signing key in it.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn answered(route: &Route, house: &House, request: Request) -> Result<String, Refusal> {
    let unknown = || ApiError::new(Code::Unauthenticated, "nobody knows who calls");
    let caller = request.extensions().get::<Caller>().cloned().ok_or_else(unknown)?;
    let operator = house.operator().map_err(|problem| ApiError::new(Code::Unavailable, problem.detail))?;
    let asked = Asked { operator, caller: &caller, version: route.version, shape: route.shape };
    let incoming = Incoming::read(request).await?;
    match route.protocol {
        Protocol::Rest => Ok(rest::serve(&asked, route.call, &incoming).await?),
        Protocol::Connect => connect::serve(&asked, route.call, &incoming).await,
    }
}

/// The path is known, but not with this method. What methods there are, axum says in a header.
async fn not_in_this_way(request: Request) -> Response {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let told = refusal(request.uri().path(), status, "this path is not asked with this method");
    told.unwrap_or_else(|| status.into_response())
}
