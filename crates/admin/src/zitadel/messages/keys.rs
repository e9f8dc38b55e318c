//! Public keys of targets, for which bodies are encrypted.

use domain::{TargetId, Timestamp};
use serde::Serialize;

use super::{LONGEST_ID, required};
use crate::zitadel::{
    errors::ApiError,
    json::{
        Message,
        print::{Bytes, Stamp, is_false},
    },
};

/// In bytes.
const LONGEST_KEY: usize = 8192;

/// What `AddPublicKey` wants. Whether it is a key at all is not looked at here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct AddPublicKey {
    /// Whose.
    pub(crate) target: TargetId,
    /// The key as PEM.
    pub(crate) pem: String,
    /// From when on nothing is encrypted for it.
    pub(crate) expires_at: Option<Timestamp>,
}

impl AddPublicKey {
    pub(crate) fn read(message: &Message<'_>) -> Result<Self, ApiError> {
        let target = target_id(message)?;
        let bytes = message.bytes("publicKey")?.unwrap_or_default();
        if bytes.is_empty() {
            return Err(message.refused("publicKey", "it is needed"));
        }
        if bytes.len() > LONGEST_KEY {
            return Err(message.refused("publicKey", &format!("at most {LONGEST_KEY} bytes are possible")));
        }
        let pem = String::from_utf8(bytes)
            .map_err(|_| message.refused("publicKey", "the base64 of a public key in PEM format is needed"))?;
        Ok(Self { target, pem, expires_at: message.time("expirationDate")? })
    }
}

/// The key that `ActivatePublicKey`, `DeactivatePublicKey` and `RemovePublicKey` are about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct OnePublicKey {
    /// Whose.
    pub(crate) target: TargetId,
    /// Which.
    pub(crate) key: String,
}

impl OnePublicKey {
    pub(crate) fn read(message: &Message<'_>) -> Result<Self, ApiError> {
        Ok(Self { target: target_id(message)?, key: required(message, "keyId", LONGEST_ID)?.to_owned() })
    }
}

/// Whose keys it is about.
pub(crate) fn target_id(message: &Message<'_>) -> Result<TargetId, ApiError> {
    required(message, "targetId", LONGEST_ID).map(TargetId::from)
}

/// A public key in ZITADEL's words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShownPublicKey {
    /// What it is known by: the `kid` of bodies that are encrypted for it.
    pub(crate) key_id: String,
    /// Whether it is the one that bodies are encrypted for.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) active: bool,
    /// The key as PEM.
    pub(crate) public_key: Bytes,
    /// By which people tell keys apart.
    pub(crate) fingerprint: String,
    /// From when on nothing is encrypted for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expiration_date: Option<Stamp>,
    /// When it was added.
    pub(crate) creation_date: Stamp,
    /// When it was activated or deactivated last.
    pub(crate) change_date: Stamp,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn added(value: &Value) -> Result<AddPublicKey, String> {
        Message::root(value).and_then(|message| AddPublicKey::read(&message)).map_err(|error| error.message)
    }

    #[test]
    fn a_key_is_added_as_the_base64_of_its_pem() {
        let key =
            added(&json!({ "targetId": "1", "publicKey": "LS0tLS1CRUdJTg", "expirationDate": "2026-01-01T00:00:00Z" }));
        let expires_at = Some("2026-01-01T00:00:00Z".parse().expect("a time"));
        assert_eq!(key, Ok(AddPublicKey { target: "1".into(), pem: "-----BEGIN".to_owned(), expires_at }));
        let forever = added(&json!({ "target_id": "1", "public_key": "LS0tLS1CRUdJTg==", "expiration_date": null }));
        assert_eq!(forever.map(|key| key.expires_at), Ok(None));
    }

    #[test]
    fn what_cannot_be_a_key_is_refused() {
        let refused = |value: Value, sentence: &str| assert_eq!(added(&value), Err(sentence.to_owned()), "{value}");
        refused(json!({ "publicKey": "AAAA" }), "targetId: it is needed");
        refused(json!({ "targetId": "1" }), "publicKey: it is needed");
        refused(json!({ "targetId": "1", "publicKey": "" }), "publicKey: it is needed");
        refused(json!({ "targetId": "1", "publicKey": "-----BEGIN PUBLIC KEY-----" }), "publicKey: base64 is needed");
        refused(
            json!({ "targetId": "1", "publicKey": "/////w==" }),
            "publicKey: the base64 of a public key in PEM format is needed",
        );
        refused(
            json!({ "targetId": "1", "publicKey": "A".repeat(8193_usize.div_ceil(3) * 4) }),
            "publicKey: at most 8192 bytes are possible",
        );
        refused(
            json!({ "targetId": "1", "publicKey": "AAAA", "expirationDate": "tomorrow" }),
            "expirationDate: a time with its offset is needed, such as \"2025-03-27T10:00:00Z\"",
        );
    }

    #[test]
    fn a_key_is_named_by_its_target_and_its_id() {
        let one = |value: Value| {
            Message::root(&value).and_then(|message| OnePublicKey::read(&message)).map_err(|error| error.message)
        };
        let key = OnePublicKey { target: "1".into(), key: "2".to_owned() };
        assert_eq!(one(json!({ "targetId": "1", "key_id": "2" })), Ok(key));
        assert_eq!(one(json!({ "targetId": "1" })), Err("keyId: it is needed".to_owned()));
        assert_eq!(one(json!({ "targetId": "", "keyId": "2" })), Err("targetId: it must not be empty".to_owned()));
    }

    #[test]
    fn a_key_is_shown_in_zitadels_words() {
        let at = |text: &str| Stamp(text.parse().expect("a time"));
        let key = ShownPublicKey {
            key_id: "2".to_owned(),
            active: false,
            public_key: Bytes(b"-----BEGIN".to_vec()),
            fingerprint: "SHA256:abc".to_owned(),
            expiration_date: None,
            creation_date: at("2025-03-27T10:00:00Z"),
            change_date: at("2025-03-28T10:00:00Z"),
        };
        let mut shown = json!({
            "keyId": "2",
            "publicKey": "LS0tLS1CRUdJTg==",
            "fingerprint": "SHA256:abc",
            "creationDate": "2025-03-27T10:00:00Z",
            "changeDate": "2025-03-28T10:00:00Z",
        });
        assert_eq!(json!(key), shown);
        shown["active"] = json!(true);
        shown["expirationDate"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(
            json!(ShownPublicKey { active: true, expiration_date: Some(at("2026-01-01T00:00:00Z")), ..key }),
            shown
        );
    }
}
