//! What stood in the way of an answer, told from the errors of hyper and rustls.

use std::{error::Error, io};

use domain::Outcome;
use url::Url;

use crate::{egress::DialError, verdict::host};

/// Why there is no answer. The texts are causes only: no URL, no header, no body.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// By the egress guard.
    Refused(String),
    /// The name has no address.
    Unresolved(String),
    /// Nothing was sent.
    Unconnected(String),
    /// No agreement on TLS.
    Tls(String),
    /// The connection was closed, or broke, before an answer.
    Closed { reused: bool },
    /// What came back is not HTTP.
    Garbled(String),
    /// The request was sent, and something else went wrong.
    Broken(String),
}

impl From<DialError> for Trouble {
    fn from(error: DialError) -> Self {
        Self::of_dialling(&error)
    }
}

impl Trouble {
    /// No connection, for this reason.
    pub(super) fn of_connecting(error: &(dyn Error + 'static)) -> Self {
        if let Some(error) = find::<DialError>(error) {
            return Self::of_dialling(error);
        }
        match find::<rustls::Error>(error) {
            Some(error) => Self::Tls(error.to_string()),
            None => Self::Unconnected(root(error)),
        }
    }

    /// No answer over a connection that was there.
    pub(super) fn of_exchange(error: &hyper::Error, reused: bool) -> Self {
        if let Some(error) = find::<rustls::Error>(error) {
            return Self::Tls(error.to_string());
        }
        if error.is_parse() {
            return Self::Garbled(error.to_string());
        }
        if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            return Self::Closed { reused };
        }
        match find::<io::Error>(error).map(io::Error::kind) {
            Some(
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::NotConnected
                | io::ErrorKind::UnexpectedEof,
            ) => Self::Closed { reused },
            _ => Self::Broken(root(error)),
        }
    }

    fn of_dialling(error: &DialError) -> Self {
        match error {
            DialError::Refused(_) => Self::Refused(error.to_string()),
            DialError::Unresolved(_) => Self::Unresolved(error.to_string()),
        }
    }

    /// Until a connection is there, it is the endpoint's trouble; from then on it counts against the event.
    pub(crate) fn outcome(self, url: &Url) -> Outcome {
        let host = host(url);
        let unavailable = |error| Outcome::Unavailable { error, retry_after: None };
        match self {
            Self::Refused(why) => unavailable(format!("egress to {host} refused: {why}")),
            Self::Unresolved(why) => unavailable(format!("cannot resolve {host}: {why}")),
            Self::Unconnected(why) => unavailable(format!("cannot connect to {host}: {why}")),
            Self::Tls(why) => unavailable(format!("cannot agree on TLS with {host}: {why}")),
            Self::Closed { .. } => Outcome::Failed { error: format!("{host} closed the connection before answering") },
            Self::Garbled(why) => {
                Outcome::Failed { error: format!("{host} answered with something other than HTTP: {why}") }
            }
            Self::Broken(why) => Outcome::Failed { error: format!("the call to {host} broke off: {why}") },
        }
    }
}

/// An error and everything below it, also what an I/O error wraps, which `source` passes over.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error: &'a (dyn Error + 'static) = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The last cause in a sentence; those above it say less.
fn root(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(|| "the request could not be made".to_owned(), ToString::to_string)
}
