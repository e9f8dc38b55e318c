//! One request over loopback, written by hand: what is asked is exactly what a test says.

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};

/// What came back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its head.
    pub head: String,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// The body, which is JSON.
    ///
    /// # Panics
    /// If it is not.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {} {:?}", self.status, self.body))
    }

    /// The body of a request that went well.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "that it went well may be all that matters")]
    pub fn good(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()
    }

    /// The value of a header, by its name in whatever case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Asks `METHOD /path` of an address, with these headers and this body. `None`: the connection was closed without an answer.
pub async fn ask(address: &str, asked: &str, headers: &[(&str, &str)], body: &str) -> Option<Answer> {
    ask_over(TcpStream::connect(address).await.ok()?, asked, headers, body).await
}

/// The same over a connection that is there.
pub async fn ask_over<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    asked: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let headers: String = headers.iter().map(|(name, value)| [*name, ": ", *value, "\r\n"].concat()).collect();
    let length = body.len();
    let request = format!(
        "{asked} HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    // A peer over TLS may end without saying goodbye.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
