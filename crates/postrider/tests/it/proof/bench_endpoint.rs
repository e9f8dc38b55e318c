//! An endpoint that costs as little as an endpoint can: it counts, and keeps the first request.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Answers 200 to everything, from a thread of its own. Gone when it is dropped.
pub struct Endpoint {
    address: SocketAddr,
    seen: Arc<Seen>,
    _stop: DropGuard,
}

#[derive(Default)]
struct Seen {
    count: AtomicUsize,
    first: OnceLock<(Instant, Vec<u8>)>,
}

impl Endpoint {
    pub fn start() -> Self {
        let seen = Arc::new(Seen::default());
        let stop = CancellationToken::new();
        let (tell, told) = mpsc::channel();
        let (counting, stopped) = (Arc::clone(&seen), stop.clone());
        let serve = async move {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
            tell.send(listener.local_addr().expect("a listener has an address")).expect("somebody waits for it");
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    () = stopped.cancelled() => return,
                    accepted = listener.accept() => {
                        let (stream, _) = accepted.expect("a connection is accepted");
                        connections.spawn(talk(stream, Arc::clone(&counting)));
                    }
                }
            }
        };
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a thread can have a runtime").block_on(serve);
        });
        let address = told.recv().expect("the thread listens");
        Self { address, seen, _stop: stop.drop_guard() }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// How many a second arrived, from the first one to the one with this number.
    pub async fn per_second(&self, count: usize, patience: Duration) -> f64 {
        let counted = async || (self.seen.count.load(Ordering::Relaxed) >= count).then(Instant::now);
        let what = format!("{count} requests have arrived");
        let last = test_support::eventually_within(patience, &what, counted).await;
        let (first, _) = self.seen.first.get().expect("something arrived");
        rate(count - 1, last - *first)
    }

    /// The head and the body of the first request.
    pub fn sample(&self) -> (String, Vec<u8>) {
        let (_, request) = self.seen.first.get().expect("something arrived");
        let end = end_of_head(request).expect("a request has a head");
        let head = String::from_utf8(request[..end].to_vec()).expect("a head is text");
        (head, request[end..].to_vec())
    }
}

/// How many a second.
pub fn rate(count: usize, took: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let count = count as f64;
    count / took.as_secs_f64()
}

async fn talk(mut stream: TcpStream, seen: Arc<Seen>) {
    let _ = stream.set_nodelay(true);
    let mut unread = Vec::with_capacity(8 * 1024);
    loop {
        let whole = end_of_head(&unread).map(|end| end + content_length(&unread[..end]));
        if let Some(whole) = whole.filter(|whole| *whole <= unread.len()) {
            seen.first.get_or_init(|| (Instant::now(), unread[..whole].to_vec()));
            seen.count.fetch_add(1, Ordering::Relaxed);
            unread.drain(..whole);
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
                return;
            }
        } else if !stream.read_buf(&mut unread).await.is_ok_and(|read| read > 0) {
            return;
        }
    }
}

fn end_of_head(request: &[u8]) -> Option<usize> {
    request.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    let at = head.windows(NAME.len()).position(|name| name.eq_ignore_ascii_case(NAME));
    let digits = at.map_or(&[][..], |at| &head[at + NAME.len()..]);
    digits
        .iter()
        .skip_while(|byte| **byte == b' ')
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
}
