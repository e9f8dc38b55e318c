//! Signing keys of targets and web keys at rest: encrypted with the operator's master key, which is never stored.
//!
//! XChaCha20-Poly1305 with a nonce drawn for every key that is written; stored is base64 of the nonce and what is encrypted,
//! and beside it the id of the master key. Whose key it is, the target's id or the web key's, is authenticated along: a row
//! that is copied to another does not open there. A key that was stored before there was a master key stands as it is, and is
//! read all the same.
//!
//! Invariants: no key of either kind is printed or put into an error, and the bytes of a master key are wiped when it goes.

use std::{fmt, str::FromStr};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use chacha20poly1305::{
    Key, XChaCha20Poly1305, XNonce,
    aead::{Aead, Generate as _, KeyInit, Payload},
};
use domain::{SigningKey, TargetId, WebKeyId};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What makes the id of a master key another hash than any that is made of it elsewhere.
const ID_DOMAIN: &[u8] = b"postrider master key id\0";
/// What is authenticated along, before the target's id.
const KEY_DOMAIN: &[u8] = b"postrider signing key\0";
/// The same for a web key, before its own id.
const WEB_KEY_DOMAIN: &[u8] = b"postrider web key\0";
const ID_BYTES: usize = 4;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// With or without the `=` at its end.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// What signing keys and web keys are encrypted with: 32 bytes.
#[derive(Clone)]
pub struct MasterKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: MasterKeyId,
}

/// By what a master key is told from another: eight hexadecimal digits that do not give it away.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct MasterKeyId(String);

/// The master keys of an operator.
#[derive(Clone, Default, Debug)]
pub struct MasterKeys {
    /// Keys are written with this one; without it as they are.
    pub current: Option<MasterKey>,
    /// The one before it: what it sealed is still read.
    pub previous: Option<MasterKey>,
}

/// The text is no master key. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a master key is 32 bytes, as base64 or as 64 hexadecimal digits; `openssl rand -base64 32` makes one")]
pub struct MasterKeyError;

/// Why a stored key cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It was sealed with a master key that is not at hand.
    #[error(
        "is encrypted with the master key {0}, which is not configured; set it as state.master_key, or as state.previous_master_key \
         while another takes its place"
    )]
    UnknownMaster(MasterKeyId),
    /// It was sealed with a known master key, and was changed since.
    #[error(
        "does not open with the master key {0}: what is stored is damaged; restore it from a backup, or put \
         another key in its place (`postrider key rotate-master --help` says how)"
    )]
    Damaged(MasterKeyId),
    /// It was stored as it is, and was changed since.
    #[error(
        "cannot be read: what is stored is damaged; restore it from a backup, or put another key in its place \
         (`postrider key rotate-master --help` says how)"
    )]
    Unreadable,
}

/// A key as its row has it.
pub(super) struct Sealed {
    pub(super) text: String,
    pub(super) with: Option<MasterKeyId>,
}

impl FromStr for MasterKey {
    type Err = MasterKeyError;

    fn from_str(text: &str) -> Result<Self, MasterKeyError> {
        let text = text.trim();
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        if text.len() == 2 * KEY_BYTES {
            hex::decode_to_slice(text, bytes.as_mut_slice()).map_err(|_| MasterKeyError)?;
        } else {
            let url_safe = text.contains(['-', '_']);
            let alphabet = if url_safe { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
            let decoded = GeneralPurpose::new(alphabet, LENIENT).decode(text).map_err(|_| MasterKeyError)?;
            let decoded = Zeroizing::new(decoded);
            *bytes = decoded.as_slice().try_into().map_err(|_| MasterKeyError)?;
        }
        let hash = Sha256::new().chain_update(ID_DOMAIN).chain_update(bytes.as_slice()).finalize();
        Ok(Self { bytes, id: MasterKeyId(hex::encode(&hash[..ID_BYTES])) })
    }
}

impl MasterKey {
    /// By what it is told from others.
    #[must_use]
    pub fn id(&self) -> &MasterKeyId {
        &self.id
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(<&Key>::from(&*self.bytes))
    }

    fn seal(&self, bound_to: &[u8], secret: &str) -> String {
        let nonce = XNonce::generate();
        let payload = Payload { msg: secret.as_bytes(), aad: bound_to };
        let encrypted = self.cipher().encrypt(&nonce, payload).expect("a key is shorter than 256 GB");
        general_purpose::STANDARD.encode([nonce.as_slice(), &encrypted].concat())
    }

    fn open(&self, bound_to: &[u8], text: &str) -> Option<Zeroizing<String>> {
        let stored = general_purpose::STANDARD.decode(text).ok()?;
        let (nonce, encrypted) = stored.split_at_checked(NONCE_BYTES)?;
        let payload = Payload { msg: encrypted, aad: bound_to };
        let opened = self.cipher().decrypt(nonce.try_into().ok()?, payload).ok().map(Zeroizing::new)?;
        Some(Zeroizing::new(std::str::from_utf8(&opened).ok()?.to_owned()))
    }
}

fn of_target(id: &TargetId) -> Vec<u8> {
    [KEY_DOMAIN, id.as_str().as_bytes()].concat()
}

fn of_web_key(id: &WebKeyId) -> Vec<u8> {
    [WEB_KEY_DOMAIN, id.as_str().as_bytes()].concat()
}

impl MasterKeys {
    /// A target's signing key, as it is to be stored.
    pub(super) fn seal(&self, target: &TargetId, key: &SigningKey) -> Sealed {
        self.seal_text(&of_target(target), key.expose())
    }

    /// A target's signing key, as it was before it was stored.
    pub(super) fn open(&self, target: &TargetId, sealed: &Sealed) -> Result<SigningKey, SealError> {
        Ok(self.open_text(&of_target(target), sealed)?.as_str().into())
    }

    /// The private half of a web key, as it is to be stored.
    pub(super) fn seal_web_key(&self, id: &WebKeyId, pkcs8: &[u8]) -> Sealed {
        let text = Zeroizing::new(general_purpose::STANDARD.encode(pkcs8));
        self.seal_text(&of_web_key(id), &text)
    }

    /// The private half of a web key, as it was before it was stored.
    pub(super) fn open_web_key(&self, id: &WebKeyId, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let text = self.open_text(&of_web_key(id), sealed)?;
        general_purpose::STANDARD.decode(&*text).map(Zeroizing::new).map_err(|_| SealError::Unreadable)
    }

    fn seal_text(&self, bound_to: &[u8], secret: &str) -> Sealed {
        match &self.current {
            Some(master) => Sealed { text: master.seal(bound_to, secret), with: Some(master.id.clone()) },
            None => Sealed { text: secret.to_owned(), with: None },
        }
    }

    fn open_text(&self, bound_to: &[u8], sealed: &Sealed) -> Result<Zeroizing<String>, SealError> {
        let Some(id) = &sealed.with else { return Ok(Zeroizing::new(sealed.text.clone())) };
        let mut known = self.current.iter().chain(&self.previous).filter(|master| master.id == *id).peekable();
        if known.peek().is_none() {
            return Err(SealError::UnknownMaster(id.clone()));
        }
        known.find_map(|master| master.open(bound_to, &sealed.text)).ok_or_else(|| SealError::Damaged(id.clone()))
    }
}

impl From<String> for MasterKeyId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

#[cfg(test)]
mod tests;
