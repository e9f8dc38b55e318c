//! One HTTP call to a target, and what its answer means.
//!
//! - [`body()`] is what is sent and signed; `wrap` makes a JWT or a JWE of it where the target wants that.
//! - `headers` is what goes with it, and what a target may add ([`check_headers`]).
//! - [`Deliverer`] makes the call: it follows redirects, sends once more where a kept-alive connection turned out to be
//!   closed, and keeps the time.
//! - `excerpt` keeps the beginning of an answer's body, where somebody wants to read it ([`Keep`]).
//! - `verdict` is the table of answers: delivered, failed, or the endpoint's own trouble.
//! - `egress` refuses every address that is not public, unless it is allowed ([`Allow`]), when it is dialled.
//! - [`Collector`] takes traces, beside all of that.
//! - `wire` is the HTTP client. Only this crate knows `hyper`, and only `wire` knows what its errors look like.
//!
//! An answer is data, never an error to propagate. No sentence in it repeats a query, a header's value, a payload or
//! credentials. What this crate deliberately does not do: decide when to call again (`engine`, `domain::window`).

mod body;
mod collector;
mod deliver;
mod egress;
mod excerpt;
mod headers;
mod options;
mod redirect;
#[cfg(test)]
#[path = "../tests/it/samples.rs"]
mod samples;
mod unawaited;
mod verdict;
mod wire;
mod wrap;

pub use body::body;
pub use collector::{Collector, CollectorConfigError, CollectorError};
pub use deliver::{Answer, Call, Deliverer};
pub use excerpt::Keep;
pub use headers::{HeaderError, SpanIds, check_headers};
pub use options::{Allow, AllowError, DeliveryError, DeliveryOptions};
