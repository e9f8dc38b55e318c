//! Whose turn it is to send: a bounded number of couriers make calls at the same time, and the others wait for theirs.
//!
//! A thousand couriers with a backlog could all have a call under way. Then each comes up again only after all the others: what
//! it needs has left the processor's caches by then, and so has what its connection needs. In turns the same few connections
//! are used, a courier stays where it is for some calls, and a group of the ledger has fewer cursors.
//!
//! Invariants: who has a turn waits for nothing but answers and the ledger. A turn ends after so many answers, and when none comes for
//! a while; who has something to read that nobody else has gives it back first, and who has waited for it makes its calls
//! first. So neither slow nor dead endpoints keep turns from others, and nobody who has one waits for what others give back in
//! theirs. Who had nothing to send before does not wait behind those with a backlog: there are turns of their own for them.
//!
//! What this deliberately does not do: limit calls. Those that were begun in a turn go on after it, however many they are.

use std::{future::poll_fn, sync::Arc, thread::available_parallelism, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

/// So many turns at the same time keep a processor busy, the endpoint's part included where that is the same machine's.
const PER_PROCESSOR: usize = 32;
/// So many answers are a turn: where 50,000 a second come, a thousand couriers have one some six times a second each.
const ANSWERS: u32 = 8;
/// An answer within this is prompt. On a machine that is busy with other things even a quick endpoint's may take longer.
const PROMPT: Duration = Duration::from_millis(2);
/// After so many answers in a row that were not prompt, an endpoint is taken to be slow, until one is prompt.
const SLOW: u32 = 8;
/// So long it is waited for the next answer in a turn.
const LATE: Duration = Duration::from_millis(10);
/// The same where the endpoint is slow: it is not worth it. By this, turns keep no processor from beginning some 20,000 calls
/// a second.
const LATE_IF_SLOW: Duration = Duration::from_millis(1);

/// All turns of a daemon.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    backlog: Arc<Semaphore>,
    rested: Arc<Semaphore>,
}

/// A courier's part in it.
pub(crate) struct Turn {
    backlog: PollSemaphore,
    rested: PollSemaphore,
    stands: Stands,
    /// So many answers in a row were not prompt.
    slow_in_a_row: u32,
    /// It had nothing to send the last time that it looked, and was not behind.
    is_rested: bool,
    /// Since when it waits for its turn, or waited for the last one.
    queued: Duration,
    /// How long it waited for the last one, and how long one took that went to its end.
    waited: Duration,
    took: Duration,
}

/// How a courier stands.
enum Stands {
    /// It wants to send nothing.
    Aside,
    /// It keeps its place among those that wait.
    Queued,
    /// It may send.
    Called(Called),
}

struct Called {
    _permit: OwnedSemaphorePermit,
    began: Duration,
    answers: u32,
    is_unused: bool,
    /// The next call is waited for anew: it is the first, or the one before it was answered.
    waits_anew: bool,
    /// When it is over if nothing is answered.
    until: Duration,
}

impl Turns {
    /// As many as this machine's processors need.
    pub fn of_this_machine() -> Self {
        Self::new(PER_PROCESSOR * available_parallelism().map_or(2, usize::from))
    }

    pub(crate) fn new(turns: usize) -> Self {
        Self { backlog: Arc::new(Semaphore::new(turns)), rested: Arc::new(Semaphore::new(turns)) }
    }

    /// Whether whoever has a backlog has to wait for a turn.
    pub fn are_taken(&self) -> bool {
        self.backlog.available_permits() == 0
    }

    /// For one more courier.
    pub fn join(&self) -> Turn {
        Turn {
            backlog: PollSemaphore::new(Arc::clone(&self.backlog)),
            rested: PollSemaphore::new(Arc::clone(&self.rested)),
            stands: Stands::Aside,
            slow_in_a_row: 0,
            is_rested: false,
            queued: Duration::ZERO,
            waited: Duration::ZERO,
            took: Duration::ZERO,
        }
    }
}

impl Turn {
    /// Whether it may send: it has a turn, or gets one at once. If not it is queued: its place is taken when [`Self::called`] is first polled.
    pub fn take(&mut self, now: Duration) -> bool {
        match self.stands {
            Stands::Called(_) => return true,
            Stands::Queued => return false,
            Stands::Aside => {}
        }
        // Nobody is overtaken: a turn that is given back goes to who waits for it.
        self.queued = now;
        match self.queue().clone_inner().try_acquire_owned() {
            Ok(permit) => self.begin(permit, now),
            Err(_) => self.stands = Stands::Queued,
        }
        self.is_called()
    }

    /// Whether it has a turn.
    pub fn is_called(&self) -> bool {
        matches!(self.stands, Stands::Called(_))
    }

    /// Whether it neither has a turn nor waits for one.
    pub fn is_aside(&self) -> bool {
        matches!(self.stands, Stands::Aside)
    }

    /// Whether it waits for its turn.
    pub fn is_queued(&self) -> bool {
        matches!(self.stands, Stands::Queued)
    }

    /// Whether it has something to send, and waits for its turns at least as long as they take. So where it is behind others that is
    /// because there are so many, and not because its endpoint is slower.
    pub fn is_one_of_many(&self, now: Duration) -> bool {
        match &self.stands {
            Stands::Aside => false,
            Stands::Queued => self.waited >= self.took,
            Stands::Called(turn) => self.waited >= now.saturating_sub(turn.began),
        }
    }

    /// Whether it waits for its turn, or has one in which it has made no call yet.
    pub fn is_owed_a_call(&self) -> bool {
        match &self.stands {
            Stands::Aside => false,
            Stands::Queued => true,
            Stands::Called(turn) => turn.is_unused,
        }
    }

    /// Waits for its turn, which must be wanted. The place in the queue is kept where this is given up.
    pub async fn called(&mut self, now: impl Fn() -> Duration) {
        let queue = self.queue();
        let permit = poll_fn(|context| queue.poll_acquire(context)).await.expect("the semaphore is never closed");
        self.begin(permit, now());
    }

    /// A call was begun.
    pub fn calls(&mut self, now: Duration) {
        let late = self.late();
        if let Stands::Called(turn) = &mut self.stands {
            turn.is_unused = false;
            // Where nothing is answered, more calls are no reason to go on.
            if std::mem::take(&mut turn.waits_anew) {
                turn.until = now + late;
            }
        }
    }

    /// A call was answered after so long. It may have been the last of this turn.
    pub fn answered(&mut self, after: Duration, now: Duration) {
        self.slow_in_a_row = if after < PROMPT { 0 } else { self.slow_in_a_row.saturating_add(1) };
        if let Stands::Called(turn) = &mut self.stands {
            turn.answers += 1;
            turn.waits_anew = true;
            if turn.answers >= ANSWERS {
                self.end(now);
            }
        }
    }

    /// When the turn is over if nothing is answered, on the monotonic clock.
    pub fn until(&self) -> Option<Duration> {
        match &self.stands {
            Stands::Called(turn) => Some(turn.until),
            Stands::Aside | Stands::Queued => None,
        }
    }

    /// Gives the turn back if nothing was answered in time.
    pub fn look_at(&mut self, now: Duration) {
        if self.until().is_some_and(|until| until <= now) {
            self.end(now);
        }
    }

    /// There is nothing to send, since the courier has come to the end: its next turn is that of one who has rested.
    pub fn rest(&mut self) {
        self.step_aside();
        self.is_rested = true;
    }

    /// Gives back the turn, or the place in the queue.
    pub fn step_aside(&mut self) {
        if self.is_queued() {
            let queue = self.queue();
            *queue = PollSemaphore::new(queue.clone_inner());
        }
        self.stands = Stands::Aside;
    }

    fn end(&mut self, now: Duration) {
        if let Stands::Called(turn) = &self.stands {
            self.took = now.saturating_sub(turn.began);
        }
        self.stands = Stands::Aside;
    }

    fn begin(&mut self, permit: OwnedSemaphorePermit, now: Duration) {
        self.stands = Stands::Called(Called {
            _permit: permit,
            began: now,
            answers: 0,
            is_unused: true,
            waits_anew: true,
            until: now + self.late(),
        });
        self.is_rested = false;
        self.waited = now.saturating_sub(self.queued);
    }

    fn late(&self) -> Duration {
        if self.slow_in_a_row < SLOW { LATE } else { LATE_IF_SLOW }
    }

    fn queue(&mut self) -> &mut PollSemaphore {
        if self.is_rested { &mut self.rested } else { &mut self.backlog }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    const AT: Duration = Duration::from_secs(1);

    /// Whether its turn has come, for one that waits.
    fn is_called(turn: &mut Turn) -> bool {
        pin!(turn.called(|| AT)).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_turn_ends_after_so_many_answers_and_is_the_next_ones() {
        let turns = Turns::new(1);
        let (mut first, mut second) = (turns.join(), turns.join());
        assert!(first.take(AT) && !second.take(AT) && !is_called(&mut second));
        for _ in 1..ANSWERS {
            first.answered(PROMPT, AT);
            assert!(first.take(AT) && !is_called(&mut second));
        }
        first.answered(PROMPT, AT);
        assert!(!first.take(AT), "it does not overtake who waits");
        assert!(is_called(&mut second) && second.is_called());
        assert!(!is_called(&mut first));
    }

    #[test]
    fn who_is_not_answered_promptly_gives_its_turn_back() {
        let turns = Turns::new(1);
        let (mut slow, mut other) = (turns.join(), turns.join());
        assert!(slow.take(AT));
        slow.calls(AT + LATE / 2);
        slow.look_at(AT + LATE);
        assert!(slow.is_called() && !other.take(AT));
        slow.calls(AT + LATE);
        assert_eq!(slow.until(), Some(AT + LATE / 2 + LATE), "it is not for the number of its calls");
        slow.look_at(AT + LATE / 2 + LATE);
        assert!(!slow.is_called() && slow.until().is_none() && is_called(&mut other));
    }

    #[test]
    fn who_is_slow_again_and_again_is_waited_for_no_longer_until_it_is_prompt() {
        let turns = Turns::new(1);
        let mut one = turns.join();
        for _ in 0..SLOW {
            one.step_aside();
            assert!(one.take(AT) && one.until() == Some(AT + LATE));
            one.answered(PROMPT, AT);
        }
        one.step_aside();
        assert!(one.take(AT) && one.until() == Some(AT + LATE_IF_SLOW));
        one.answered(PROMPT / 2, AT);
        one.calls(AT);
        assert_eq!(one.until(), Some(AT + LATE));
    }

    #[test]
    fn who_has_rested_does_not_wait_behind_a_backlog() {
        let turns = Turns::new(1);
        let (mut busy, mut behind, mut fresh) = (turns.join(), turns.join(), turns.join());
        fresh.rest();
        assert!(busy.take(AT) && !behind.take(AT));
        assert!(fresh.take(AT));
        for _ in 0..ANSWERS {
            fresh.answered(PROMPT, AT);
        }
        assert!(!fresh.take(AT), "it has a backlog now, as the others");
    }

    #[test]
    fn whose_turns_take_longer_than_it_waits_for_them_is_not_behind_for_the_number_of_others() {
        let turns = Turns::new(1);
        let (mut one, mut other) = (turns.join(), turns.join());
        assert!(!other.is_one_of_many(AT), "it wants nothing");
        assert!(one.take(AT) && !other.take(AT));
        assert!(one.is_one_of_many(AT) && other.is_one_of_many(AT), "nothing is known but that they want to send");
        assert!(!one.is_one_of_many(AT + PROMPT), "it had its turn at once");
        one.step_aside();
        let (called, wait) = (AT + LATE, LATE);
        assert!(pin!(other.called(|| called)).poll(&mut Context::from_waker(Waker::noop())).is_ready());
        assert!(other.is_one_of_many(called + wait) && !other.is_one_of_many(called + wait + PROMPT));
        for _ in 0..ANSWERS {
            other.answered(PROMPT, called + wait + PROMPT);
        }
        assert!(one.take(called) && !other.take(called));
        assert!(!other.is_one_of_many(called + 10 * wait), "it is known from the turn before");
    }

    #[test]
    fn a_place_in_the_queue_is_kept_until_it_is_left() {
        let turns = Turns::new(1);
        let (mut first, mut second, mut third) = (turns.join(), turns.join(), turns.join());
        assert!(first.take(AT) && !second.take(AT) && !third.take(AT));
        assert!(!is_called(&mut second) && !is_called(&mut third) && !is_called(&mut second));
        first.step_aside();
        // Its turn is there, and it is gone before it has seen that.
        second.step_aside();
        assert!(is_called(&mut third));
        drop(third);
        assert!(second.take(AT));
    }
}
