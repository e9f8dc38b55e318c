//! The log of attempts: what couriers called and what came of it, on its way to the state.
//!
//! A courier never waits for it. What is to be kept goes into a bounded buffer; one task writes it down in groups, one
//! transaction at a time. When the state is slow or away the oldest successes go, then the oldest failures: they are counted,
//! and told in one line. Nothing depends on these rows.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use domain::{LogEvent, OutcomeKind};
use store::{Attempt, State};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use webhook::{Answer, Call, Keep};

use crate::{DeliveryLog, Retry, Status};

/// Attempts that wait to be written down.
const MOST: usize = 2000;
/// Bytes that they may take.
const MOST_BYTES: usize = 4 << 20;
/// Attempts a transaction.
const GROUP: usize = 250;
/// A group is written at the latest after this.
const FLUSH: Duration = Duration::from_millis(200);
/// Between two lines that tell of dropped attempts.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// See the module's head.
pub(crate) struct Attempts {
    log: DeliveryLog,
    status: Arc<Status>,
    buffer: Mutex<Buffer>,
    /// Something was put into an empty buffer, or there is a whole group.
    filled: Notify,
}

#[derive(Default)]
struct Buffer {
    failures: VecDeque<Attempt>,
    successes: VecDeque<Attempt>,
    bytes: usize,
    since: Option<Instant>,
    /// Taken out, and not known to be written.
    in_hand: usize,
    /// Not told yet.
    dropped: u64,
}

impl Buffer {
    fn len(&self) -> usize {
        self.failures.len() + self.successes.len()
    }

    fn put(&mut self, attempt: Attempt) -> u64 {
        self.bytes += weight(&attempt);
        match attempt.outcome {
            OutcomeKind::Delivered => self.successes.push_back(attempt),
            OutcomeKind::Failed | OutcomeKind::Unavailable => self.failures.push_back(attempt),
        }
        self.since.get_or_insert_with(Instant::now);
        let mut dropped = 0;
        while self.len() > MOST || self.bytes > MOST_BYTES {
            let Some(oldest) = self.successes.pop_front().or_else(|| self.failures.pop_front()) else { break };
            self.bytes -= weight(&oldest);
            dropped += 1;
        }
        self.dropped += dropped;
        dropped
    }

    fn take(&mut self) -> Vec<Attempt> {
        let mut group = Vec::with_capacity(self.len().min(GROUP));
        while group.len() < GROUP
            && let Some(attempt) = self.failures.pop_front().or_else(|| self.successes.pop_front())
        {
            self.bytes -= weight(&attempt);
            group.push(attempt);
        }
        if self.len() == 0 {
            self.since = None;
        }
        self.in_hand = group.len();
        group
    }
}

/// About how much memory an attempt takes.
fn weight(attempt: &Attempt) -> usize {
    512 + attempt.error.as_ref().map_or(0, String::len) + attempt.answer.as_ref().map_or(0, String::len)
}

impl Attempts {
    pub fn new(log: DeliveryLog, status: Arc<Status>) -> Self {
        Self { log, status, buffer: Mutex::default(), filled: Notify::new() }
    }

    /// What of the next call shall be kept.
    pub fn keep(&self) -> Keep {
        match self.log {
            DeliveryLog::Off => Keep::Nothing,
            DeliveryLog::All { sample } if rand::random::<f64>() < sample => Keep::Everything,
            DeliveryLog::Failures | DeliveryLog::All { .. } => Keep::Failures,
        }
    }

    /// A call was made. Never waits.
    pub fn made(&self, call: &Call<'_>, answer: &Answer) {
        let outcome = answer.outcome.kind();
        match (call.keep, outcome) {
            (Keep::Nothing, _) | (Keep::Failures, OutcomeKind::Delivered) => return,
            (Keep::Failures | Keep::Everything, _) => {}
        }
        let key = call.event.key.clone();
        self.put(Attempt {
            target_id: call.target.id.clone(),
            instance_id: key.instance_id.clone(),
            key,
            event_type: call.event.event_type.clone(),
            attempt: call.attempt,
            outcome,
            status: answer.status,
            error: answer.outcome.error().map(str::to_owned),
            answer: answer.body.clone(),
            started_at: call.now,
            duration: answer.duration,
        });
    }

    fn put(&self, attempt: Attempt) {
        let mut buffer = self.lock();
        let dropped = buffer.put(attempt);
        let waiting = buffer.len();
        drop(buffer);
        if dropped > 0 {
            self.status.attempts_dropped(dropped);
        }
        if waiting == 1 || waiting == GROUP {
            self.filled.notify_one();
        }
    }

    /// Writes groups until `stop`, and what is left then, for at most `last`.
    pub async fn write(&self, state: &State, last: Duration, stop: &CancellationToken) {
        self.drop_what_is_in_hand();
        let over = async {
            stop.cancelled().await;
            sleep(last).await;
        };
        tokio::select! {
            () = self.write_groups(state, stop) => {}
            () = over => {}
        }
        let left = self.drop_everything();
        if left > 0 {
            warn!(
                event = LogEvent::AttemptsDropped.name(),
                dropped = left,
                "the last attempts could not be written down; the events themselves are not concerned"
            );
        }
    }

    async fn write_groups(&self, state: &State, stop: &CancellationToken) {
        let retry = Retry::default();
        let mut tries = 0;
        let mut told: Option<Instant> = None;
        let mut group = Vec::new();
        loop {
            if group.is_empty() {
                self.wait_for_a_group(stop).await;
                group = self.lock().take();
                if group.is_empty() {
                    if stop.is_cancelled() {
                        return;
                    }
                    continue;
                }
            }
            match state.record_attempts(&group).await {
                Ok(()) => {
                    group.clear();
                    self.lock().in_hand = 0;
                    if std::mem::take(&mut tries) > 0 {
                        info!(event = LogEvent::AttemptsWritten.name(), "attempts are written down again");
                    }
                    self.tell_of_dropped(&mut told);
                }
                Err(error) => {
                    tries += 1;
                    if tries == 1 {
                        warn!(
                            event = LogEvent::AttemptsUnwritten.name(),
                            error = &error as &dyn std::error::Error,
                            "attempts cannot be written down; deliveries go on, and the oldest attempts are dropped"
                        );
                    }
                    if !error.is_transient() {
                        // These would never go in, and others may.
                        group.clear();
                        self.drop_what_is_in_hand();
                    }
                    if stop.is_cancelled() {
                        return;
                    }
                    tokio::select! {
                        () = sleep(retry.delay(tries)) => {}
                        () = stop.cancelled() => {}
                    }
                }
            }
        }
    }

    async fn wait_for_a_group(&self, stop: &CancellationToken) {
        loop {
            let (waiting, since) = {
                let buffer = self.lock();
                (buffer.len(), buffer.since)
            };
            if waiting >= GROUP {
                return;
            }
            let due = async {
                match since {
                    Some(since) => sleep_until(since + FLUSH).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = due => return,
                () = self.filled.notified() => {}
            }
        }
    }

    fn tell_of_dropped(&self, told: &mut Option<Instant>) {
        if told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return;
        }
        let dropped = std::mem::take(&mut self.lock().dropped);
        if dropped > 0 {
            *told = Some(Instant::now());
            warn!(
                event = LogEvent::AttemptsDropped.name(),
                dropped,
                "attempts came faster than the state took them: the oldest were not written down; deliveries are not concerned"
            );
        }
    }

    /// A group that was being written when its task ended.
    fn drop_what_is_in_hand(&self) {
        let mut buffer = self.lock();
        let lost = std::mem::take(&mut buffer.in_hand) as u64;
        buffer.dropped += lost;
        drop(buffer);
        self.status.attempts_dropped(lost);
    }

    fn drop_everything(&self) -> u64 {
        let mut buffer = self.lock();
        let left = buffer.len() + buffer.in_hand;
        *buffer = Buffer::default();
        drop(buffer);
        self.status.attempts_dropped(left as u64);
        left as u64
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use domain::{EventKey, Position, Timestamp};

    use super::*;

    fn attempt(number: u32, outcome: OutcomeKind, answer: usize) -> Attempt {
        let key = EventKey::before(Position::from_integer(number.into()));
        Attempt {
            target_id: "t".into(),
            instance_id: "i".into(),
            key,
            event_type: "user.added".into(),
            attempt: number,
            outcome,
            status: None,
            error: None,
            answer: Some("a".repeat(answer)),
            started_at: Timestamp::UNIX_EPOCH,
            duration: Duration::ZERO,
        }
    }

    fn attempts(log: DeliveryLog) -> Attempts {
        Attempts::new(log, Arc::default())
    }

    #[test]
    fn the_oldest_successes_go_first_then_the_oldest_failures() {
        let attempts = attempts(DeliveryLog::Failures);
        let most = u32::try_from(MOST).expect("it is small");
        for number in 0..10 {
            attempts.put(attempt(number, OutcomeKind::Failed, 0));
        }
        for number in 10..most {
            attempts.put(attempt(number, OutcomeKind::Delivered, 0));
        }
        assert_eq!(attempts.lock().dropped, 0);
        for number in most..2 * most {
            attempts.put(attempt(number, OutcomeKind::Failed, 0));
        }
        let mut buffer = attempts.lock();
        assert_eq!((buffer.len(), buffer.successes.len(), buffer.dropped), (MOST, 0, u64::from(most)));
        assert_eq!(buffer.failures.front().map(|oldest| oldest.attempt), Some(most));
        assert_eq!(buffer.take().len(), GROUP);
        assert!(attempts.status.metrics(Timestamp::UNIX_EPOCH).contains(&format!("dropped_total {most}\n")));
    }

    #[test]
    fn large_answers_are_bounded_in_bytes() {
        let attempts = attempts(DeliveryLog::Failures);
        for number in 0..2000 {
            attempts.put(attempt(number, OutcomeKind::Failed, 4096));
        }
        let mut buffer = attempts.lock();
        assert!(buffer.bytes <= MOST_BYTES && buffer.len() < 1000, "{} bytes, {}", buffer.bytes, buffer.len());
        while !buffer.take().is_empty() {}
        assert_eq!((buffer.bytes, buffer.since), (0, None));
    }

    #[test]
    fn a_sample_of_successes_is_kept_and_every_failure() {
        let of = |log| {
            let attempts = attempts(log);
            let kept: Vec<_> = (0..2000).map(|_| attempts.keep()).collect();
            let share = |keep| kept.iter().filter(|kept| **kept == keep).count();
            (share(Keep::Nothing), share(Keep::Failures), share(Keep::Everything))
        };
        assert_eq!(of(DeliveryLog::Off), (2000, 0, 0));
        assert_eq!(of(DeliveryLog::Failures), (0, 2000, 0));
        assert_eq!(of(DeliveryLog::All { sample: 1.0 }), (0, 0, 2000));
        assert_eq!(of(DeliveryLog::All { sample: 0.0 }), (0, 2000, 0));
        let (nothing, failures, everything) = of(DeliveryLog::All { sample: 0.25 });
        assert_eq!((nothing, failures + everything), (0, 2000));
        // Ten standard deviations to either side.
        assert!((300..700).contains(&everything), "{everything} of 2000");
    }
}
