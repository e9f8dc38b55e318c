//! The HTTP API that ZITADEL's clients already speak to manage targets and executions: its action service, `v2` and `v2beta`.

#![expect(dead_code, unused_imports, reason = "its routes are added with what they ask")]

pub(crate) mod errors;
pub(crate) mod json;
pub(crate) mod messages;
pub(crate) mod methods;

/// Which of ZITADEL's action services is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Version {
    /// `zitadel.action.v2`
    V2,
    /// `zitadel.action.v2beta`
    V2Beta,
}
