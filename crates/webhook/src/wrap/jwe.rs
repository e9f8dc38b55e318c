//! A token, encrypted, in the compact form of JWE (RFC 7516): `header.key.iv.ciphertext.tag`, with A256GCM.
//!
//! Every token has a key of its own, so that no nonce is ever used twice with one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::EncryptionKey;
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom as _, SystemRandom},
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    base64_length,
    recipient::{self, EphemeralKey},
};

/// Bytes of a key for A256GCM.
pub(super) const KEY_BYTES: usize = 32;

/// What is not encrypted, and authenticated along. The fields are those of ZITADEL's.
#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    enc: &'a str,
    kid: &'a str,
    typ: &'a str,
    /// What is encrypted is a JWT again.
    cty: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    epk: Option<&'a EphemeralKey>,
}

/// The encrypted token. `None`: the key cannot be encrypted for, or the system has no random numbers.
pub(super) fn encrypt(token: String, recipient: &EncryptionKey) -> Option<String> {
    let random = SystemRandom::new();
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let mut nonce = [0; NONCE_LEN];
    random.fill(&mut *key).ok()?;
    random.fill(&mut nonce).ok()?;

    let hidden = recipient::hide(&key, recipient)?;
    let header = Header {
        alg: hidden.algorithm,
        enc: "A256GCM",
        kid: recipient.id.as_str(),
        typ: "JWT",
        cty: "JWT",
        epk: hidden.ephemeral.as_ref(),
    };
    let header = serde_json::to_vec(&header).expect("text can be written to memory as JSON");
    let mut text = String::with_capacity(1024 + base64_length(token.len()));
    URL_SAFE_NO_PAD.encode_string(header, &mut text);

    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*key).ok()?);
    let mut content = token.into_bytes();
    let unique = Nonce::assume_unique_for_key(nonce);
    let tag = cipher.seal_in_place_separate_tag(unique, Aad::from(text.as_bytes()), &mut content).ok()?;
    for part in [&hidden.key, &nonce[..], &content, tag.as_ref()] {
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(part, &mut text);
    }
    Some(text)
}
