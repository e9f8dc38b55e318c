//! The key that a body is encrypted with, hidden from everybody but the holder of a target's private key (RFC 7518).
//!
//! RSA-OAEP-256 for an RSA key, ECDH-ES+A256KW for one on a curve: what ZITADEL uses, so that its receivers need nothing else.

use aes_kw::{KeyInit as _, KwAes256};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{EncryptionKey, KeyKind};
use p256::{
    NistP256,
    elliptic_curve::{
        AffinePoint, CurveArithmetic, FieldBytesSize, Generate as _, PublicKey,
        ecdh::EphemeralSecret,
        sec1::{FromSec1Point, ModulusSize, ToSec1Point},
    },
    pkcs8::{AssociatedOid, DecodePublicKey as _},
};
use p384::NistP384;
use p521::NistP521;
use rsa::{BigUint, Oaep, RsaPublicKey, pkcs8::SubjectPublicKeyInfoRef, rand_core::OsRng, sha2::Sha256 as OaepSha256};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::jwe::KEY_BYTES;

/// Of the longest RSA key that is taken.
const MOST_BITS: usize = 8192;
/// What wrapping adds to a key.
const WRAPPED_BYTES: usize = KEY_BYTES + 8;
const ECDH: &str = "ECDH-ES+A256KW";

/// A hidden key, and what its receiver needs to find it.
pub(super) struct Hidden {
    /// The header's `alg`.
    pub(super) algorithm: &'static str,
    /// The header's `epk`, for a key on a curve.
    pub(super) ephemeral: Option<EphemeralKey>,
    /// The key itself, encrypted.
    pub(super) key: Vec<u8>,
}

/// The public half of a key that was made for one body.
#[derive(Serialize)]
pub(super) struct EphemeralKey {
    kty: &'static str,
    crv: &'static str,
    x: String,
    y: String,
}

/// Hides a key. `None`: what is said to be the receiver's key is none.
pub(super) fn hide(key: &[u8; KEY_BYTES], recipient: &EncryptionKey) -> Option<Hidden> {
    match recipient.kind {
        KeyKind::Rsa { .. } => encrypt(key, &recipient.der),
        KeyKind::P256 => agree::<NistP256>(key, &recipient.der, "P-256"),
        KeyKind::P384 => agree::<NistP384>(key, &recipient.der, "P-384"),
        KeyKind::P521 => agree::<NistP521>(key, &recipient.der, "P-521"),
    }
}

fn encrypt(key: &[u8; KEY_BYTES], der: &[u8]) -> Option<Hidden> {
    let encrypted = rsa_key(der)?.encrypt(&mut OsRng, Oaep::new::<OaepSha256>(), key).ok()?;
    Some(Hidden { algorithm: "RSA-OAEP-256", ephemeral: None, key: encrypted })
}

/// By its numbers: the crate's own way from DER stops at 4096 bits.
fn rsa_key(der: &[u8]) -> Option<RsaPublicKey> {
    let info = SubjectPublicKeyInfoRef::try_from(der).ok()?;
    let numbers = rsa::pkcs1::RsaPublicKey::try_from(info.subject_public_key.as_bytes()?).ok()?;
    let number = |bytes: &[u8]| BigUint::from_bytes_be(bytes);
    let (n, e) = (number(numbers.modulus.as_bytes()), number(numbers.public_exponent.as_bytes()));
    RsaPublicKey::new_with_max_size(n, e, MOST_BITS).ok()
}

/// Agrees with the receiver on a key, by a key pair made for this body, and wraps the body's key with it.
fn agree<C>(key: &[u8; KEY_BYTES], der: &[u8], curve: &'static str) -> Option<Hidden>
where
    C: CurveArithmetic + AssociatedOid,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let theirs = PublicKey::<C>::from_public_key_der(der).ok()?;
    let ours = EphemeralSecret::<C>::try_generate().ok()?;
    let shared = ours.diffie_hellman(&theirs);
    let wrapping = derive(shared.raw_secret_bytes(), ECDH, b"", b"", 256);
    let mut wrapped = [0; WRAPPED_BYTES];
    KwAes256::new_from_slice(&*wrapping).ok()?.wrap_key(key, &mut wrapped).ok()?;

    let point = ours.public_key().to_sec1_point(false);
    let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (x, y) = (coordinate(point.x()?), coordinate(point.y()?));
    let ephemeral = Some(EphemeralKey { kty: "EC", crv: curve, x, y });
    Some(Hidden { algorithm: ECDH, ephemeral, key: wrapped.to_vec() })
}

/// The Concat KDF with SHA-256, one round of it (RFC 7518, section 4.6.2): a key of up to 256 bits.
fn derive(shared: &[u8], algorithm: &str, apu: &[u8], apv: &[u8], bits: u32) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut hash = Sha256::new().chain_update(1_u32.to_be_bytes()).chain_update(shared);
    for part in [algorithm.as_bytes(), apu, apv] {
        let length = u32::try_from(part.len()).expect("names are short");
        hash = hash.chain_update(length.to_be_bytes()).chain_update(part);
    }
    Zeroizing::new(hash.chain_update(bits.to_be_bytes()).finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_derived_as_in_the_example_of_rfc_7518() {
        // Appendix C: what Alice and Bob share, and what they make of it.
        let shared = [
            158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110, 163, 218, 128,
            106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
        ];
        let derived = derive(&shared, "A128GCM", b"Alice", b"Bob", 128);
        assert_eq!(URL_SAFE_NO_PAD.encode(&derived[..16]), "VqqN6vgjbSBcIijNcacQGg");
    }

    #[test]
    fn the_longest_rsa_key_is_encrypted_for() {
        use rsa::{pkcs8::EncodePublicKey as _, traits::PublicKeyParts as _};
        let (n, e) = ((BigUint::from(1_u8) << (MOST_BITS - 1)) + BigUint::from(1_u8), BigUint::from(65_537_u32));
        let der = RsaPublicKey::new_unchecked(n, e).to_public_key_der().expect("it can be written");
        assert_eq!(rsa_key(der.as_bytes()).map(|key| key.n().bits()), Some(MOST_BITS));
        let hidden = encrypt(&[7; KEY_BYTES], der.as_bytes()).expect("it is a key");
        assert_eq!((hidden.key.len(), hidden.algorithm), (1024, "RSA-OAEP-256"));
    }

    #[test]
    fn what_is_no_key_of_its_kind_is_not_encrypted_for() {
        for kind in [KeyKind::Rsa { bits: 2048 }, KeyKind::P256, KeyKind::P384, KeyKind::P521] {
            let broken = EncryptionKey { id: "1".into(), kind, der: b"\x30\x00".as_slice().into(), expires_at: None };
            assert!(hide(&[7; KEY_BYTES], &broken).is_none(), "{kind}");
        }
    }
}
