//! Where a redirect leads, and whether it is followed.

use http::header::{HeaderMap, LOCATION};
use url::Url;

/// Redirects that are followed in one call.
pub(crate) const MOST: usize = 5;

/// Where to send the same request next, or why not.
pub(crate) fn next(from: &Url, headers: &HeaderMap) -> Result<Url, &'static str> {
    let location = headers.get(LOCATION).ok_or("without a Location")?;
    let location = location.to_str().map_err(|_| "with a Location that is no text")?;
    let mut to = from.join(location).map_err(|_| "with a Location that is no URL")?;
    match (from.scheme(), to.scheme()) {
        ("https", "http") => return Err("from https to http, which is not followed"),
        (_, "http" | "https") => {}
        _ => return Err("to something other than http or https"),
    }
    if !to.username().is_empty() || to.password().is_some() {
        return Err("to a URL with credentials in it, which is not followed");
    }
    to.set_fragment(None);
    Ok(to)
}

/// Whether what is meant for the target alone may go along: the same host and port, or the same host on the way from
/// http to https.
pub(crate) fn same_host(from: &Url, to: &Url) -> bool {
    let ports = (from.port_or_known_default(), to.port_or_known_default());
    from.host() == to.host() && (ports.0 == ports.1 || ports == (Some(80), Some(443)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, location: &str, expected: Result<&str, &'static str>) {
        let headers = HeaderMap::from_iter([(LOCATION, location.parse().expect("a valid value"))]);
        let next = next(&from.parse().expect("a valid URL"), &headers);
        assert_eq!(next.as_ref().map(Url::as_str), expected.as_ref().map(|text| *text), "{from} to {location}");
    }

    #[test]
    fn a_redirect_leads_to_http_or_https_and_never_back_to_http() {
        check("http://a/x/y", "z?q#f", Ok("http://a/x/z?q"));
        check("http://a/x", "//b/z", Ok("http://b/z"));
        check("http://a/x", "https://a/x", Ok("https://a/x"));
        check("https://a/x", "/y", Ok("https://a/y"));
        check("https://a/x", "http://a/x", Err("from https to http, which is not followed"));
        check("http://a/x", "ftp://a/x", Err("to something other than http or https"));
        check("http://a/x", "file:///etc/passwd", Err("to something other than http or https"));
        check("http://a/x", "http://user:secret@a/", Err("to a URL with credentials in it, which is not followed"));
        check("http://a/x", "http://[::", Err("with a Location that is no URL"));
        assert_eq!(next(&"http://a".parse().expect("a valid URL"), &HeaderMap::new()), Err("without a Location"));
    }

    #[test]
    fn a_port_makes_another_host_unless_it_is_the_way_to_https() {
        for (from, to, same) in [
            ("http://a/x", "http://a/y", true),
            ("http://a/x", "https://a/x", true),
            ("http://a/x", "http://a:80/x", true),
            ("http://a:8080/x", "http://a:8081/x", false),
            ("http://a:8080/x", "https://a/x", false),
            ("http://a/x", "http://b.a/x", false),
        ] {
            let (from, to) = (from.parse().expect("a valid URL"), to.parse().expect("a valid URL"));
            assert_eq!(same_host(&from, &to), same, "{from} to {to}");
        }
    }
}
