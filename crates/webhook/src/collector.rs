//! Where traces are sent: an OpenTelemetry collector, over HTTP.
//!
//! It is the operator's own, named in the config, so that neither the egress guard nor what holds for targets concerns it. What a
//! span says is not decided here, and what is not taken is not sent again: nothing depends on it.

use std::{collections::BTreeMap, fmt, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout;

use crate::{DeliveryError, wire::trusting_the_system};

/// From connecting to the end of the answer.
const WITHIN: Duration = Duration::from_secs(5);
/// An answer says little; more of it is not read.
const MAX_ANSWER: usize = 64 << 10;

/// Why spans were not taken. Never repeats the collector's path, query or headers.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// It cannot be spoken to.
    #[error("the collector cannot be reached")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    /// It takes too long.
    #[error("the collector did not answer within {WITHIN:?}")]
    Slow,
    /// It refuses them.
    #[error("the collector answered {0}")]
    Refused(u16),
}

/// Why a collector cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CollectorConfigError {
    /// No URL of one.
    #[error("it must be the URL of a collector for traces over HTTP, such as \"http://127.0.0.1:4318/v1/traces\"")]
    Endpoint,
    /// A header that cannot be sent.
    #[error("the header {0:?} cannot be sent")]
    Header(String),
    /// There is no TLS.
    #[error(transparent)]
    Tls(#[from] DeliveryError),
}

/// See the module's head.
pub struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoint: Uri,
    headers: HeaderMap,
}

impl Collector {
    /// Whether this can be the URL of one.
    pub fn check(endpoint: &str) -> Result<(), CollectorConfigError> {
        checked(endpoint).map(drop).ok_or(CollectorConfigError::Endpoint)
    }

    /// One that takes spans at this URL, with headers of the operator's.
    pub fn new(endpoint: &str, own: &BTreeMap<String, String>) -> Result<Self, CollectorConfigError> {
        let endpoint = checked(endpoint).ok_or(CollectorConfigError::Endpoint)?;
        let mut headers = HeaderMap::with_capacity(own.len() + 2);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("postrider/", env!("CARGO_PKG_VERSION"))));
        for (name, value) in own {
            let refused = || CollectorConfigError::Header(name.clone());
            let (known, mut value) = (
                HeaderName::try_from(name).map_err(|_| refused())?,
                HeaderValue::try_from(value).map_err(|_| refused())?,
            );
            value.set_sensitive(true);
            headers.insert(known, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        if let Some(value) = headers.get_mut(AUTHORIZATION) {
            value.set_sensitive(true);
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let connector = HttpsConnector::from((tcp, trusting_the_system()?));
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Ok(Self { client, endpoint, headers })
    }

    /// Hands over an encoded `ExportTraceServiceRequest`, once.
    pub async fn send(&self, spans: Vec<u8>) -> Result<(), CollectorError> {
        let mut request = Request::new(Full::new(Bytes::from(spans)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        *request.headers_mut() = self.headers.clone();
        let exchange = async {
            let answer = self.client.request(request).await.map_err(CollectorError::Unreachable)?;
            let status = answer.status();
            // Read to its end, so that the connection can be used again.
            let _ = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
            if status.is_success() { Ok(()) } else { Err(CollectorError::Refused(status.as_u16())) }
        };
        timeout(WITHIN, exchange).await.unwrap_or(Err(CollectorError::Slow))
    }
}

fn checked(endpoint: &str) -> Option<Uri> {
    let url = url::Url::parse(endpoint).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.has_host();
    (is_plain && ["http", "https"].contains(&url.scheme())).then(|| url.as_str().parse().ok()).flatten()
}

/// Without what may be secret.
impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Collector({})", self.endpoint.host().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_a_url_over_http_without_credentials() {
        for good in ["http://127.0.0.1:4318/v1/traces", "https://otel.example.com/v1/traces?tenant=a"] {
            assert!(checked(good).is_some(), "{good}");
        }
        for bad in ["", "127.0.0.1:4318", "grpc://127.0.0.1:4317", "http://u:p@127.0.0.1/v1/traces", "http://"] {
            assert!(checked(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_is_printed_of_it_has_no_path_and_no_header() {
        let headers = BTreeMap::from([("authorization".to_owned(), "Bearer s3cret".to_owned())]);
        let collector = Collector::new("https://otel.example.com/t0ken?key=s3cret", &headers).expect("it is sound");
        assert_eq!(format!("{collector:?}"), "Collector(otel.example.com)");
        let error = Collector::new("http://h/", &BTreeMap::from([("a b".to_owned(), "s3cret".to_owned())]));
        assert_eq!(error.expect_err("no header is called so").to_string(), "the header \"a b\" cannot be sent");
    }
}
