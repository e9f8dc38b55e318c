//! The set of keys that receivers verify JWTs with (RFC 7517): public halves only.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::WebKeyId;
use serde::Serialize;

use super::{PublishedKey, make};

/// What is published, to be served as JSON: `{"keys":[…]}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Jwks {
    /// In the order of their use.
    pub keys: Vec<Jwk>,
}

/// One RSA key to verify signatures of RS256 with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Jwk {
    kid: WebKeyId,
    #[serde(rename = "use")]
    usage: &'static str,
    kty: &'static str,
    alg: &'static str,
    n: String,
    e: String,
}

/// The keys as a set. One whose stored text is damaged is left out: what was signed with it does not verify either way.
#[must_use]
pub fn jwks(keys: &[PublishedKey]) -> Jwks {
    Jwks { keys: keys.iter().filter_map(jwk).collect() }
}

fn jwk(key: &PublishedKey) -> Option<Jwk> {
    let (n, e) = make::numbers(&key.pem)?;
    let number = |bytes: Vec<u8>| URL_SAFE_NO_PAD.encode(bytes);
    Some(Jwk { kid: key.id.clone(), usage: "sig", kty: "RSA", alg: "RS256", n: number(n), e: number(e) })
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;

    use super::*;
    use crate::WebKeyState;

    fn published(id: &str, pem: &str) -> PublishedKey {
        let at = Timestamp::UNIX_EPOCH;
        let pem = pem.to_owned();
        PublishedKey { id: id.into(), state: WebKeyState::Active, pem, created_at: at, active_at: at, retired_at: None }
    }

    #[test]
    fn a_set_has_the_numbers_that_openssl_shows_and_nothing_private() {
        let key = published("77", include_str!("../public_keys/read/samples/rsa2048.pem"));
        let set = serde_json::to_value(jwks(&[key, published("78", "damaged")])).expect("it is JSON");
        // openssl pkey -pubin -in FILE -text: 00:a5:67:da:39:71 … 04:77:f9:79
        let n = set["keys"][0]["n"].as_str().expect("there is a modulus").to_owned();
        let bytes = URL_SAFE_NO_PAD.decode(&n).expect("base64url without padding");
        assert_eq!(
            (bytes.len(), hex::encode(&bytes[..5]), hex::encode(&bytes[252..])),
            (256, "a567da3971".into(), "0477f979".into())
        );
        assert_eq!(
            set,
            serde_json::json!({ "keys": [
                { "kid": "77", "use": "sig", "kty": "RSA", "alg": "RS256", "n": n, "e": "AQAB" },
            ] })
        );
    }
}
