//! A body as it came: JSON, or a token in the compact form that has it inside.
//!
//! A JWT is opened and not verified: who sent it is told by the request's own signature. A JWE cannot be opened here.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::DeserializeOwned};

/// See the module's head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Form {
    Json,
    /// Signed with this key.
    Jwt(String),
    /// Encrypted for this key.
    Jwe(String),
}

#[derive(Deserialize)]
struct Header {
    kid: Option<String>,
}

/// The form of a body, and what is in it where that can be read.
pub fn open<T: DeserializeOwned>(body: &[u8]) -> (Form, Option<T>) {
    let parts: Vec<&[u8]> = body.split(|byte| *byte == b'.').collect();
    let kid = || Some(part::<Header>(parts[0])?.kid.unwrap_or_default());
    match (parts.len(), kid()) {
        (3, Some(kid)) => (Form::Jwt(kid), part(parts[1])),
        (5, Some(kid)) => (Form::Jwe(kid), None),
        _ => (Form::Json, serde_json::from_slice(body).ok()),
    }
}

fn part<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

impl Form {
    /// As targets call it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Jwt(_) => "jwt",
            Self::Jwe(_) => "jwe",
        }
    }

    /// What it was signed with or encrypted for.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Json => None,
            Self::Jwt(key) | Self::Jwe(key) => Some(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(body: &str, form: &Form, inside: Option<&Value>) {
        let (found, read) = open(body.as_bytes());
        assert_eq!((&found, read.as_ref()), (form, inside), "{body}");
    }

    #[test]
    fn tokens_are_told_from_json() {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let (header, payload) = (part(json!({ "alg": "RS256", "kid": "7" })), part(json!({ "sequence": 1 })));
        check(r#"{"a.b":"c.d"}"#, &Form::Json, Some(&json!({ "a.b": "c.d" })));
        check(&format!("{header}.{payload}.AAAA"), &Form::Jwt("7".into()), Some(&json!({ "sequence": 1 })));
        check(&format!("{header}.AA.AA.AA.AA"), &Form::Jwe("7".into()), None);
        check(&format!("{header}.{payload}"), &Form::Json, None);
        check("a.b.c", &Form::Json, None);
        check("", &Form::Json, None);
    }
}
