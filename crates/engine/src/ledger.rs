//! The ledger: what couriers settled, committed in groups.
//!
//! While one group is being committed at most one more is filled; then couriers wait, so that sending never runs away from
//! the database. A group is committed `flush_interval` after its first settlement or once it holds `max_group` events. A
//! commit that fails is made again until it succeeds: what was settled is never dropped, except when its epoch is no
//! longer its courier's (that courier is told through its [`Seat`]).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use domain::{CursorId, Epoch, FailedChange, LogEvent, Settlement};
use store::{HorizonMark, State};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{Retry, Status, verdicts::Verdicts};

/// Where couriers leave their settlements; cheap to clone.
#[derive(Clone)]
pub(crate) struct Ledger {
    shared: Arc<Shared>,
}

struct Shared {
    pending: Mutex<Pending>,
    max_group: usize,
    flush_interval: Duration,
    /// Something was put into an empty group, or the group is full.
    filled: Notify,
    /// A group was taken: there is room again.
    room: Notify,
    /// Counts committed groups.
    committed: watch::Sender<u64>,
    /// Told what was committed before anybody else is.
    verdicts: Arc<Verdicts>,
}

#[derive(Default)]
struct Pending {
    group: HashMap<CursorId, (Epoch, Settlement)>,
    events: usize,
    since: Option<Instant>,
    /// The number the group will have once it is committed.
    number: u64,
    seats: HashMap<CursorId, (Epoch, CancellationToken)>,
    /// The highest epochs that the state was seen to have: a seat that is taken later may be overtaken already.
    seen: HashMap<CursorId, Epoch>,
    hurry: bool,
}

/// One courier's place at the ledger, for one epoch.
pub(crate) struct Seat {
    ledger: Ledger,
    cursor: CursorId,
    epoch: Epoch,
    fenced: CancellationToken,
}

impl Seat {
    /// Ends when a commit found another epoch: the cursor is not this courier's any more.
    pub fn fenced(&self) -> &CancellationToken {
        &self.fenced
    }

    /// Hands over a settlement of so many events; waits while the next group is full.
    pub async fn submit(&self, settlement: Settlement, events: usize) {
        let shared = &self.ledger.shared;
        let mut settlement = Some(settlement);
        if self.put(&mut settlement, events) {
            return;
        }
        loop {
            let room = shared.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if self.put(&mut settlement, events) {
                return;
            }
            room.await;
        }
    }

    /// Takes the settlement, if there is room for it.
    fn put(&self, settlement: &mut Option<Settlement>, events: usize) -> bool {
        let shared = &self.ledger.shared;
        let mut pending = shared.lock();
        if pending.events >= shared.max_group && !self.fenced.is_cancelled() {
            return false;
        }
        let Some(settlement) = settlement.take() else { return true };
        pending.put(self.cursor, self.epoch, settlement, events);
        let first = pending.since.is_none();
        pending.since.get_or_insert_with(Instant::now);
        let full = pending.events >= shared.max_group;
        drop(pending);
        if first || full {
            shared.filled.notify_one();
        }
        true
    }

    /// Waits until everything that was handed over is committed, or dropped because it was fenced.
    pub async fn settled(&self) {
        let (number, mut committed) = {
            let mut pending = self.ledger.shared.lock();
            // The group that is being filled, or the one under way.
            let number = if pending.group.contains_key(&self.cursor) { pending.number + 1 } else { pending.number };
            pending.hurry = true;
            (number, self.ledger.shared.committed.subscribe())
        };
        self.ledger.shared.filled.notify_one();
        // The sender lives as long as the ledger that this seat holds.
        let _ = committed.wait_for(|committed| *committed >= number).await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut pending = self.ledger.shared.lock();
        if pending.seats.get(&self.cursor).is_some_and(|(epoch, _)| *epoch == self.epoch) {
            pending.seats.remove(&self.cursor);
        }
    }
}

impl Pending {
    fn put(&mut self, cursor: CursorId, epoch: Epoch, settlement: Settlement, events: usize) {
        self.events += events.max(1);
        match self.group.get_mut(&cursor) {
            Some((known, merged)) if *known == epoch => merge(merged, settlement),
            Some((known, _)) if *known > epoch => {}
            _ => {
                self.group.insert(cursor, (epoch, settlement));
            }
        }
    }
}

/// The later row says everything; of each failed event the last change counts, and all that was denied.
fn merge(earlier: &mut Settlement, mut later: Settlement) {
    let mut failed = std::mem::take(&mut earlier.failed);
    if !later.failed.is_empty() {
        let key = |change: &FailedChange| match change {
            FailedChange::Put(event) => event.key.clone(),
            FailedChange::Remove(key) => key.clone(),
        };
        let newer: Vec<_> = later.failed.iter().map(key).collect();
        failed.retain(|change| !newer.contains(&key(change)));
        failed.append(&mut later.failed);
    }
    later.failed = failed;
    let mut denied = std::mem::take(&mut earlier.denied);
    denied.append(&mut later.denied);
    later.denied = denied;
    *earlier = later;
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().expect("no holder of this lock panics")
    }
}

impl Ledger {
    pub fn new(flush_interval: Duration, max_group: usize, verdicts: Arc<Verdicts>) -> Self {
        Self {
            shared: Arc::new(Shared {
                pending: Mutex::default(),
                max_group: max_group.max(1),
                flush_interval,
                filled: Notify::new(),
                room: Notify::new(),
                committed: watch::Sender::new(0),
                verdicts,
            }),
        }
    }

    /// A place for the courier that has claimed this cursor.
    pub fn seat(&self, cursor: CursorId, epoch: Epoch) -> Seat {
        let fenced = CancellationToken::new();
        let mut pending = self.shared.lock();
        if pending.seen.get(&cursor).is_some_and(|seen| *seen > epoch) {
            fenced.cancel();
        }
        pending.seats.insert(cursor, (epoch, fenced.clone()));
        drop(pending);
        Seat { ledger: self.clone(), cursor, epoch, fenced }
    }

    /// Tells the couriers whose cursor has a later epoch in the state: an operator moved it, they need not commit to learn it.
    pub fn fence_the_overtaken(&self, epochs: impl Iterator<Item = (CursorId, Epoch)>) {
        let mut pending = self.shared.lock();
        pending.seen = epochs.collect();
        for (cursor, epoch) in &pending.seen {
            if let Some((_, token)) = pending.seats.get(cursor).filter(|(seated, _)| seated < epoch) {
                token.cancel();
            }
        }
    }

    /// Counts the groups that were committed.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.shared.committed.subscribe()
    }

    /// Commits groups until `stop`, and what is left then. Ends only when nothing is left.
    pub async fn commit_groups(
        &self,
        state: &State,
        horizon: watch::Receiver<Option<HorizonMark>>,
        status: &Status,
        stop: &CancellationToken,
    ) {
        let mut marked: Option<HorizonMark> = None;
        loop {
            self.wait_for_a_group(stop).await;
            let stopping = stop.is_cancelled();
            let (group, number) = self.take();
            let mark = horizon.borrow().clone().filter(|mark| marked.as_ref() != Some(mark));
            if !group.is_empty() || mark.is_some() {
                let fenced = self.commit(state, &group, mark.as_ref(), status).await;
                self.shared.verdicts.committed(&group, &fenced);
                self.tell(&fenced, &group);
                if mark.is_some() {
                    marked = mark;
                }
            }
            self.shared.committed.send_replace(number);
            if stopping && self.shared.lock().group.is_empty() {
                return;
            }
        }
    }

    /// Until the group is due; a second at the most, for the watermark.
    async fn wait_for_a_group(&self, stop: &CancellationToken) {
        let idle_until = Instant::now() + Duration::from_secs(1);
        loop {
            let due = {
                let pending = self.shared.lock();
                if pending.events >= self.shared.max_group || pending.hurry {
                    return;
                }
                pending.since.map_or(idle_until, |since| since + self.shared.flush_interval)
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(due) => return,
                () = self.shared.filled.notified() => {}
            }
        }
    }

    fn take(&self) -> (Vec<(CursorId, Epoch, Settlement)>, u64) {
        let mut pending = self.shared.lock();
        let group = pending.group.drain().map(|(cursor, (epoch, settlement))| (cursor, epoch, settlement)).collect();
        pending.events = 0;
        pending.since = None;
        pending.hurry = false;
        pending.number += 1;
        let number = pending.number;
        drop(pending);
        self.shared.room.notify_waiters();
        (group, number)
    }

    async fn commit(
        &self,
        state: &State,
        group: &[(CursorId, Epoch, Settlement)],
        mark: Option<&HorizonMark>,
        status: &Status,
    ) -> Vec<CursorId> {
        let retry = Retry::default();
        let mut tries = 0;
        loop {
            let began = Instant::now();
            match state.commit(group, mark).await {
                Ok(fenced) => {
                    status.committed(group.len(), began.elapsed());
                    if tries > 0 {
                        info!(event = LogEvent::StateCommitted.name(), tries, "the state is committed again");
                    }
                    return fenced;
                }
                Err(error) => {
                    tries += 1;
                    status.state_failed(&error);
                    if tries == 1 || tries % 20 == 0 {
                        warn!(
                            event = LogEvent::StateCommitFailed.name(),
                            error = &error as &dyn std::error::Error,
                            tries,
                            "cursors cannot be committed; sending waits, and this is tried again"
                        );
                    }
                    sleep(retry.delay(tries)).await;
                }
            }
        }
    }

    /// Tells the couriers whose epoch was not theirs any more; one that has claimed anew since is left alone.
    fn tell(&self, fenced: &[CursorId], group: &[(CursorId, Epoch, Settlement)]) {
        let pending = self.shared.lock();
        for (cursor, epoch, _) in group.iter().filter(|(cursor, ..)| fenced.contains(cursor)) {
            if let Some((_, token)) = pending.seats.get(cursor).filter(|(seated, _)| seated == epoch) {
                token.cancel();
            }
        }
    }
}
