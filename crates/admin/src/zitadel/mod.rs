//! The HTTP API that ZITADEL's clients already speak to manage targets and executions: its action service, `v2` and `v2beta`.
//!
//! The cast: [`routes`] is the list of where each [`Call`](call::Call) comes in, over [`rest`] or [`connect`]; `messages` are read from
//! `json` and written to it; `calls` carries out what they say. `errors` has a body for each protocol.
//!
//! Invariants: v2 and v2beta are one implementation, and each is answered in the shape that released versions of ZITADEL have; what
//! belongs to others is not there for a caller who is bound to an instance; a secret is told to admins only, and no error repeats
//! what was sent.
//!
//! Deliberately absent: binary protobuf, gRPC's framing and compression. Whatever else ZITADEL's services do is not ours.

mod call;
mod calls;
mod connect;
mod errors;
mod incoming;
mod json;
mod messages;
mod methods;
mod rest;
mod routes;
#[cfg(test)]
mod tests;

pub(crate) use errors::refusal;
pub(crate) use routes::router;

/// Which of ZITADEL's action services is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Version {
    /// `zitadel.action.v2`
    V2,
    /// `zitadel.action.v2beta`
    V2Beta,
}
