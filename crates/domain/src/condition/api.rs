//! Conditions of ZITADEL's API that are no events: stored for its clients, never matched here.

use std::{fmt, sync::Arc};

const REQUEST: &str = "request";
const RESPONSE: &str = "response";
const FUNCTION: &str = "function";

/// A request, a response or a function of ZITADEL's own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ApiCondition {
    /// Before a call of ZITADEL's API is carried out.
    Request(ApiScope),
    /// Before its answer is given.
    Response(ApiScope),
    /// When ZITADEL runs this function, such as `preuserinfo`.
    Function(Arc<str>),
}

/// Which calls of ZITADEL's API.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ApiScope {
    /// One method, with its leading slash: `/zitadel.session.v2.SessionService/ListSessions`.
    Method(Arc<str>),
    /// Every method of one service: `zitadel.session.v2.SessionService`.
    Service(Arc<str>),
    /// Every call.
    All,
}

impl ApiCondition {
    /// `request`, `response` or `function`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Request(_) => REQUEST,
            Self::Response(_) => RESPONSE,
            Self::Function(_) => FUNCTION,
        }
    }

    /// From ZITADEL's execution id: `request/SERVICE/METHOD`, `response/SERVICE`, `request`, `function/NAME`.
    pub(super) fn from_id(id: &str) -> Option<Self> {
        match id.split_once('/') {
            None if id == REQUEST => Some(Self::Request(ApiScope::All)),
            None if id == RESPONSE => Some(Self::Response(ApiScope::All)),
            Some((REQUEST, rest)) => ApiScope::from_id(rest).map(Self::Request),
            Some((RESPONSE, rest)) => ApiScope::from_id(rest).map(Self::Response),
            Some((FUNCTION, name)) if is_name(name) => Some(Self::Function(name.into())),
            _ => None,
        }
    }
}

impl ApiScope {
    fn from_id(rest: &str) -> Option<Self> {
        match rest.split_once('/') {
            None if is_name(rest) => Some(Self::Service(rest.into())),
            Some((service, method)) if is_name(service) && is_name(method) => {
                Some(Self::Method(format!("/{rest}").into()))
            }
            _ => None,
        }
    }

    /// One method, with or without its leading slash.
    #[must_use]
    pub fn method(text: &str) -> Option<Self> {
        Self::from_id(text.strip_prefix('/').unwrap_or(text)).filter(|scope| matches!(scope, Self::Method(_)))
    }

    /// One service.
    #[must_use]
    pub fn service(text: &str) -> Option<Self> {
        Self::from_id(text).filter(|scope| matches!(scope, Self::Service(_)))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c == '/' || c == '*' || c.is_control() || c.is_whitespace())
}

impl fmt::Display for ApiCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(scope) | Self::Response(scope) => match scope {
                ApiScope::Method(method) => write!(f, "{}{method}", self.kind()),
                ApiScope::Service(service) => write!(f, "{}/{service}", self.kind()),
                ApiScope::All => f.write_str(self.kind()),
            },
            Self::Function(name) => write!(f, "{FUNCTION}/{name}"),
        }
    }
}
