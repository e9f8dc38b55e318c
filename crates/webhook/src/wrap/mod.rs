//! Bodies as JWT and JWE, as ZITADEL's payload types have them.
//!
//! - `jws` signs: a JWT whose payload is the body as it is, byte for byte; it has no claims beside the body's own.
//! - `jwe` encrypts that JWT; `recipient` hides the key it is encrypted with from everybody but the target's receiver.
//!
//! Which keys these are is decided by [`domain::Target::wrap`]. A body that is sent as it is passes through untouched, and costs
//! nothing here. One that cannot be wrapped is not sent: that is nobody's failure and waits for an operator.

mod jwe;
mod jws;
mod recipient;

use std::fmt;

use bytes::Bytes;
use domain::{Outcome, WebKey, Wrap};

/// Why a body is not sent.
pub(crate) fn withheld(why: &dyn fmt::Display) -> Outcome {
    Outcome::Unavailable { error: format!("not sent: {why}"), retry_after: None }
}

/// What is sent, or why nothing is.
pub(crate) fn wrap(body: Bytes, wrap: Wrap<'_>) -> Result<Bytes, Outcome> {
    match wrap {
        Wrap::Plain => Ok(body),
        Wrap::Signed(key) => sign(key, &body).map(Bytes::from),
        Wrap::Encrypted(key, recipient) => {
            let token = sign(key, &body)?;
            let id = &recipient.id;
            let unusable =
                || withheld(&format_args!("the public key {id} cannot be encrypted for; activate another one"));
            jwe::encrypt(token, recipient).map(Bytes::from).ok_or_else(unusable)
        }
    }
}

fn sign(key: &WebKey, body: &[u8]) -> Result<String, Outcome> {
    jws::sign(key, body).ok_or_else(|| {
        let why = "cannot be signed with; `postrider key rotate-web --replace` puts another in its place";
        withheld(&format_args!("the web key {} {why}", key.id()))
    })
}

/// Three to four characters for every three bytes.
fn base64_length(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}
