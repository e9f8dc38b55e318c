//! The endpoint: answers 200 to everything, on one thread, and counts.
//!
//! What it is asked for goes over standard input and output, a line each way: a question is a word of [`Question`], an answer
//! is JSON. It ends when its input does.

use std::{cell::RefCell, net::Ipv4Addr, rc::Rc, time::Duration};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::{JoinSet, LocalSet},
};

use crate::numbers::{monotonic, nanos};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// What the endpoint says first.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listening {
    pub port: u16,
}

/// How much arrived, and when: nanoseconds of the monotonic clock, 0 where nothing has.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Count {
    pub calls: u64,
    pub first: u64,
    pub last: u64,
}

/// The first request, byte for byte.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    pub head: String,
    pub body: String,
}

/// What the endpoint can be asked.
#[derive(Clone, Copy, Debug)]
pub enum Question {
    /// [`Count`].
    Count,
    /// Requests by the number behind `/t` in their path: a list.
    Paths,
    /// When each arrived, in order: a list of nanoseconds.
    Times,
    /// [`Sample`], or null.
    Sample,
}

impl Question {
    pub fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Paths => "paths",
            Self::Times => "times",
            Self::Sample => "sample",
        }
    }
}

#[derive(Default)]
struct Seen {
    count: Count,
    paths: Vec<u64>,
    times: Option<Vec<u64>>,
    sample: Option<Sample>,
}

/// Plays the endpoint until standard input ends.
pub async fn run(times: bool) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("a port is free")?;
    say(&Listening { port: listener.local_addr().context("a listener has an address")?.port() }).await?;
    let seen = Rc::new(RefCell::new(Seen { times: times.then(Vec::new), ..Seen::default() }));
    let serving = LocalSet::new();
    let answering = answer(Rc::clone(&seen));
    serving
        .run_until(async move {
            tokio::select! {
                asked = answering => asked,
                served = serve(listener, seen) => served,
            }
        })
        .await
}

async fn answer(seen: Rc<RefCell<Seen>>) -> Result<()> {
    let mut questions = BufReader::new(tokio::io::stdin()).lines();
    while let Some(question) = questions.next_line().await.context("a question can be read")? {
        let answer = {
            let seen = seen.borrow();
            match question.as_str() {
                "count" => serde_json::to_string(&seen.count),
                "paths" => serde_json::to_string(&seen.paths),
                "times" => serde_json::to_string(&seen.times.as_deref().unwrap_or_default()),
                "sample" => serde_json::to_string(&seen.sample),
                _ => anyhow::bail!("nobody asks {question:?}"),
            }
        };
        write(&answer.context("an answer is JSON")?).await?;
    }
    Ok(())
}

/// One line of JSON to whoever started this process.
pub async fn say(what: &impl Serialize) -> Result<()> {
    write(&serde_json::to_string(what).context("it is JSON")?).await
}

async fn write(line: &str) -> Result<()> {
    let mut out = tokio::io::stdout();
    out.write_all(format!("{line}\n").as_bytes()).await.context("somebody listens")?;
    out.flush().await.context("somebody listens")
}

async fn serve(listener: TcpListener, seen: Rc<RefCell<Seen>>) -> Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.context("a connection is accepted")?;
        connections.spawn_local(talk(stream, Rc::clone(&seen)));
    }
}

/// Serves one connection to its end. A request that is none ends it: the client sees that, and counts it.
async fn talk(mut stream: TcpStream, seen: Rc<RefCell<Seen>>) {
    let _ = stream.set_nodelay(true);
    let mut unread = Vec::with_capacity(8 * 1024);
    loop {
        match Request::parse(&unread) {
            Ok(Some(request)) if request.whole <= unread.len() => {
                seen.borrow_mut().take(&request, &unread, monotonic());
                unread.drain(..request.whole);
                if stream.write_all(OK).await.is_err() {
                    return;
                }
            }
            Ok(_) => {
                if !stream.read_buf(&mut unread).await.is_ok_and(|read| read > 0) {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

/// Where a request stands in what was read.
struct Request {
    head: usize,
    whole: usize,
    path: usize,
}

impl Request {
    /// `None`: its head has not arrived whole.
    fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(head) = request.parse(bytes).context("a request")? else { return Ok(None) };
        let length = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
        let length =
            length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse::<usize>().ok()).unwrap_or(0);
        let path = request.path.and_then(|path| path.strip_prefix("/t")?.parse().ok()).context("a path of ours")?;
        Ok(Some(Self { head, whole: head + length, path }))
    }
}

impl Seen {
    fn take(&mut self, request: &Request, bytes: &[u8], now: Duration) {
        let now = nanos(now);
        if self.count.calls == 0 {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            self.count.first = now;
            self.sample =
                Some(Sample { head: text(&bytes[..request.head]), body: text(&bytes[request.head..request.whole]) });
        }
        self.count.calls += 1;
        self.count.last = now;
        if self.paths.len() <= request.path {
            self.paths.resize(request.path + 1, 0);
        }
        self.paths[request.path] += 1;
        if let Some(times) = &mut self.times {
            times.push(now);
        }
    }
}
