//! The files of the pages: in the binary, and named by what is in them, so that browsers keep them for good and never have an old
//! one.

use std::sync::LazyLock;

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::house::House;

const FOR_GOOD: &str = "public, max-age=31536000, immutable";

/// A file of the pages.
#[derive(Debug)]
pub(super) struct Asset {
    /// As it is asked for.
    name: String,
    kind: &'static str,
    content: &'static str,
}

pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("console", "css", "text/css; charset=utf-8", include_str!("../../assets/console.css")));
pub(super) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("console", "js", "text/javascript; charset=utf-8", include_str!("../../assets/console.js"))
});
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("../../assets/icon.svg")));

impl Asset {
    fn new(stem: &str, end: &str, kind: &'static str, content: &'static str) -> Self {
        let digest = Sha256::digest(content.as_bytes());
        let short = URL_SAFE_NO_PAD.encode(&digest[..6]);
        Self { name: format!("{stem}-{short}.{end}"), kind, content }
    }

    /// For a page.
    pub(super) fn address(&self) -> String {
        format!("/assets/{}", self.name)
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let tag = format!("\"{}\"", self.name);
        let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
        let described = [
            (header::CONTENT_TYPE, self.kind.to_owned()),
            (header::CACHE_CONTROL, FOR_GOOD.to_owned()),
            (header::ETAG, tag),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            // A picture may be opened by itself, and could hold a script then.
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'".to_owned()),
        ];
        if known {
            (StatusCode::NOT_MODIFIED, described).into_response()
        } else {
            (described, self.content).into_response()
        }
    }
}

/// Before the door: there is nothing in them.
pub(super) fn routes() -> Router<House> {
    Router::new().route("/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let known = [&*STYLE, &*SCRIPT, &*ICON].into_iter().find(|asset| asset.name == name);
    known.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |asset| asset.answer(&headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_kept_for_good_and_have_the_type_that_browsers_ask_for() {
        for (asset, kind) in [(&STYLE, "text/css"), (&SCRIPT, "text/javascript"), (&ICON, "image/svg+xml")] {
            let name = asset.address().trim_start_matches("/assets/").to_owned();
            let answer = super::asset(Path(name.clone()), HeaderMap::new()).await;
            assert_eq!(answer.status(), StatusCode::OK);
            let said = |name: header::HeaderName| answer.headers()[name].to_str().expect("it is text").to_owned();
            assert!(said(header::CONTENT_TYPE).starts_with(kind));
            assert!(said(header::CACHE_CONTROL).contains("immutable"));
            let known = HeaderMap::from_iter([(header::IF_NONE_MATCH, said(header::ETAG).parse().expect("a tag"))]);
            assert_eq!(super::asset(Path(name), known).await.status(), StatusCode::NOT_MODIFIED);
        }
        let other = super::asset(Path("console.css".to_owned()), HeaderMap::new()).await;
        assert_eq!(other.status(), StatusCode::NOT_FOUND);
    }
}
