//! What is committed of the targets that others wait for, kept once for all couriers of a daemon.
//!
//! A verdict is what the state has: a gate's cursor, what it settled beyond it, and what it denied. So it holds across a
//! crash and another owner, whoever serves the gate. Of the gates that this daemon serves, the ledger tells what it has
//! committed; the state itself is read at first, every second, and where a cursor turns out to be another's.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use domain::{Ahead, Cursor, CursorId, Denied, Epoch, EventKey, Gate, InstanceId, Settlement, TargetId};
use store::{State, StoreError};

use crate::clock;

/// How old what is known may be: operators and other daemons move cursors too.
pub(crate) const ASK: Duration = Duration::from_secs(1);

type Place = (TargetId, InstanceId);

/// See the module's head.
#[derive(Default)]
pub(crate) struct Verdicts {
    inner: Mutex<Inner>,
    /// One reading at a time serves everybody who waits for one.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Inner {
    /// Of the definitions. With others, other targets deny.
    revision: i64,
    known: HashMap<Place, Known>,
    places: HashMap<CursorId, Place>,
    /// What was committed while the state is read: it may be in the answer or not.
    meanwhile: Option<Vec<Committed>>,
}

struct Known {
    cursor: Option<(CursorId, Epoch)>,
    gate: Gate,
    read: Duration,
}

/// What one settlement makes of a gate.
#[derive(Clone)]
struct Committed {
    cursor: CursorId,
    epoch: Epoch,
    key: EventKey,
    ahead: Option<Ahead>,
    denied: Vec<EventKey>,
}

impl Verdicts {
    /// Whether [`Self::refresh`] would read anything.
    pub fn are_due(&self, revision: i64, gates: &[Place]) -> bool {
        !self.lock().due(revision, gates).is_empty()
    }

    /// Reads these gates where they are not known or not known well enough; and all others that will be due soon.
    pub async fn refresh(&self, state: &State, revision: i64, gates: &[Place]) -> Result<(), StoreError> {
        if !self.are_due(revision, gates) {
            return Ok(());
        }
        let _one_at_a_time = self.reading.lock().await;
        let due = self.lock().due(revision, gates);
        if due.is_empty() {
            return Ok(());
        }
        let reading = Reading::begin(self);
        let read = state.gates(&due, |cursor| self.lock().is_as(cursor)).await?;
        reading.end(revision, due, read);
        Ok(())
    }

    /// What these gates are known to have come to, in the order given; `None` where one is not known.
    pub fn of<T>(&self, gates: &[Place], judge: impl FnOnce(Vec<Option<&Gate>>) -> T) -> T {
        let inner = self.lock();
        judge(gates.iter().map(|place| inner.known.get(place).map(|known| &known.gate)).collect())
    }

    /// Takes up a group that the ledger has committed, without those that were fenced.
    pub fn committed(&self, group: &[(CursorId, Epoch, Settlement)], fenced: &[CursorId]) {
        let mut inner = self.lock();
        for (cursor, epoch, settlement) in group {
            let is_asked_for = inner.places.contains_key(cursor) || inner.meanwhile.is_some();
            if !is_asked_for || fenced.contains(cursor) {
                continue;
            }
            let committed = Committed {
                cursor: *cursor,
                epoch: *epoch,
                key: settlement.key.clone(),
                ahead: settlement.ahead.clone(),
                denied: settlement.denied.clone(),
            };
            inner.apply(&committed);
            if let Some(meanwhile) = &mut inner.meanwhile {
                meanwhile.push(committed);
            }
        }
    }

    /// Forgets what a cursor denied and everybody behind it has passed.
    pub fn forget(&self, cursor: CursorId, passed: &EventKey) {
        let mut inner = self.lock();
        if let Some(known) = inner.of_cursor(cursor) {
            known.gate.denied.forget(passed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }
}

/// While the state is read. Where that is given up, nothing is kept of what was committed meanwhile.
struct Reading<'a> {
    verdicts: &'a Verdicts,
    at: Duration,
}

impl<'a> Reading<'a> {
    fn begin(verdicts: &'a Verdicts) -> Self {
        verdicts.lock().meanwhile = Some(Vec::new());
        Self { verdicts, at: clock::boottime() }
    }

    fn end(self, revision: i64, due: Vec<Place>, read: Vec<(Cursor, Option<Denied>)>) {
        let mut inner = self.verdicts.lock();
        // With other definitions other targets deny: whoever knows them asks again.
        if inner.revision == revision {
            let place = |cursor: &Cursor| (cursor.target_id.clone(), cursor.instance_id.clone());
            let mut read: HashMap<_, _> = read.into_iter().map(|row| (place(&row.0), row)).collect();
            for place in due {
                let found = read.remove(&place);
                inner.learn(place, found, self.at);
            }
        }
        for committed in inner.meanwhile.take().unwrap_or_default() {
            inner.apply(&committed);
        }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.verdicts.lock().meanwhile = None;
    }
}

impl Inner {
    /// Those of these gates that are to be read, and with them all that are due soon.
    fn due(&mut self, revision: i64, gates: &[Place]) -> Vec<Place> {
        if revision > self.revision {
            self.revision = revision;
            self.known.clear();
            self.places.clear();
        }
        let now = clock::boottime();
        let is_due = |known: &Known, after| now >= known.read + after;
        if !gates.iter().any(|place| self.known.get(place).is_none_or(|known| is_due(known, ASK))) {
            return Vec::new();
        }
        let unknown = gates.iter().filter(|place| !self.known.contains_key(*place));
        let soon = self.known.iter().filter(|(_, known)| is_due(known, ASK / 2));
        unknown.chain(soon.map(|(place, _)| place)).cloned().collect()
    }

    /// Whether a row says what is known anyway. What it denied is known then too: it changes with the cursor, or with the
    /// definitions' revision.
    fn is_as(&self, row: &Cursor) -> bool {
        let place = (row.target_id.clone(), row.instance_id.clone());
        self.known.get(&place).is_some_and(|known| {
            known.cursor == Some((row.id, row.epoch))
                && known.gate.cursor.as_ref() == Some(&row.key)
                && known.gate.ahead == row.ahead
        })
    }

    fn learn(&mut self, place: Place, found: Option<(Cursor, Option<Denied>)>, at: Duration) {
        match found {
            None => {
                self.known.insert(place, Known { cursor: None, gate: Gate::default(), read: at });
            }
            // It was as it is known; what has been committed since is known too.
            Some((_, None)) => {
                if let Some(known) = self.known.get_mut(&place) {
                    known.read = at;
                }
            }
            Some((row, Some(denied))) => {
                self.places.insert(row.id, place.clone());
                let gate = Gate { cursor: Some(row.key), ahead: row.ahead, denied };
                self.known.insert(place, Known { cursor: Some((row.id, row.epoch)), gate, read: at });
            }
        }
    }

    fn apply(&mut self, committed: &Committed) {
        let Some(known) = self.of_cursor(committed.cursor) else { return };
        if known.cursor != Some((committed.cursor, committed.epoch)) {
            // Somebody else's hand was there: what it denied is not known here.
            known.read = Duration::ZERO;
            return;
        }
        known.gate.cursor = Some(committed.key.clone());
        known.gate.ahead.clone_from(&committed.ahead);
        for key in &committed.denied {
            known.gate.denied.add(key.clone(), key.clone());
        }
    }

    fn of_cursor(&mut self, cursor: CursorId) -> Option<&mut Known> {
        let place = self.places.get(&cursor)?;
        self.known.get_mut(place)
    }
}

#[cfg(test)]
mod tests {
    use domain::{CursorState, GateTarget, GateVerdict, Position};

    use super::*;

    fn key(position: i64) -> EventKey {
        EventKey { aggregate_id: "a".into(), sequence: 1, ..EventKey::before(Position::from_integer(position)) }
    }

    fn place() -> Place {
        ("crm".into(), "one".into())
    }

    /// A row of the gate's cursor as it is read, with what it denied.
    fn row(epoch: i64, at: i64, denied: &[i64]) -> (Cursor, Option<Denied>) {
        let (target, instance) = place();
        let cursor = Cursor { epoch: Epoch(epoch), ..Cursor::new(CursorId(7), target, instance, key(at)) };
        let mut all = Denied::default();
        for at in denied {
            all.add(key(*at), key(*at));
        }
        (cursor, Some(all))
    }

    fn read(verdicts: &Verdicts, revision: i64, row: (Cursor, Option<Denied>)) {
        let due = verdicts.lock().due(revision, &[place()]);
        assert_eq!(due, [place()], "it is due");
        Reading::begin(verdicts).end(revision, due, vec![row]);
    }

    fn settlement(at: i64, denied: &[i64]) -> Settlement {
        Settlement {
            key: key(at),
            event_date: None,
            delivered: None,
            parked_in_a_row: 0,
            state: CursorState::Live,
            reason: None,
            ahead: None,
            failed: Vec::new(),
            denied: denied.iter().map(|at| key(*at)).collect(),
        }
    }

    fn commit(verdicts: &Verdicts, epoch: i64, at: i64, denied: &[i64]) {
        verdicts.committed(&[(CursorId(7), Epoch(epoch), settlement(at, denied))], &[]);
    }

    /// What is known of the events at 1 to 6.
    fn story(verdicts: &Verdicts) -> String {
        let crm = GateTarget { id: "crm".into(), name: "crm".into(), paused: false };
        verdicts.of(&[place()], |known| {
            let Some(gate) = known[0] else { return "not known".to_owned() };
            let word = |at| match gate.verdict(&crm, &key(at)) {
                GateVerdict::Passed => '+',
                GateVerdict::Denied(_) => '-',
                GateVerdict::Unknown(_) | GateVerdict::Unasked => '?',
            };
            (1..=6).map(word).collect()
        })
    }

    fn is_due(verdicts: &Verdicts) -> bool {
        !verdicts.lock().due(1, &[place()]).is_empty()
    }

    #[test]
    fn what_was_read_moves_with_what_is_committed() {
        let verdicts = Verdicts::default();
        commit(&verdicts, 3, 1, &[]);
        assert_eq!(story(&verdicts), "not known");
        read(&verdicts, 1, row(3, 2, &[1]));
        assert_eq!(story(&verdicts), "-+????");
        assert!(!is_due(&verdicts));
        commit(&verdicts, 3, 5, &[4]);
        assert_eq!(story(&verdicts), "-++-+?");
        assert!(!is_due(&verdicts), "nothing has to be read for it");
    }

    #[test]
    fn what_was_fenced_was_not_committed() {
        let verdicts = Verdicts::default();
        read(&verdicts, 1, row(3, 2, &[]));
        verdicts.committed(&[(CursorId(7), Epoch(3), settlement(5, &[]))], &[CursorId(7)]);
        assert_eq!(story(&verdicts), "++????");
    }

    #[test]
    fn a_cursor_that_another_hand_moved_is_read_again() {
        let verdicts = Verdicts::default();
        read(&verdicts, 1, row(3, 2, &[]));
        commit(&verdicts, 5, 6, &[]);
        assert_eq!(story(&verdicts), "++????", "what the other hand denied is not known");
        read(&verdicts, 1, row(5, 6, &[3]));
        assert_eq!(story(&verdicts), "++-+++");
    }

    #[test]
    fn what_is_committed_while_it_is_read_is_not_lost() {
        let verdicts = Verdicts::default();
        let due = verdicts.lock().due(1, &[place()]);
        let reading = Reading::begin(&verdicts);
        commit(&verdicts, 3, 4, &[3]);
        reading.end(1, due, vec![row(3, 2, &[1])]);
        assert_eq!(story(&verdicts), "-+-+??");
    }

    #[test]
    fn a_reading_that_is_given_up_leaves_nothing_behind() {
        let verdicts = Verdicts::default();
        drop(Reading::begin(&verdicts));
        commit(&verdicts, 3, 4, &[3]);
        assert!(verdicts.lock().meanwhile.is_none() && is_due(&verdicts));
    }

    #[test]
    fn what_is_as_it_is_known_is_not_read_again() {
        let verdicts = Verdicts::default();
        read(&verdicts, 1, row(3, 2, &[1]));
        assert!(verdicts.lock().is_as(&row(3, 2, &[]).0));
        assert!(!verdicts.lock().is_as(&row(4, 2, &[]).0) && !verdicts.lock().is_as(&row(3, 3, &[]).0));
        Reading::begin(&verdicts).end(1, vec![place()], vec![(row(3, 2, &[]).0, None)]);
        assert_eq!(story(&verdicts), "-+????");
    }

    #[test]
    fn with_other_definitions_nothing_is_known() {
        let verdicts = Verdicts::default();
        read(&verdicts, 1, row(3, 2, &[1]));
        let due = verdicts.lock().due(2, &[place()]);
        assert_eq!((due.len(), story(&verdicts)), (1, "not known".to_owned()));
        Reading::begin(&verdicts).end(1, due, vec![row(3, 2, &[1])]);
        assert_eq!(story(&verdicts), "not known", "it was read for the definitions before");
    }

    #[test]
    fn a_gate_without_a_cursor_has_settled_nothing() {
        let verdicts = Verdicts::default();
        let due = verdicts.lock().due(1, &[place()]);
        Reading::begin(&verdicts).end(1, due, Vec::new());
        assert_eq!(story(&verdicts), "??????");
    }

    #[test]
    fn what_all_have_passed_is_forgotten() {
        let verdicts = Verdicts::default();
        read(&verdicts, 1, row(3, 4, &[1, 3]));
        verdicts.forget(CursorId(7), &key(2));
        assert_eq!(story(&verdicts), "++-+??");
    }
}
