//! Who has logged in with a browser: a cookie that no script can read and no other site can send, and what it stands for.
//!
//! The cookie is a number drawn at random; the token that was typed in stays in this process, with the secret that this session's
//! forms carry. So a cookie that somebody finds opens nothing once its holder has logged out, the token is not in the browser's
//! files, and a daemon that starts anew asks everybody to log in again. Whether the token is still in force is asked of the state
//! every time ([`super::door`]).

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

const NAME: &str = "postrider_session";
/// A session ends after a working day, or with its browser.
const LASTS: Duration = Duration::from_hours(12);
/// Sessions at a time; beyond that the oldest ends.
const MOST: usize = 1000;

type Hash = [u8; 32];

/// What a cookie stands for.
#[derive(Clone)]
pub(crate) struct Session {
    /// What was typed in.
    pub(crate) token: Zeroizing<String>,
    /// What every form of this session carries, and no other page can know.
    pub(crate) csrf: String,
    begun: Instant,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("begun", &self.begun).finish_non_exhaustive()
    }
}

/// The sessions of this process, by a hash of their cookies: looking one up takes as long for a guess as for a cookie.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<Hash, Session>>);

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl Sessions {
    /// Begins one for a token that is in force. Returns what the cookie says.
    pub(crate) fn begin(&self, token: &str, now: Instant) -> String {
        let [cookie, csrf] = [drawn(), drawn()];
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.runs(now));
        if sessions.len() >= MOST
            && let Some(oldest) = sessions.iter().min_by_key(|(_, session)| session.begun).map(|(hash, _)| *hash)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(hash(&cookie), Session { token: Zeroizing::new(token.to_owned()), csrf, begun: now });
        cookie
    }

    /// What a cookie stands for, unless its session is over.
    pub(crate) fn find(&self, cookie: &str, now: Instant) -> Option<Session> {
        self.lock().get(&hash(cookie)).filter(|session| session.runs(now)).cloned()
    }

    /// Ends one, whoever has kept its cookie.
    pub(crate) fn end(&self, cookie: &str) {
        self.lock().remove(&hash(cookie));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Session>> {
        self.0.lock().expect("nobody panics with it")
    }
}

impl Session {
    fn runs(&self, now: Instant) -> bool {
        now.duration_since(self.begun) < LASTS
    }
}

fn drawn() -> String {
    let [one, other]: [u128; 2] = rand::random();
    format!("{one:032x}{other:032x}")
}

fn hash(cookie: &str) -> Hash {
    Sha256::digest(cookie.as_bytes()).into()
}

/// The cookie of a request, if there is one.
pub(crate) fn cookie_of(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(name, _)| *name == NAME).map(|(_, value)| value.to_owned())
}

/// Whether the browser came over TLS: to us, or to a proxy before us that says so. Nobody but the asker can have said it falsely, and
/// it is their own cookie.
pub(crate) fn is_over_tls(ours: bool, headers: &HeaderMap) -> bool {
    let said = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    ours || said.and_then(|said| said.split(',').next()).is_some_and(|first| first.trim().eq_ignore_ascii_case("https"))
}

/// Sets it.
pub(crate) fn starts(cookie: &str, tls: bool) -> HeaderValue {
    let text = format!("{NAME}={cookie}; {}; Max-Age={}", attributes(tls), LASTS.as_secs());
    let mut value = HeaderValue::try_from(text).expect("what is drawn is letters and digits");
    value.set_sensitive(true);
    value
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
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; postrider_session=x-y; c=d"));
        assert_eq!(cookie_of(&headers).as_deref(), Some("x-y"));
        assert_eq!(cookie_of(&HeaderMap::new()), None);
        let set = starts("x-y", true);
        let set = set.to_str().expect("it is text");
        for part in ["postrider_session=x-y;", "HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
            assert!(set.contains(part), "{set}");
        }
        assert!(!ends(false).to_str().expect("it is text").contains("Secure"));
    }

    #[test]
    fn a_proxy_that_speaks_tls_for_us_is_believed() {
        let said = |proto: &'static str| {
            is_over_tls(
                false,
                &HeaderMap::from_iter([(
                    "x-forwarded-proto".parse().expect("a name"),
                    HeaderValue::from_static(proto),
                )]),
            )
        };
        assert!(is_over_tls(true, &HeaderMap::new()) && !is_over_tls(false, &HeaderMap::new()));
        assert!(said("https") && said("HTTPS, http") && !said("http") && !said("http, https"));
    }

    #[test]
    fn a_session_ends_when_its_holder_says_so_or_after_a_day_and_never_tells_the_token() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let [one, other] = [sessions.begin("pr_a_b", now), sessions.begin("pr_a_b", now)];
        assert!(one != other && !one.contains("pr_a_b"));
        let found = sessions.find(&one, now).expect("it was begun");
        assert_eq!(*found.token, "pr_a_b");
        assert!(found.csrf != sessions.find(&other, now).expect("it was begun").csrf);
        assert!(!format!("{found:?}").contains("pr_a_b"));
        assert!(sessions.find("a guess", now).is_none());
        sessions.end(&one);
        assert!(sessions.find(&one, now).is_none());
        assert!(sessions.find(&other, now + LASTS / 2).is_some());
        assert!(sessions.find(&other, now + LASTS).is_none());
    }

    #[test]
    fn there_are_never_more_sessions_than_there_is_room_for() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let first = sessions.begin("pr_a_b", now);
        let later = now + Duration::from_secs(1);
        for _ in 0..MOST {
            sessions.begin("pr_a_b", later);
        }
        assert_eq!(sessions.lock().len(), MOST);
        assert!(sessions.find(&first, later).is_none());
    }
}
