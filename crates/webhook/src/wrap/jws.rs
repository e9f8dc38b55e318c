//! A JWT in the compact form of JWS (RFC 7515): `header.payload.signature`, signed with RS256.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::WebKey;
use ring::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
use serde_json::json;

use super::base64_length;

/// The token. `None`: the stored key is none that can sign, or the system has no random numbers.
///
/// Takes somewhat more than half a millisecond. Making the key ready is a thirtieth of that, and so done each time.
pub(super) fn sign(key: &WebKey, payload: &[u8]) -> Option<String> {
    let pair = KeyPair::from_pkcs8(key.pkcs8()).ok()?;
    let header = json!({ "alg": "RS256", "kid": key.id(), "typ": "JWT" }).to_string();
    let mut signature = vec![0; pair.public().modulus_len()];
    let lengths = [header.len(), payload.len(), signature.len()];
    let mut token = String::with_capacity(2 + lengths.into_iter().map(base64_length).sum::<usize>());
    URL_SAFE_NO_PAD.encode_string(header, &mut token);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature).ok()?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
    Some(token)
}
