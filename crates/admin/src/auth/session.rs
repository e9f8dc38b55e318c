//! The cookie of a browser that logged in: the token itself, which no script can read and no other site can send.

use axum::http::{HeaderMap, HeaderValue, header};

const NAME: &str = "postrider_session";
/// A browser forgets it after a working day, or with its session.
const SECONDS: u32 = 12 * 60 * 60;

/// The token in the cookie, if there is one.
pub(crate) fn cookie_of(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(name, _)| *name == NAME).map(|(_, value)| value.to_owned())
}

/// Sets it. `None`: the text cannot be a token.
pub(crate) fn starts(token: &str, tls: bool) -> Option<HeaderValue> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !token.bytes().all(is_token) {
        return None;
    }
    let mut value = HeaderValue::try_from(format!("{NAME}={token}; {}; Max-Age={SECONDS}", attributes(tls))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Takes it away.
pub(crate) fn ends(tls: bool) -> HeaderValue {
    HeaderValue::try_from(format!("{NAME}=; {}; Max-Age=0", attributes(tls))).expect("it is plain text")
}

fn attributes(tls: bool) -> String {
    let secure = if tls { "; Secure" } else { "" };
    format!("Path=/; HttpOnly; SameSite=Strict{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_and_is_out_of_reach_of_scripts_and_sites() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; postrider_session=pr_x_y; c=d"));
        assert_eq!(cookie_of(&headers).as_deref(), Some("pr_x_y"));
        assert_eq!(cookie_of(&HeaderMap::new()), None);
        let set = starts("pr_x_y", true).expect("it is a token");
        let set = set.to_str().expect("it is text");
        for part in ["postrider_session=pr_x_y;", "HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
            assert!(set.contains(part), "{set}");
        }
        assert!(!ends(false).to_str().expect("it is text").contains("Secure"));
        assert_eq!(starts("pr_x; Path=/evil", true), None);
    }
}
