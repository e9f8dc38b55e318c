//! One call: made, measured, told.

use std::{future::Future, pin::Pin, sync::Arc};

use domain::{
    CursorState, InstanceId, LogEvent, Outcome, Target, TargetKind,
    window::{Send, Ticket, Window},
};
use tokio::task::{JoinError, JoinSet};
use tracing::{debug, info, warn};
use webhook::{Answer, Call};

use super::Courier;
use crate::{Retry, clock, traces::PageSpan};

type Calling = Pin<Box<dyn Future<Output = (Ticket, Answer)> + std::marker::Send>>;

/// The calls under way. A call begins when it is made and goes on while its courier waits for the database: begun later, it
/// could be made when the lease is long another's. So each is a task of its own, but for one that the courier waits for and
/// for nothing else: that is the courier's, which saves the ways to a task and back, until it turns to something else
/// ([`Self::let_go_on`]).
#[derive(Default)]
pub(super) struct UnderWay {
    tasks: JoinSet<(Ticket, Answer)>,
    waited_for: Option<Calling>,
}

impl UnderWay {
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.waited_for.is_none()
    }

    /// Begins a call. Where the courier waits for it `at_once`, it begins with [`Self::next`].
    ///
    /// Boxed, since a call is large and a task is moved about before it begins.
    pub fn begin(&mut self, at_once: bool, call: impl Future<Output = (Ticket, Answer)> + std::marker::Send + 'static) {
        if at_once && self.is_empty() {
            self.waited_for = Some(Box::pin(call));
        } else {
            self.let_go_on();
            self.tasks.spawn(Box::pin(call));
        }
    }

    /// The courier turns to something else, and the calls go on.
    pub fn let_go_on(&mut self) {
        if let Some(call) = self.waited_for.take() {
            self.tasks.spawn(call);
        }
    }

    /// The next that ends; `None` when none is under way. Nothing is lost where this is given up.
    pub async fn next(&mut self) -> Option<(Ticket, Answer)> {
        if let Some(call) = &mut self.waited_for {
            let answer = call.await;
            self.waited_for = None;
            return Some(answer);
        }
        self.tasks.join_next().await.and_then(ended)
    }

    /// One that has ended already.
    pub fn next_ended(&mut self) -> Option<(Ticket, Answer)> {
        self.tasks.try_join_next().and_then(ended)
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
        page: Option<PageSpan>,
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
            if let Some(traces) = shared.traces.as_ref().filter(|_| target.kind == TargetKind::Async) {
                traces.handed_over(&target.id, &call.event.key, page);
            }
            let answer = shared.deliverer.deliver(call).await;
            if target.kind != TargetKind::Async {
                if let Some(traces) = &shared.traces {
                    traces.called(&call, &answer, page);
                }
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
            warn!(event = LogEvent::TargetHolding.name(), target = %name, %instance, reason, "the endpoint is in trouble: holding, nothing is lost or counted");
        }
        (_, CursorState::Halted) => {
            warn!(event = LogEvent::TargetHalted.name(), target = %name, %instance, reason, "halted: nothing more is sent until an operator acts");
        }
        (CursorState::Holding, _) => {
            info!(event = LogEvent::TargetRecovered.name(), target = %name, %instance, "the endpoint answers again");
        }
        (before, CursorState::Retrying) if before != CursorState::Retrying => {
            info!(event = LogEvent::TargetRetrying.name(), target = %name, %instance, reason, "an event failed and is tried again");
        }
        _ => {}
    }
    for parked in window.newly_parked().skip(told) {
        warn!(event = LogEvent::EventParked.name(),
            target = %name, %instance, key = %parked.key, event_type = %parked.event_type,
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
            creator: "".into(),
            owner: "".into(),
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

    /// A call that tells when it has begun, and ends when it is told to.
    fn call(
        ticket: Ticket,
    ) -> (impl Future<Output = (Ticket, Answer)> + std::marker::Send, oneshot::Receiver<()>, oneshot::Sender<()>) {
        let ((begun, has_begun), (end, ends)) = (oneshot::channel(), oneshot::channel());
        let call = async move {
            begun.send(()).expect("somebody waits for it");
            ends.await.expect("somebody ends it");
            let answer =
                Answer { outcome: Outcome::Delivered, status: Some(200), duration: Duration::ZERO, body: None };
            (ticket, answer)
        };
        (call, has_begun, end)
    }

    #[tokio::test]
    async fn a_call_begins_and_ends_while_nobody_asks_for_its_answer() {
        let ticket = ticket();
        let (call, has_begun, end) = call(ticket);
        let mut calls = UnderWay::default();
        calls.begin(false, call);
        has_begun.await.expect("it has begun by itself");
        end.send(()).expect("it is under way");
        let (ended, answer) = calls.next().await.expect("it is under way");
        assert_eq!((ended, answer.status), (ticket, Some(200)));
        assert!(calls.is_empty() && calls.next_ended().is_none());
    }

    #[tokio::test]
    async fn a_call_that_was_waited_for_goes_on_when_its_courier_turns_to_something_else() {
        let ticket = ticket();
        let (call, mut has_begun, end) = call(ticket);
        let mut calls = UnderWay::default();
        calls.begin(true, call);
        assert!(!calls.is_empty());
        tokio::select! {
            biased;
            _ = calls.next() => panic!("it has not ended"),
            () = std::future::ready(()) => {}
        }
        has_begun.try_recv().expect("it began when it was waited for");
        calls.let_go_on();
        end.send(()).expect("it is under way");
        // Nobody polls it here.
        while calls.tasks.len() == 1 && calls.next_ended().map(|(ended, _)| assert_eq!(ended, ticket)).is_none() {
            tokio::task::yield_now().await;
        }
        assert!(calls.is_empty());
    }

    #[tokio::test]
    async fn only_one_call_is_waited_for_in_its_courier() {
        let ticket = ticket();
        let (first, mut first_began, first_ends) = call(ticket);
        let (second, second_began, second_ends) = call(ticket);
        let mut calls = UnderWay::default();
        calls.begin(true, first);
        calls.begin(true, second);
        second_began.await.expect("it has begun by itself");
        first_began.try_recv().expect("and so has the first");
        first_ends.send(()).expect("it is under way");
        second_ends.send(()).expect("it is under way");
        assert!(calls.next().await.is_some() && calls.next().await.is_some() && calls.next().await.is_none());
    }
}
