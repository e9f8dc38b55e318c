//! One connection, driven by whoever uses it.
//!
//! hyper would have it be a task of its own, which is woken for each request and for each answer, and wakes in turn who waits
//! for it. Here the call polls it: what the kernel has to say wakes the call and nobody else.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::unconstrained};

/// TCP, or TLS over it.
pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// See the module's head.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Until it has ended.
    driver: Option<Box<http1::Connection<Stream, Full<Bytes>>>>,
}

impl Connection {
    /// Nothing is sent before the first request.
    pub(super) async fn over(stream: Stream) -> Result<Self, hyper::Error> {
        let (sender, driver) = http1::handshake(stream).await?;
        Ok(Self { sender, driver: Some(Box::new(driver)) })
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, hyper::Error> {
        // Only the driver answers, and it was polled right before: nobody need be woken. Not being woken, it must not be
        // put off either, as tokio does with who has done much in one go.
        let mut answer = pin!(unconstrained(self.sender.send_request(request)));
        poll_fn(|context| {
            self.drive(context);
            answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await
    }

    /// The next piece of an answer's body.
    pub(super) async fn frame(&mut self, body: &mut Incoming) -> Option<Result<Frame<Bytes>, hyper::Error>> {
        poll_fn(|context| {
            // What is there already needs no driver. To ask for more wakes the driver, which is this call.
            match Pin::new(&mut *body).poll_frame(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => self.drive(context),
                frame @ Poll::Ready(_) => return frame,
            }
            Pin::new(&mut *body).poll_frame(&mut Context::from_waker(Waker::noop()))
        })
        .await
    }

    /// Whether another request can be sent. Leaves nobody to be woken.
    pub(super) fn is_idle(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && self.sender.is_ready()
    }

    fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && Pin::new(driver).poll(context).is_ready()
        {
            // What it came to is told to who waits for an answer.
            self.driver = None;
        }
    }
}
