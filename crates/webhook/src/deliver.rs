//! One delivery, from the event to the answer: redirects, the second sending, and the time it may take.
//!
//! The target's timeout covers everything: looking up names, connecting, every hop, and reading the answer. When it runs
//! out, what counts is how far the call came: no connection is the endpoint's trouble, no answer is a failure of the
//! event. Once the head of an answer is there its status decides, whatever becomes of the body.

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;
use domain::{Endpoint, Event, Outcome, Position, Target, TargetKind, Timestamp};
use http::StatusCode;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::{
    DeliveryError, DeliveryOptions,
    body::body,
    egress::DialError,
    excerpt::{Excerpt, Keep},
    headers::headers,
    redirect,
    unawaited::Unawaited,
    verdict::{self, host},
    wire::{Hop, Letter, Response, Trouble, Wire},
    wrap::{withheld, wrap},
};

/// One attempt to deliver one event to one target.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// To whom.
    pub target: &'a Target,
    /// What.
    pub event: &'a Event,
    /// The how manieth attempt, from 1.
    pub attempt: u32,
    /// The event that was delivered before, in strict order.
    pub previous: Option<(Position, i64)>,
    /// The cursor's generation: part of the `Webhook-Id`.
    pub generation: i64,
    /// The time of the signature, which is when the call begins.
    pub now: Timestamp,
    /// Whether the beginning of the answer's body is kept.
    pub keep: Keep,
}

/// What became of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// What it means.
    pub outcome: Outcome,
    /// The status of the last answer, if one came.
    pub status: Option<u16>,
    /// From the start of the call to the end of its answer.
    pub duration: Duration,
    /// The beginning of the last answer's body, where [`Call::keep`] asked for it and one came.
    pub body: Option<String>,
}

impl Answer {
    fn without_a_call(outcome: Outcome) -> Self {
        Self { outcome, status: None, duration: Duration::ZERO, body: None }
    }
}

/// Makes calls. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Deliverer {
    wire: Arc<Wire>,
    unawaited: Arc<Unawaited>,
}

impl Deliverer {
    /// Sets up TLS with the system's certificate authorities, and the connection pool.
    pub fn new(options: &DeliveryOptions) -> Result<Self, DeliveryError> {
        Self::with_authorities(options, &[])
    }

    /// As [`Self::new`], and trusts these certificate authorities (PEM) too.
    pub fn with_authorities(options: &DeliveryOptions, authorities: &[&[u8]]) -> Result<Self, DeliveryError> {
        Ok(Self { wire: Arc::new(Wire::new(options, authorities)?), unawaited: Arc::default() })
    }

    /// Makes one call and says what its answer means.
    ///
    /// To a target of kind `async` the call is left to itself, once there is a seat for it: it is delivered at once, and
    /// its answer goes to the log and to whom [`Self::observe_unawaited`] named. A body that cannot be wrapped is not handed over.
    pub async fn deliver(&self, call: Call<'_>) -> Answer {
        match call.target.kind {
            TargetKind::Async => Box::pin(self.hand_over(call)).await,
            _ => match sent(&call) {
                Ok(body) => self.exchange(call, body).await,
                Err(outcome) => Answer::without_a_call(outcome),
            },
        }
    }

    /// Leaves a call to itself, once there is a seat for it.
    async fn hand_over(&self, call: Call<'_>) -> Answer {
        let start = Instant::now();
        let seat = self.unawaited.seat(&call.target.id).await;
        // The signature is of when the call is made, however long the seat was waited for.
        let now = call.now.checked_add(start.elapsed()).unwrap_or(call.now);
        let call = Call { now, ..call };
        let body = match sent(&call) {
            Ok(body) => body,
            Err(outcome) => return Answer::without_a_call(outcome),
        };
        let (deliverer, target, event) = (self.clone(), call.target.clone(), call.event.clone());
        let Call { attempt, previous, generation, keep, .. } = call;
        self.unawaited.hand_over(async move {
            let call = Call { target: &target, event: &event, attempt, previous, generation, now, keep };
            let answer = deliverer.exchange(call, body).await;
            drop(seat);
            deliverer.unawaited.answered(&call, &answer);
        });
        Answer { outcome: Outcome::Delivered, status: None, duration: start.elapsed(), body: None }
    }

    /// Why the egress guard would refuse this endpoint now, if it would. Looks up the name, calls nobody; that a name
    /// has no address is not the guard's business.
    pub async fn refused(&self, endpoint: &Endpoint) -> Option<String> {
        let guard = self.wire.guard();
        let url = endpoint.url();
        let verdict = match (guard.literal(url), url.domain()) {
            (Ok(()), Some(name)) => guard.resolve(name).await.map(drop),
            (verdict, _) => verdict,
        };
        match verdict {
            Err(error @ DialError::Refused(_)) => Some(error.to_string()),
            Ok(()) | Err(DialError::Unresolved(_)) => None,
        }
    }

    /// Tells `observer` what became of every call that is not awaited. Only the first one is taken.
    pub fn observe_unawaited(&self, observer: impl Fn(&Call<'_>, &Answer) + Send + Sync + 'static) {
        self.unawaited.observe(Box::new(observer));
    }

    /// Waits for the calls that nobody awaited; for when no more are made.
    pub async fn finish(&self) {
        self.unawaited.finish().await;
    }

    async fn exchange(&self, call: Call<'_>, body: Bytes) -> Answer {
        let start = Instant::now();
        let within = call.target.timeout;
        let clock = Clock { now: call.now, start, within, deadline: start.checked_add(within) };
        let mut excerpt = Excerpt::default();
        let (outcome, status) = self.follow(&call, &body, &clock, &mut excerpt).await;
        Answer {
            outcome,
            status: status.map(|status| status.as_u16()),
            duration: start.elapsed(),
            body: excerpt.into_text(),
        }
    }

    /// Sends, and sends again where a redirect leads.
    async fn follow(
        &self,
        call: &Call<'_>,
        body: &Bytes,
        clock: &Clock,
        excerpt: &mut Excerpt,
    ) -> (Outcome, Option<StatusCode>) {
        if let Some(error) = too_large(body, call.target) {
            return (Outcome::Failed { error }, None);
        }
        let mut url = Cow::Borrowed(call.target.endpoint.url());
        let mut at_home = true;
        let mut redirects = 0;
        loop {
            *excerpt = Excerpt::default();
            let answer = match self.send(call, at_home, &url, body, clock).await {
                Ok(answer) => answer,
                Err(outcome) => return (outcome, None),
            };
            let status = answer.status();
            let redirected = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
            let retry_after = verdict::retry_after(answer.headers(), clock.now());
            let next = redirected.then(|| redirect::next(&url, answer.headers()));
            *excerpt = Excerpt::of(call.keep, status);
            // The status is known: neither a body that breaks off nor one that never ends changes it.
            let _ = clock.bound(self.wire.drain(&url, answer, call.target.limits.max_answer, excerpt)).await;
            match next {
                None => return (verdict::of_status(&url, status, retry_after), Some(status)),
                Some(Err(why)) => {
                    return (Outcome::Failed { error: format!("{} redirected {why}", host(&url)) }, Some(status));
                }
                Some(Ok(_)) if redirects == redirect::MOST => {
                    let error = format!("{} redirected once more after {} redirects", host(&url), redirect::MOST);
                    return (Outcome::Failed { error }, Some(status));
                }
                Some(Ok(next)) => {
                    at_home &= redirect::same_host(&url, &next);
                    url = Cow::Owned(next);
                    redirects += 1;
                }
            }
        }
    }

    /// Sends over one hop: once more, over a new connection, where a kept-alive one was closed before any answer.
    ///
    /// Away from home, on a host that a redirect led to, the target's own headers are left out.
    async fn send(
        &self,
        call: &Call<'_>,
        at_home: bool,
        url: &Url,
        body: &Bytes,
        clock: &Clock,
    ) -> Result<Response, Outcome> {
        let letter = || Letter { url, headers: headers(call, at_home, body), body };
        let mut hop = Hop::default();
        let mut result = clock.bound(self.wire.send(&mut hop, letter())).await;
        if let Some(Err(Trouble::Closed { reused: true })) = result {
            hop = Hop::default();
            // Boxed, since it is rare: every call would be larger for it.
            result = clock.bound(Box::pin(self.wire.send_afresh(&mut hop, letter()))).await;
        }
        match result {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(trouble)) => Err(trouble.outcome(url)),
            None if hop.sent => {
                Err(Outcome::Failed { error: format!("{} did not answer within {:?}", host(url), clock.within) })
            }
            None => Err(Trouble::Unconnected(format!("timed out after {:?}", clock.within)).outcome(url)),
        }
    }
}

/// What is sent: the body, wrapped as its target wants it at the time of the call. Or why nothing is.
fn sent(call: &Call<'_>) -> Result<Bytes, Outcome> {
    let with = call.target.wrap(call.now).map_err(|why| withheld(&why))?;
    wrap(body(call.event, call.target), with)
}

/// Why a body is not sent, where it is larger than the target takes. Sent again it would be as large: it is the event's own
/// failure.
fn too_large(body: &Bytes, target: &Target) -> Option<String> {
    let most = target.limits.max_request?;
    let bytes = body.len() as u64;
    (bytes > most).then(|| format!("not sent: the request has {bytes} bytes, and the target's max_request is {most}"))
}

/// The time one call may take.
struct Clock {
    /// The time of day at `start`.
    now: Timestamp,
    start: Instant,
    within: Duration,
    /// None for a time that no clock reaches.
    deadline: Option<Instant>,
}

impl Clock {
    fn now(&self) -> Timestamp {
        self.now.checked_add(self.start.elapsed()).unwrap_or(self.now)
    }

    /// What the future gives, or nothing when the time is over.
    async fn bound<F: Future>(&self, future: F) -> Option<F::Output> {
        match self.deadline {
            Some(deadline) => timeout_at(deadline, future).await.ok(),
            None => Some(future.await),
        }
    }
}
