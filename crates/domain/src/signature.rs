//! What makes a call trustworthy: its signature and its id.
//!
//! The signature is ZITADEL's (which is Stripe's): `t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>." + body>`, with one
//! `v1` for every key in force, so that a receiver can change keys while both are sent. A time that is part of what
//! is signed keeps an old call from being sent again by somebody else.
//!
//! Keys are never printed: neither `Debug` nor any error shows them.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
    time::Duration,
};

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::{EventKey, TargetId};

const DIGEST_BYTES: usize = 32;

/// What calls to a target are signed with, and until when.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    text: Arc<str>,
    expires_at: Option<Timestamp>,
}

impl SigningKey {
    /// The bytes that go into the HMAC: the text as it is, never decoded.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The key itself, for the state and for the one time it is shown.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// From when on nothing is signed with it any more; `None`: it stays.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// The same key, in force until this time; `None`: for good.
    #[must_use]
    pub fn until(self, expires_at: Option<Timestamp>) -> Self {
        Self { expires_at, ..self }
    }

    /// Whether calls of this time are signed with it.
    #[must_use]
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

impl From<String> for SigningKey {
    fn from(key: String) -> Self {
        Self { text: key.into(), expires_at: None }
    }
}

impl From<&str> for SigningKey {
    fn from(key: &str) -> Self {
        Self { text: key.into(), expires_at: None }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// Why a signature does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No `t`.
    #[error("the signature has no time (t=…)")]
    NoTime,
    /// No `v1`. Other schemes are passed over, so that new ones can be added.
    #[error("the signature has no v1 part")]
    NoSignature,
    /// A part without `=`, a `t` that is no number or stands twice, a `v1` that is not 64 hexadecimal digits.
    #[error("the signature is malformed: t=<unix seconds>,v1=<64 hexadecimal digits> is needed")]
    Malformed,
    /// Signed with another key, or over another body or time.
    #[error("no v1 of the signature was made from this body with a known key")]
    Mismatch,
    /// Older than the tolerance.
    #[error("the signature is {seconds} s old, which is too old")]
    TooOld {
        /// Its age.
        seconds: u64,
    },
    /// Further in the future than the tolerance.
    #[error("the signature is of {seconds} s in the future: the clocks differ too much")]
    TooNew {
        /// How far.
        seconds: u64,
    },
}

/// The value of the signature header: `t=…,v1=…`, with one `v1` for each key. Which ones are in force is the caller's to
/// say ([`SigningKey::in_force`]).
#[must_use]
pub fn sign<'a>(body: &[u8], unix_seconds: i64, keys: impl IntoIterator<Item = &'a SigningKey>) -> String {
    let mut header = String::with_capacity("t=1700000000,v1=".len() + 2 * DIGEST_BYTES);
    let _ = write!(header, "t={unix_seconds}");
    for key in keys {
        header.push_str(",v1=");
        push_hex(&mut header, &digest(body, unix_seconds, key));
    }
    header
}

/// Whether one of the keys made one of the header's `v1` over this body, not too long ago and not too far ahead.
///
/// Takes the same time whichever key and whichever `v1` fits. The time is judged last, so that what is said about it
/// is said of an authentic call.
pub fn verify(
    header: &str,
    body: &[u8],
    keys: &[SigningKey],
    now_unix: i64,
    tolerance: Duration,
) -> Result<(), SignatureError> {
    let Parts { unix_seconds, signatures } = parse(header)?;
    let mut authentic = Choice::from(0);
    for key in keys {
        let expected = digest(body, unix_seconds, key);
        for signature in &signatures {
            authentic |= expected.ct_eq(signature);
        }
    }
    if !bool::from(authentic) {
        return Err(SignatureError::Mismatch);
    }
    let seconds = now_unix.abs_diff(unix_seconds);
    match seconds > tolerance.as_secs() {
        false => Ok(()),
        true if unix_seconds < now_unix => Err(SignatureError::TooOld { seconds }),
        true => Err(SignatureError::TooNew { seconds }),
    }
}

/// The id of an event to a target: the same for every attempt, so that receivers can drop what they have had.
///
/// `generation` is raised when an operator wants receivers to take an event for a new one. Equal positions give equal
/// ids, however many zeros the store prints at their end.
#[must_use]
pub fn webhook_id(target: &TargetId, key: &EventKey, generation: i64) -> String {
    const BYTES: usize = 16;
    let position = key.position.to_string();
    let position =
        if position.contains('.') { position.trim_end_matches('0').trim_end_matches('.') } else { &position };
    let mut hash = Sha256::new();
    for text in
        [target.as_str(), position, key.instance_id.as_str(), key.aggregate_type.as_str(), key.aggregate_id.as_str()]
    {
        // The length keeps neighbours apart: ("a", "bc") is not ("ab", "c").
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    for number in [key.in_tx_order, key.sequence, generation] {
        hash.update(number.to_be_bytes());
    }
    let mut id = String::with_capacity("msg_".len() + 2 * BYTES);
    id.push_str("msg_");
    push_hex(&mut id, &hash.finalize()[..BYTES]);
    id
}

/// Hexadecimal digits of up to [`DIGEST_BYTES`] bytes. Every call has two such texts: they are written at once, not by digits.
fn push_hex(text: &mut String, bytes: &[u8]) {
    let mut digits = [0; 2 * DIGEST_BYTES];
    let digits = &mut digits[..2 * bytes.len()];
    hex::encode_to_slice(bytes, digits).expect("there are two digits for each byte");
    text.push_str(str::from_utf8(digits).expect("digits are text"));
}

fn digest(body: &[u8], unix_seconds: i64, key: &SigningKey) -> [u8; DIGEST_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(unix_seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

struct Parts {
    unix_seconds: i64,
    signatures: Vec<[u8; DIGEST_BYTES]>,
}

fn parse(header: &str) -> Result<Parts, SignatureError> {
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        let (scheme, value) = part.split_once('=').ok_or(SignatureError::Malformed)?;
        let value = value.trim();
        match scheme.trim() {
            "t" if time.is_some() => return Err(SignatureError::Malformed),
            "t" => time = Some(value.parse().map_err(|_| SignatureError::Malformed)?),
            "v1" => {
                let mut signature = [0; DIGEST_BYTES];
                hex::decode_to_slice(value, &mut signature).map_err(|_| SignatureError::Malformed)?;
                signatures.push(signature);
            }
            _ => {}
        }
    }
    let unix_seconds = time.ok_or(SignatureError::NoTime)?;
    if signatures.is_empty() { Err(SignatureError::NoSignature) } else { Ok(Parts { unix_seconds, signatures }) }
}

#[cfg(test)]
mod tests;
