//! A server on loopback that reads requests whole and answers them byte for byte as a test says.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Request line and headers, without the empty line.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Which connection, from 0.
    pub(crate) connection: usize,
    /// Which request on its connection, from 0.
    pub(crate) nth: usize,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// What is done with a request.
pub(crate) enum Reply {
    /// These bytes, then the next request.
    Send(String),
    /// These bytes, then the connection is closed.
    SendAndClose(String),
    /// These bytes one after the other, with pauses, then the next request.
    SendInPieces(&'static [&'static str]),
    /// These bytes, and then nothing.
    SendAndHang(String),
    /// These bytes, then so many more, as far as anybody takes them.
    SendMuch(String, usize),
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    written: Arc<Mutex<usize>>,
    _accepting: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(reply: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (received, written) = (Arc::<Mutex<Vec<Received>>>::default(), Arc::<Mutex<usize>>::default());
        let (log, count, reply) = (Arc::clone(&received), Arc::clone(&written), Arc::new(reply));
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (log, count, reply) = (Arc::clone(&log), Arc::clone(&count), Arc::clone(&reply));
                connections.spawn(async move { serve(stream, connection, &log, &count, &*reply).await });
            }
        });
        Self { address, received, written, _accepting: accepting }
    }

    pub(crate) async fn answering(answer: &'static str) -> Self {
        Self::start(move |_| Reply::Send(answer.to_owned())).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no test panicked while holding it").clone()
    }

    /// Bytes of a [`Reply::SendMuch`] that the system took.
    pub(crate) fn written(&self) -> usize {
        *self.written.lock().expect("no test panicked while holding it")
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    log: &Mutex<Vec<Received>>,
    written: &Mutex<usize>,
    reply: &(dyn Fn(&Received) -> Reply + Send + Sync),
) {
    let mut buffer = Vec::new();
    for nth in 0.. {
        let Some((head, body)) = read(&mut stream, &mut buffer).await else { return };
        let request = Received { head, body, connection, nth };
        let reply = reply(&request);
        log.lock().expect("no test panicked while holding it").push(request);
        match reply {
            Reply::Send(bytes) => drop(stream.write_all(bytes.as_bytes()).await),
            Reply::SendInPieces(pieces) => {
                for piece in pieces {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    drop(stream.write_all(piece.as_bytes()).await);
                }
            }
            Reply::SendAndClose(bytes) => {
                drop(stream.write_all(bytes.as_bytes()).await);
                return;
            }
            Reply::SendAndHang(bytes) => {
                drop(stream.write_all(bytes.as_bytes()).await);
                std::future::pending::<()>().await;
            }
            Reply::SendMuch(bytes, much) => {
                drop(stream.write_all(bytes.as_bytes()).await);
                let piece = vec![b'x'; 64 * 1024];
                for _ in 0..much / piece.len() {
                    if stream.write_all(&piece).await.is_err() {
                        return;
                    }
                    *written.lock().expect("no test panicked while holding it") += piece.len();
                }
            }
        }
    }
}

/// The next request, framed by its `Content-Length`; nothing when the connection is closed.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).expect("heads are ASCII");
            let length = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, length)| length.parse().expect("a number"));
            if buffer.len() >= end + 4 + length {
                let body = buffer[end + 4..end + 4 + length].to_vec();
                buffer.drain(..end + 4 + length);
                return Some((head, body));
            }
        }
        let mut piece = vec![0; 16 * 1024];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => buffer.extend_from_slice(&piece[..read]),
        }
    }
}
