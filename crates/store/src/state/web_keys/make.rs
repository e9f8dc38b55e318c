//! A new web key: RSA of 2048 bits, for RS256, which is what ZITADEL makes unless told otherwise, and what every receiver knows.

use rsa::{
    RsaPrivateKey,
    pkcs8::{DecodePublicKey as _, Document, EncodePrivateKey as _, EncodePublicKey as _},
    rand_core::OsRng,
};
use zeroize::Zeroizing;

use crate::{
    StoreError,
    state::public_keys::{Key, read},
};

const BITS: u32 = 2048;

/// Both halves of a key.
pub(super) struct Made {
    /// PKCS#8, as DER.
    pub(super) pkcs8: Zeroizing<Vec<u8>>,
    /// `BEGIN PUBLIC KEY`.
    pub(super) public: String,
}

/// Makes one, beside whatever else is done: it takes some tenths of a second of a processor's time.
pub(super) async fn make(operation: &'static str) -> Result<Made, StoreError> {
    let made = tokio::task::spawn_blocking(pair).await;
    let gave_up = || StoreError::Invalid { operation, reason: "no key could be made".to_owned() };
    made.ok().flatten().ok_or_else(gave_up)
}

fn pair() -> Option<Made> {
    let private = RsaPrivateKey::new(&mut OsRng, BITS as usize).ok()?;
    let der = private.to_public_key().to_public_key_der().map(Document::into_vec).ok()?;
    let pkcs8 = private.to_pkcs8_der().ok()?.to_bytes();
    Some(Made { pkcs8, public: Key::rsa(BITS, der).pem() })
}

/// The two numbers of a public key, as bytes: its modulus and its exponent.
pub(super) fn numbers(pem: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    use rsa::traits::PublicKeyParts as _;
    let key = rsa::RsaPublicKey::from_public_key_der(&read(pem).ok()?.der).ok()?;
    Some((key.n().to_bytes_be(), key.e().to_bytes_be()))
}
