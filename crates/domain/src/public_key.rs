//! The public keys of targets: what a body is encrypted for, so that nobody but the receiver reads it.
//!
//! A target may have several, of which one at a time is active. The private halves are with the receivers and never here.

use std::{fmt, sync::Arc};

use jiff::Timestamp;

use crate::PublicKeyId;

/// What kind of key it is, which decides how bodies are encrypted for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KeyKind {
    /// RSA.
    Rsa {
        /// Of its modulus.
        bits: u32,
    },
    /// On the curve P-256.
    P256,
    /// On the curve P-384.
    P384,
    /// On the curve P-521.
    P521,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::P256 => f.write_str("EC P-256"),
            Self::P384 => f.write_str("EC P-384"),
            Self::P521 => f.write_str("EC P-521"),
        }
    }
}

/// A public key of a target, as it is listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    /// What the key is called in a body that is encrypted for it: its `kid`.
    pub id: PublicKeyId,
    /// Of which kind.
    pub kind: KeyKind,
    /// The key itself, as `BEGIN PUBLIC KEY`.
    pub pem: String,
    /// `SHA256:` and the hash of its DER as base64 without padding, by which people tell keys apart.
    pub fingerprint: String,
    /// Whether it is the one that bodies are encrypted for.
    pub active: bool,
    /// From when on nothing is encrypted for it, active or not.
    pub expires_at: Option<Timestamp>,
    /// By the database's clock.
    pub created_at: Timestamp,
    /// When it was activated or deactivated last; about `created_at` where it never was.
    pub changed_at: Timestamp,
}

impl PublicKey {
    /// Whether bodies of this time are encrypted for it.
    #[must_use]
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.active && !self.has_expired(now)
    }

    /// Whether its time is over.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// The active key of a target, as far as a body needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EncryptionKey {
    /// The `kid` of what is encrypted for it.
    pub id: PublicKeyId,
    /// Of which kind.
    pub kind: KeyKind,
    /// The key itself: a `SubjectPublicKeyInfo` (RFC 5280) as DER.
    pub der: Arc<[u8]>,
    /// From when on nothing is encrypted for it.
    pub expires_at: Option<Timestamp>,
}
