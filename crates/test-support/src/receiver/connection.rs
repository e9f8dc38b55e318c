//! One connection: as much of HTTP/1.1 as a client needs to be satisfied, or disappointed.

use std::{
    fmt::Write as _,
    io::{self, ErrorKind},
    sync::Arc,
    time::Instant,
};

use bytes::{Buf, Bytes, BytesMut};
use domain::Timestamp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use super::{Behaviour, Shared};
use crate::Arrival;

const HUGE_CHUNK: usize = 64 * 1024;

/// Serves a connection until either side has had enough.
pub(super) async fn talk(stream: TcpStream, number: usize, shared: Arc<Shared>) {
    // An answer is written at once and whole: without this, small ones would wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let mut connection = Connection { stream, number, unread: BytesMut::new() };
    // A client that goes away is no failure of the receiver's.
    while let Ok(Some(arrival)) = connection.request().await {
        match connection.answer(shared.record(arrival)).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
    }
}

struct Connection {
    stream: TcpStream,
    number: usize,
    /// What was received and not yet understood.
    unread: BytesMut,
}

impl Connection {
    /// The next request; `None` when the client has closed the connection between two of them.
    async fn request(&mut self) -> io::Result<Option<Arrival>> {
        let end = loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                break at;
            }
            if !self.receive().await? {
                return Ok(None);
            }
        };
        let head = self.unread.split_to(end + 4);
        let head = std::str::from_utf8(&head).map_err(|_| bad("the head is no text"))?;
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(path)) = (first.next(), first.next()) else { return Err(bad("no request line")) };
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut arrival = Arrival {
            number: 0,
            connection: self.number,
            at: Instant::now(),
            time: now(),
            method: method.to_owned(),
            path: path.to_owned(),
            headers,
            body: Bytes::new(),
            answered: None,
        };
        if arrival.header("expect").is_some_and(|expect| expect.eq_ignore_ascii_case("100-continue")) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        arrival.body = if arrival.header("transfer-encoding").is_some() {
            self.chunks().await?
        } else {
            let length = arrival.header("content-length").unwrap_or("0").parse();
            self.exactly(length.map_err(|_| bad("Content-Length is no number"))?).await?
        };
        (arrival.at, arrival.time) = (Instant::now(), now());
        Ok(Some(arrival))
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Bytes> {
        while self.unread.len() < length {
            if !self.receive().await? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.unread.split_to(length).freeze())
    }

    async fn chunks(&mut self) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let line = loop {
                if let Some(at) = find(&self.unread, b"\r\n") {
                    break self.unread.split_to(at + 2);
                }
                if !self.receive().await? {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            };
            let size = std::str::from_utf8(&line).ok().and_then(|line| line.trim().split(';').next());
            let size = size.and_then(|size| usize::from_str_radix(size, 16).ok());
            let size = size.ok_or_else(|| bad("no size of a chunk"))?;
            body.extend_from_slice(&self.exactly(size).await?);
            self.exactly(2).await?.advance(2);
            if size == 0 {
                return Ok(body.freeze());
            }
        }
    }

    /// Receives a little more; false at the end of the stream.
    async fn receive(&mut self) -> io::Result<bool> {
        self.unread.reserve(4 * 1024);
        Ok(self.stream.read_buf(&mut self.unread).await? > 0)
    }

    /// Whether the connection can be used again.
    async fn answer(&mut self, behaviour: Behaviour) -> io::Result<bool> {
        match behaviour {
            Behaviour::Answer { status, headers, body, after } => {
                if !after.is_zero() {
                    sleep(after).await;
                }
                self.whole(status, &headers, &body).await?;
                return Ok(true);
            }
            Behaviour::Hang => self.gone().await?,
            Behaviour::HangAfterHead => {
                self.stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").await?;
                self.gone().await?;
            }
            Behaviour::Close => {}
            Behaviour::CloseInHead => self.stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await?,
            Behaviour::CloseHalfWay => {
                self.stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await?;
            }
            Behaviour::AnswerThenClose => self.whole(200, &[], "").await?,
            Behaviour::Huge(bytes) => {
                self.stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n").as_bytes()).await?;
                let chunk = vec![b'x'; HUGE_CHUNK];
                let mut rest = bytes;
                while rest > 0 {
                    let part = usize::try_from(rest).map_or(HUGE_CHUNK, |rest| rest.min(HUGE_CHUNK));
                    self.stream.write_all(&chunk[..part]).await?;
                    rest -= part as u64;
                }
                return Ok(true);
            }
            Behaviour::Trickle(bytes, pause) => {
                self.stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n").as_bytes()).await?;
                for _ in 0..bytes {
                    sleep(pause).await;
                    self.stream.write_all(b"x").await?;
                }
                return Ok(true);
            }
            Behaviour::Garbage => self.stream.write_all(b"220 mail.example.com ESMTP\r\n").await?,
        }
        Ok(false)
    }

    async fn whole(&mut self, status: u16, headers: &[(String, String)], body: &str) -> io::Result<()> {
        let mut answer = format!("HTTP/1.1 {status} Told So\r\n");
        for (name, value) in headers {
            write!(answer, "{name}: {value}\r\n").expect("a string takes everything");
        }
        // These have no body, and a length would be wrong.
        if status != 204 && status != 304 {
            write!(answer, "content-length: {}\r\n", body.len()).expect("a string takes everything");
        }
        answer.push_str("\r\n");
        answer.push_str(body);
        self.stream.write_all(answer.as_bytes()).await
    }

    /// Until the client has gone away.
    async fn gone(&mut self) -> io::Result<()> {
        while self.receive().await? {
            self.unread.clear();
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "a receiver is the outside world: its clock is the wall's")]
fn now() -> Timestamp {
    Timestamp::now()
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
