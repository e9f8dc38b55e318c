//! A public key from the text that somebody hands in: what it must be, and what is said of everything else.
//!
//! Such a text comes from outside, and may be a private key by mistake: no error repeats any of it.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use domain::KeyKind;
use p256::pkcs8::{DecodePublicKey as _, ObjectIdentifier, spki::SubjectPublicKeyInfoRef};
use rsa::{
    BigUint, RsaPublicKey,
    pkcs8::{Document, EncodePublicKey as _},
    traits::PublicKeyParts as _,
};
use sha2::{Digest as _, Sha256};

const SHORTEST_RSA: usize = 2048;
/// Each body is encrypted with it: a key as long as this takes a few milliseconds.
const LONGEST_RSA: usize = 8192;
/// The longest key that is taken comes to some 2 KB.
const LONGEST_TEXT: usize = 16 * 1024;
const LINE: usize = 64;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// Why a text is not taken as a target's public key. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// No PEM at all.
    #[error("this is no public key: a PEM is needed, which begins with -----BEGIN PUBLIC KEY-----")]
    NoPem,
    /// The half that nobody else may have.
    #[error(
        "this is a private key, which stays with the receiver; give its public half: `openssl pkey -in FILE -pubout` makes it"
    )]
    Private,
    /// A key with a name on it.
    #[error("this is a certificate; `openssl x509 -in FILE -noout -pubkey` takes the public key out of it")]
    Certificate,
    /// Some other thing.
    #[error("this PEM holds no public key; one with BEGIN PUBLIC KEY or BEGIN RSA PUBLIC KEY is needed")]
    NoPublicKey,
    /// Which one would be meant?
    #[error("this has more than one PEM in it; give one public key at a time")]
    Several,
    /// Longer than any key.
    #[error("this is longer than any public key that is taken")]
    TooLong,
    /// What is between the lines is not what they say.
    #[error("the PEM is damaged: what is in it is no public key that can be read")]
    Damaged,
    /// Ed25519, DSA, other curves.
    #[error("the key must be RSA, or on one of the curves P-256, P-384 and P-521; this one is of another kind")]
    AnotherKind,
    /// RSA of too few or too many bits.
    #[error("an RSA key must have between 2048 and 8192 bits; this one has {bits}")]
    Bits {
        /// How many it has.
        bits: usize,
    },
    /// Its time would be over before it begins.
    #[error("the key would have expired already; give a time to come, or none")]
    Expired,
}

/// A public key that can be encrypted for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::state) struct Key {
    pub(in crate::state) kind: KeyKind,
    /// A `SubjectPublicKeyInfo`.
    pub(in crate::state) der: Vec<u8>,
}

impl Key {
    /// An RSA key of so many bits, from its `SubjectPublicKeyInfo`.
    pub(in crate::state) fn rsa(bits: u32, der: Vec<u8>) -> Self {
        Self { kind: KeyKind::Rsa { bits }, der }
    }

    /// As people tell keys apart, and as ZITADEL prints it.
    pub(super) fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&self.der)))
    }

    /// In one form, whatever it came in.
    pub(in crate::state) fn pem(&self) -> String {
        pem("PUBLIC KEY", &self.der)
    }
}

/// Bytes between two lines that say what they are.
fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(LINE).map(|line| str::from_utf8(line).expect("base64 is ASCII"));
    let lines: Vec<&str> = lines.collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The key that is in this text.
pub(in crate::state) fn read(text: &str) -> Result<Key, PublicKeyError> {
    let (label, bytes) = block(text)?;
    match label {
        "PUBLIC KEY" => of_any_kind(&bytes),
        "RSA PUBLIC KEY" => of_pkcs1(&bytes),
        "CERTIFICATE" => Err(PublicKeyError::Certificate),
        _ => Err(PublicKeyError::NoPublicKey),
    }
}

/// The only PEM in the text: its label and what is in it. Blanks around lines are what mail and YAML leave behind.
fn block(text: &str) -> Result<(&str, Vec<u8>), PublicKeyError> {
    if text.len() > LONGEST_TEXT {
        return Err(PublicKeyError::TooLong);
    }
    let mut lines = text.lines().map(str::trim);
    let begins = |line: &'_ str| line.starts_with("-----BEGIN ");
    if text.lines().map(str::trim).any(|line| begins(line) && line.contains("PRIVATE KEY")) {
        return Err(PublicKeyError::Private);
    }
    let first = lines.by_ref().find(|line| begins(line)).ok_or(PublicKeyError::NoPem)?;
    let label = first.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"));
    let label = label.ok_or(PublicKeyError::NoPem)?;
    let end = format!("-----END {label}-----");
    let mut inside = String::new();
    loop {
        match lines.next() {
            Some(line) if line == end => break,
            Some(line) => inside.push_str(line),
            None => return Err(PublicKeyError::Damaged),
        }
    }
    if lines.any(begins) {
        return Err(PublicKeyError::Several);
    }
    let bytes = STANDARD.decode(inside).map_err(|_| PublicKeyError::Damaged)?;
    Ok((label, bytes))
}

fn of_any_kind(der: &[u8]) -> Result<Key, PublicKeyError> {
    let info = SubjectPublicKeyInfoRef::try_from(der).map_err(|_| PublicKeyError::Damaged)?;
    let damaged = |_| PublicKeyError::Damaged;
    let kind = match info.algorithm.oid {
        RSA => {
            let inside = info.subject_public_key.as_bytes().ok_or(PublicKeyError::Damaged)?;
            KeyKind::Rsa { bits: bits(&rsa_key(inside)?)? }
        }
        // A curve that is written out, instead of named, is of another kind too.
        EC => match info.algorithm.parameters_oid() {
            Ok(P256) => p256::PublicKey::from_public_key_der(der).map(|_| KeyKind::P256).map_err(damaged)?,
            Ok(P384) => p384::PublicKey::from_public_key_der(der).map(|_| KeyKind::P384).map_err(damaged)?,
            Ok(P521) => p521::PublicKey::from_public_key_der(der).map(|_| KeyKind::P521).map_err(damaged)?,
            Ok(_) | Err(_) => return Err(PublicKeyError::AnotherKind),
        },
        _ => return Err(PublicKeyError::AnotherKind),
    };
    Ok(Key { kind, der: der.to_vec() })
}

fn of_pkcs1(der: &[u8]) -> Result<Key, PublicKeyError> {
    let key = rsa_key(der)?;
    let kind = KeyKind::Rsa { bits: bits(&key)? };
    let der = key.to_public_key_der().map(Document::into_vec).map_err(|_| PublicKeyError::Damaged)?;
    Ok(Key { kind, der })
}

/// From the two numbers of PKCS#1, however long: of one that is too long the length is what is wrong with it.
fn rsa_key(der: &[u8]) -> Result<RsaPublicKey, PublicKeyError> {
    let numbers = rsa::pkcs1::RsaPublicKey::try_from(der).map_err(|_| PublicKeyError::Damaged)?;
    let number = |bytes: &[u8]| BigUint::from_bytes_be(bytes);
    let (n, e) = (number(numbers.modulus.as_bytes()), number(numbers.public_exponent.as_bytes()));
    RsaPublicKey::new_with_max_size(n, e, usize::MAX).map_err(|_| PublicKeyError::Damaged)
}

fn bits(key: &RsaPublicKey) -> Result<u32, PublicKeyError> {
    let bits = key.n().bits();
    if (SHORTEST_RSA..=LONGEST_RSA).contains(&bits) {
        Ok(u32::try_from(bits).expect("8192 fits"))
    } else {
        Err(PublicKeyError::Bits { bits })
    }
}

#[cfg(test)]
mod tests;
