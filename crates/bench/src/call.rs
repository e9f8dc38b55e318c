//! The bare client: so many loops side by side, each making one call after the other, and nothing else.
//!
//! Each call is the one that the daemon made first, byte for byte, but that its signature is made anew over the body, as the
//! daemon must make it. Two clients can be had: reqwest, and the pooled one beneath it, with which the daemon calls.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use domain::SigningKey;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, StatusCode, Uri,
    header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue},
};
use hyper_util::{
    client::legacy::{Client as Pooled, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustix::time::{ClockId, clock_gettime};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    task::JoinSet,
};

use crate::{
    cli::{Call, Client},
    house::KEY,
    receive::{Sample, say},
};

const SIGNATURE: HeaderName = HeaderName::from_static("zitadel-signature");

/// Plays the client. Reads the call to make as a line of JSON, says it is ready, makes the calls once it is told to, says that
/// they are made, and stays until its input ends, so that its processor time can be read.
pub async fn run(call: Call) -> Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let line = lines.next_line().await?.context("the call to make comes first")?;
    let letter = Arc::new(Letter::of(&serde_json::from_str(&line).context("a sample of a call")?)?);
    let caller = Caller::new(call.client, call.loops)?;
    say(&true).await?;
    lines.next_line().await?.context("somebody says when to begin")?;
    let mut loops = JoinSet::new();
    for number in 0..call.loops {
        let (letter, caller) = (Arc::clone(&letter), caller.clone());
        let url = format!("http://127.0.0.1:{}/t{number}", call.port);
        loops.spawn(async move { caller.call(&url, &letter, call.each).await });
    }
    while let Some(ended) = loops.join_next().await {
        ended.context("a loop does not panic")??;
    }
    say(&true).await?;
    while lines.next_line().await?.is_some() {}
    Ok(())
}

/// What every call is made of.
struct Letter {
    headers: HeaderMap,
    body: Bytes,
    key: SigningKey,
}

impl Letter {
    fn of(sample: &Sample) -> Result<Self> {
        let mut headers = HeaderMap::new();
        for (name, value) in sample.head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
            headers.append(HeaderName::try_from(name)?, HeaderValue::from_str(value.trim())?);
        }
        // Those that a client sets itself.
        headers.remove(HOST);
        headers.remove(CONTENT_LENGTH);
        ensure!(headers.contains_key(SIGNATURE), "the daemon signs its calls");
        Ok(Self { headers, body: sample.body.clone().into(), key: KEY.into() })
    }

    /// The headers of one more call, signed anew.
    fn signed(&self) -> HeaderMap {
        let now = clock_gettime(ClockId::Realtime).tv_sec;
        let signature = domain::sign(&self.body, now, [&self.key]);
        let mut headers = self.headers.clone();
        headers.insert(SIGNATURE, HeaderValue::try_from(signature).expect("a signature is digits and letters"));
        headers
    }
}

#[derive(Clone)]
enum Caller {
    Reqwest(reqwest::Client),
    HyperUtil(Pooled<HttpConnector, Full<Bytes>>),
}

impl Caller {
    fn new(client: Client, loops: usize) -> Result<Self> {
        Ok(match client {
            Client::Reqwest => {
                // It wants to be able to do TLS, also where it never does.
                let _ = rustls::crypto::ring::default_provider().install_default();
                let client = reqwest::Client::builder()
                    .http1_only()
                    .tcp_nodelay(true)
                    .no_proxy()
                    .referer(false)
                    .redirect(reqwest::redirect::Policy::none())
                    .retry(reqwest::retry::never())
                    .pool_max_idle_per_host(loops);
                Self::Reqwest(client.build().context("a client can be made")?)
            }
            Client::HyperUtil => {
                let mut connector = HttpConnector::new();
                connector.set_nodelay(true);
                let mut pooled = Pooled::builder(TokioExecutor::new());
                Self::HyperUtil(pooled.pool_max_idle_per_host(loops).build(connector))
            }
        })
    }

    /// One call after the other.
    async fn call(&self, url: &str, letter: &Letter, times: usize) -> Result<()> {
        match self {
            Self::Reqwest(client) => {
                let url = reqwest::Url::parse(url)?;
                for _ in 0..times {
                    let mut request = reqwest::Request::new(Method::POST, url.clone());
                    *request.headers_mut() = letter.signed();
                    *request.body_mut() = Some(letter.body.clone().into());
                    let answer = client.execute(request).await.context("the endpoint answers")?;
                    ensure!(answer.status() == StatusCode::OK, "the endpoint answered {}", answer.status());
                    answer.bytes().await.context("the answer can be read")?;
                }
            }
            Self::HyperUtil(client) => {
                let uri = Uri::try_from(url)?;
                for _ in 0..times {
                    let mut request = Request::new(Full::new(letter.body.clone()));
                    *request.method_mut() = Method::POST;
                    *request.uri_mut() = uri.clone();
                    *request.headers_mut() = letter.signed();
                    let answer = client.request(request).await.context("the endpoint answers")?;
                    ensure!(answer.status() == StatusCode::OK, "the endpoint answered {}", answer.status());
                    answer.into_body().collect().await.context("the answer can be read")?;
                }
            }
        }
        Ok(())
    }
}
