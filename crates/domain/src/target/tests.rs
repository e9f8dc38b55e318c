use jiff::Timestamp;

use super::{Endpoint, EndpointError, Start, Target};
use crate::{EventKey, Position, SigningKey, router::tests::target};

fn endpoint(text: &str) -> Endpoint {
    text.parse().expect("an endpoint")
}

#[test]
fn an_endpoint_is_http_or_https_without_credentials() {
    let check = |text: &str, expected: EndpointError| assert_eq!(text.parse::<Endpoint>(), Err(expected), "{text}");
    endpoint("https://crm.example.com/zitadel");
    endpoint("http://127.0.0.1:8080");
    endpoint("http://[::1]:8080/x");
    check("", EndpointError::NoUrl);
    check("crm.example.com", EndpointError::NoUrl);
    check("https://", EndpointError::NoUrl);
    check("ftp://crm.example.com", EndpointError::Scheme);
    check("file:///etc/passwd", EndpointError::Scheme);
    check("https://user@crm.example.com", EndpointError::Credentials);
    check("https://user:secret@crm.example.com", EndpointError::Credentials);
    check("https://:secret@crm.example.com", EndpointError::Credentials);
}

#[test]
fn an_endpoint_is_printed_without_its_path_and_query() {
    let with_token = endpoint("https://crm.example.com:8443/zitadel?token=secret#part");
    assert_eq!(with_token.to_string(), "https://crm.example.com:8443/…");
    assert_eq!(with_token.without_query(), "https://crm.example.com:8443/zitadel");
    assert_eq!(format!("{with_token:?}"), with_token.to_string());
    assert_eq!(with_token.as_str(), "https://crm.example.com:8443/zitadel?token=secret");
    assert_eq!(endpoint("https://crm.example.com").to_string(), "https://crm.example.com/");
}

#[test]
fn why_a_text_is_no_endpoint_is_said_without_the_text() {
    for text in ["https://user:secret@crm.example.com", "secret", "secret://x"] {
        let error = text.parse::<Endpoint>().expect_err("no endpoint");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn a_target_is_printed_without_its_secrets() {
    let mut target = target("crm", &[]);
    target.signing_keys = vec!["secret".into()];
    target.headers = [("Authorization".to_owned(), "Bearer secret".to_owned())].into();
    target.endpoint = endpoint("https://crm.example.com/?token=secret");
    let printed = format!("{target:?}");
    assert!(printed.contains("crm") && !printed.contains("secret"), "{printed}");
}

#[test]
fn a_start_is_now_the_beginning_a_position_or_a_time() {
    let check = |text: &str, expected: Start| {
        assert_eq!(text.parse::<Start>().expect("a start"), expected);
        assert_eq!(expected.to_string(), text, "printed as it was written");
    };
    check("now", Start::Now);
    check("beginning", Start::Beginning);
    check("17", Start::At(Position::from_integer(17)));
    check("1743070963.262665", Start::At("1743070963.262665".parse().expect("a position")));
    check("2025-03-27T10:00:00Z", Start::Time("2025-03-27T10:00:00Z".parse().expect("a time")));
    let other_offset: Start = "2025-03-27T12:00:00+02:00".parse().expect("a start");
    assert_eq!(other_offset.to_string(), "2025-03-27T10:00:00Z");
}

#[test]
fn a_time_without_its_offset_is_no_start() {
    for text in ["", "Now", "yesterday", "2025-03-27", "2025-03-27T10:00:00"] {
        let error = text.parse::<Start>().expect_err("no start");
        assert!(error.to_string().contains("a time with its offset"), "{error}");
    }
}

#[test]
fn a_first_cursor_stands_after_now_and_before_any_other_start() {
    let mut target = target("crm", &[]);
    target.start_position = Position::from_integer(17);
    let mut check = |start: Start, expected: EventKey| {
        target.start = start;
        assert_eq!(target.first_cursor(), expected, "{start}");
    };
    check(Start::Now, EventKey::after(Position::from_integer(17)));
    check(Start::Beginning, EventKey::before(Position::from_integer(17)));
    check(Start::At(Position::from_integer(17)), EventKey::before(Position::from_integer(17)));
}

#[test]
fn a_place_can_be_copied_from_where_it_is_printed() {
    let place: Start = "1795331466.280548/1".parse().expect("a place");
    assert_eq!(place, Start::At("1795331466.280548".parse().expect("a position")));
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time of this century")
}

/// The keys that a call at this second is signed with.
fn check_keys(target: &Target, second: i64, expected: &[&str]) {
    let keys: Vec<_> = target.keys_in_force(at(second)).map(SigningKey::expose).collect();
    assert_eq!(keys, expected, "at {second}");
}

#[test]
fn a_key_that_was_rotated_out_signs_until_its_end_and_not_at_it() {
    let mut target = target("crm", &[]);
    target.signing_keys = vec!["old".into()];
    target.rotate_key("new".into(), Some(at(100)));
    check_keys(&target, 0, &["old", "new"]);
    check_keys(&target, 99, &["old", "new"]);
    check_keys(&target, 100, &["new"]);
    check_keys(&target, 101, &["new"]);
}

#[test]
fn without_a_grace_every_other_key_ends_at_once() {
    let mut target = target("crm", &[]);
    target.signing_keys = vec!["one".into(), "two".into()];
    target.rotate_key("new".into(), None);
    check_keys(&target, 0, &["new"]);
}

#[test]
fn a_second_rotation_never_lengthens_the_life_of_the_oldest_key() {
    let mut target = target("crm", &[]);
    target.signing_keys = vec!["old".into()];
    target.rotate_key("new".into(), Some(at(100)));
    target.rotate_key("newer".into(), Some(at(200)));
    check_keys(&target, 99, &["old", "new", "newer"]);
    check_keys(&target, 100, &["new", "newer"]);
    check_keys(&target, 200, &["newer"]);
    target.rotate_key("newest".into(), Some(at(50)));
    check_keys(&target, 49, &["old", "new", "newer", "newest"]);
    check_keys(&target, 50, &["newest"]);
}
