//! What an endpoint can do with a request.

use std::time::Duration;

use crate::Arrival;

/// What becomes of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Behaviour {
    /// An answer with a status, after a while.
    Answer {
        /// Its status.
        status: u16,
        /// Its headers, besides `Content-Length`.
        headers: Vec<(String, String)>,
        /// Its body.
        body: String,
        /// How long it takes.
        after: Duration,
    },
    /// No answer until the caller gives up.
    Hang,
    /// The head of a 200 and then nothing until the caller gives up.
    HangAfterHead,
    /// The connection is closed without a byte.
    Close,
    /// The connection is closed in the middle of the head of a 200.
    CloseInHead,
    /// The connection is closed in the middle of the body of a 200.
    CloseHalfWay,
    /// A 200, and then the connection is closed although nothing in the answer says so.
    AnswerThenClose,
    /// A 200 with a body of that many bytes.
    Huge(u64),
    /// A 200 with a body of that many bytes, one at a time with a pause between.
    Trickle(u64, Duration),
    /// Something that is not HTTP.
    Garbage,
}

impl From<u16> for Behaviour {
    fn from(status: u16) -> Self {
        Self::Answer { status, headers: Vec::new(), body: String::new(), after: Duration::ZERO }
    }
}

impl Behaviour {
    /// Sends the caller to another URL.
    #[must_use]
    pub fn redirect(status: u16, to: &str) -> Self {
        Self::from(status).with_header("Location", to)
    }

    /// With one more header, if this is an answer.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// With a body, if this is an answer.
    #[must_use]
    pub fn with_body(mut self, text: &str) -> Self {
        if let Self::Answer { body, .. } = &mut self {
            text.clone_into(body);
        }
        self
    }

    /// After a while, if this is an answer.
    #[must_use]
    pub fn delayed(mut self, by: Duration) -> Self {
        if let Self::Answer { after, .. } = &mut self {
            *after = by;
        }
        self
    }

    /// The status of an answer that the caller can read as one: the head arrives whole.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Answer { status, .. } => Some(*status),
            Self::AnswerThenClose | Self::Huge(_) | Self::Trickle(..) | Self::CloseHalfWay => Some(200),
            Self::Hang | Self::HangAfterHead | Self::Close | Self::CloseInHead | Self::Garbage => None,
        }
    }
}

/// Every nth request meets `behaviour`, beginning with the nth; the others are answered with 200.
pub fn every_nth(n: usize, behaviour: impl Into<Behaviour>) -> impl Fn(usize, &Arrival) -> Behaviour + Send + Sync {
    let behaviour = behaviour.into();
    move |number, _| if (number + 1) % n == 0 { behaviour.clone() } else { 200.into() }
}

/// The first n requests meet `behaviour`; the others are answered with 200.
pub fn first(n: usize, behaviour: impl Into<Behaviour>) -> impl Fn(usize, &Arrival) -> Behaviour + Send + Sync {
    let behaviour = behaviour.into();
    move |number, _| if number < n { behaviour.clone() } else { 200.into() }
}
