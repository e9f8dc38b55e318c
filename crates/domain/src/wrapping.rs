//! What a body is wrapped with: signed as a JWT with a key of our own, and encrypted for a key of the target's.
//!
//! Which keys those are is decided here, for the time of each call; the wrapping itself is `webhook`'s. A body that cannot be
//! wrapped is never sent as it is.
//!
//! The private half of a web key is never printed: `Debug` shows its id.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::{EncryptionKey, PayloadType, PublicKeyId, Target, TargetName, WebKeyId};

/// A key that JWTs are signed with (RS256), shared by all targets. Its public half is published under the same id.
#[derive(Clone, PartialEq, Eq)]
pub struct WebKey {
    id: WebKeyId,
    pkcs8: Arc<Zeroizing<Vec<u8>>>,
    active_at: Timestamp,
    retired_at: Option<Timestamp>,
}

impl WebKey {
    /// From the private key as PKCS#8 DER, in use from `active_at` until `retired_at`.
    #[must_use]
    pub fn new(id: WebKeyId, pkcs8: Zeroizing<Vec<u8>>, active_at: Timestamp, retired_at: Option<Timestamp>) -> Self {
        Self { id, pkcs8: Arc::new(pkcs8), active_at, retired_at }
    }

    /// The `kid` of what is signed with it.
    #[must_use]
    pub fn id(&self) -> &WebKeyId {
        &self.id
    }

    /// The private key, for whoever signs.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    fn retired(&self, now: Timestamp) -> bool {
        self.retired_at.is_some_and(|end| end <= now)
    }
}

impl fmt::Debug for WebKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebKey({})", self.id)
    }
}

/// What there is to wrap a target's bodies with. Empty where they are sent as they are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wrapping {
    /// The keys to sign with that are in use or will be.
    pub web_keys: Arc<[WebKey]>,
    /// The target's active key, expired or not.
    pub encryption_key: Option<EncryptionKey>,
}

/// How a body is wrapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrap<'a> {
    /// Not at all: it is sent as JSON.
    Plain,
    /// As a JWT, signed with this key.
    Signed(&'a WebKey),
    /// As that JWT, encrypted for the target's key.
    Encrypted(&'a WebKey, &'a EncryptionKey),
}

/// Why a body cannot be wrapped, and what an operator can do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// No web key was made yet.
    #[error("there is no key to sign JWTs with yet; a daemon makes one by itself, `postrider key rotate-web` at once")]
    NoWebKey,
    /// Nothing to encrypt for.
    #[error(
        "the bodies of {0} are to be encrypted, and it has no active public key; add its receiver's with \
         `postrider target key add {0} --file PEM --activate`"
    )]
    NoPublicKey(TargetName),
    /// The key's time is over.
    #[error(
        "the public key {id} of {target} expired at {at}; add the next one with \
         `postrider target key add {target} --file PEM --activate`"
    )]
    Expired {
        /// Whose key.
        target: TargetName,
        /// Which one.
        id: PublicKeyId,
        /// Since when.
        at: Timestamp,
    },
}

impl Target {
    /// How a body of this time is wrapped.
    pub fn wrap(&self, now: Timestamp) -> Result<Wrap<'_>, WrapError> {
        match self.payload_type {
            PayloadType::Json => Ok(Wrap::Plain),
            PayloadType::Jwt => Ok(Wrap::Signed(self.web_key(now)?)),
            PayloadType::Jwe => {
                // First what only an operator can mend.
                let recipient = self.encryption_key(now)?;
                Ok(Wrap::Encrypted(self.web_key(now)?, recipient))
            }
        }
    }

    /// The newest one in use; before the first is, the next one: it is published already, and the database's clock, which
    /// says from when it is used, may be ahead of this one.
    fn web_key(&self, now: Timestamp) -> Result<&WebKey, WrapError> {
        let keys = || self.wrapping.web_keys.iter().filter(|key| !key.retired(now));
        (keys().filter(|key| key.active_at <= now).max_by_key(|key| key.active_at))
            .or_else(|| keys().min_by_key(|key| key.active_at))
            .ok_or(WrapError::NoWebKey)
    }

    fn encryption_key(&self, now: Timestamp) -> Result<&EncryptionKey, WrapError> {
        let key = self.wrapping.encryption_key.as_ref();
        let key = key.ok_or_else(|| WrapError::NoPublicKey(self.name.clone()))?;
        match key.expires_at {
            Some(at) if at <= now => Err(WrapError::Expired { target: self.name.clone(), id: key.id.clone(), at }),
            _ => Ok(key),
        }
    }
}

#[cfg(test)]
mod tests;
