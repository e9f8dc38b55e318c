//! One call: made, measured, told.

use std::{future::Future, sync::Arc};

use domain::{
    CursorState, InstanceId, Outcome, Target, TargetKind,
    window::{Send, Ticket, Window},
};
use tokio::task::{JoinError, JoinSet};
use tracing::{debug, info, warn};
use webhook::{Answer, Call};

use super::Courier;
use crate::{Retry, clock};

/// The calls under way, each a task of its own: a call begins when it is made and goes on while its courier waits for the
/// database. Begun later, it could be made when the lease is long another's.
#[derive(Default)]
pub(super) struct UnderWay(JoinSet<(Ticket, Answer)>);

impl UnderWay {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Boxed, since a call is large and a task is moved about before it begins.
    pub fn begin(&mut self, call: impl Future<Output = (Ticket, Answer)> + std::marker::Send + 'static) {
        self.0.spawn(Box::pin(call));
    }

    /// The next that ends; `None` when none is under way.
    pub async fn next(&mut self) -> Option<(Ticket, Answer)> {
        self.0.join_next().await.and_then(ended)
    }

    /// One that has ended already.
    pub fn next_ended(&mut self) -> Option<(Ticket, Answer)> {
        self.0.try_join_next().and_then(ended)
    }
}

/// A call that broke down breaks its courier down. None is aborted while its courier is there to ask.
fn ended(call: Result<(Ticket, Answer), JoinError>) -> Option<(Ticket, Answer)> {
    match call.map_err(JoinError::try_into_panic) {
        Ok(answer) => Some(answer),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_)) => None,
    }
}

impl Courier {
    /// Makes a call. For a target of kind `async` it ends when the call is handed over.
    pub(super) fn call(
        &self,
        send: Send,
        generation: i64,
    ) -> impl Future<Output = (Ticket, Answer)> + std::marker::Send + use<> {
        let target = Arc::clone(&self.target.borrow());
        let shared = Arc::clone(&self.shared);
        let figures = Arc::clone(&self.figures);
        async move {
            let call = Call {
                target: &target,
                event: send.event(),
                attempt: send.attempt,
                previous: send.previous,
                generation,
                now: clock::wall(),
                keep: shared.attempts.keep(),
            };
            let answer = shared.deliverer.deliver(call).await;
            if target.kind != TargetKind::Async {
                figures.called(&answer.outcome, answer.duration);
                shared.attempts.made(&call, &answer);
            }
            (send.ticket, answer)
        }
    }
}

/// Tells the window what came of a call, and the operator what changed by it.
pub(super) fn record(
    window: &mut Window,
    ticket: Ticket,
    answer: &Answer,
    delays: &Retry,
    target: &Target,
    instance: &InstanceId,
) {
    let before = window.state().0;
    // Those that were told already and are not committed yet.
    let told = window.newly_parked().count();
    window.record(ticket, &answer.outcome, clock::now(), &mut |nth| delays.delay(nth));
    let (after, reason) = window.state();
    let name = &target.name;
    if let Outcome::Failed { error } | Outcome::Unavailable { error, .. } = &answer.outcome {
        debug!(target = %name, %instance, error, "a call failed");
    }
    match (before, after) {
        (CursorState::Holding, CursorState::Holding) | (CursorState::Halted, CursorState::Halted) => {}
        (_, CursorState::Holding) => {
            warn!(target = %name, %instance, reason, "the endpoint is in trouble: holding, nothing is lost or counted");
        }
        (_, CursorState::Halted) => {
            warn!(target = %name, %instance, reason, "halted: nothing more is sent until an operator acts");
        }
        (CursorState::Holding, _) => info!(target = %name, %instance, "the endpoint answers again"),
        (before, CursorState::Retrying) if before != CursorState::Retrying => {
            info!(target = %name, %instance, reason, "an event failed and is tried again");
        }
        _ => {}
    }
    for parked in window.newly_parked().skip(told) {
        warn!(
            target = %name, %instance, event = %parked.key, event_type = %parked.event_type,
            failures = parked.failure_count, error = parked.error,
            "parked: it failed too often; see `postrider failed list`"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{Cursor, CursorId, EventKey, Position, Timestamp, window::Shape};
    use tokio::sync::oneshot;

    use super::*;

    /// A ticket of a window that sends its first event.
    fn ticket() -> Ticket {
        let key = EventKey { aggregate_id: "a".into(), sequence: 1, ..EventKey::before(Position::from_integer(1)) };
        let event = domain::Event {
            key,
            event_type: "user.added".into(),
            revision: None,
            created_at: Timestamp::UNIX_EPOCH,
            payload: None,
            creator: String::new(),
            owner: String::new(),
        };
        let cursor = Cursor::new(CursorId(1), "t".into(), "".into(), EventKey::before(Position::ZERO));
        let shape = Shape { ordering: domain::Ordering::Strict, max_in_flight: 1, lookahead: 1, max_bytes: 1 };
        let mut window = Window::resume(domain::window::Policy::default(), shape, &cursor, Vec::new());
        window.offer(Arc::new(domain::Row::Event(event)), false, clock::now());
        match window.next(clock::now()) {
            domain::window::Step::Send(send) => send.ticket,
            other => panic!("the only event is sent, and not: {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_call_begins_and_ends_while_nobody_asks_for_its_answer() {
        let (ticket, (begun, has_begun)) = (ticket(), oneshot::channel());
        let mut calls = UnderWay::default();
        calls.begin(async move {
            begun.send(()).expect("somebody waits for it");
            let answer =
                Answer { outcome: Outcome::Delivered, status: Some(200), duration: Duration::ZERO, body: None };
            (ticket, answer)
        });
        has_begun.await.expect("it has begun by itself");
        let (ended, answer) = calls.next().await.expect("it is under way");
        assert_eq!((ended, answer.status), (ticket, Some(200)));
        assert!(calls.is_empty() && calls.next_ended().is_none());
    }
}
