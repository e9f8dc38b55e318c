//! How many events an act would send, or leave waiting: counted in the event store by type, judged by the Router.
//!
//! What is settled beyond a cursor is taken into account. Counting stops at [`COUNT_CAP`].

use std::{fmt, time::Duration};

use domain::{Cursor, EventKey, EventType, Position, Router, SignedDuration};
use store::{EventStore, PageRequest, StoreError};

use crate::clock;

/// Where counting stops.
pub const COUNT_CAP: u64 = 100_000;

/// So many events, or more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// How many.
    pub events: u64,
    /// There may be more.
    pub capped: bool,
}

impl Tally {
    /// Exactly so many.
    #[must_use]
    pub fn of(events: usize) -> Self {
        Self { events: events as u64, capped: false }
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { events: self.events + other.events, capped: self.capped || other.capped }
    }

    fn without(self, other: Self) -> Self {
        Self { events: self.events.saturating_sub(other.events), capped: self.capped || other.capped }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.capped, self.events) {
            (false, 1) => f.write_str("1 event"),
            (false, events) => write!(f, "{events} events"),
            (true, events) => write!(f, "{events} events or more"),
        }
    }
}

/// What a seek would do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moved {
    /// Settled now, and sent because of it.
    pub sent: Tally,
    /// Not settled now, and never sent because of it.
    pub passed: Tally,
}

/// Counts what an act would send: see the module's head.
#[derive(Debug)]
pub struct Reckoner<'a> {
    router: &'a Router,
    events: &'a EventStore,
    head: Position,
    /// What lies before it is too old to be sent.
    expired: EventKey,
}

impl<'a> Reckoner<'a> {
    /// Up to the head of the store.
    pub async fn new(
        router: &'a Router,
        events: &'a EventStore,
        max_event_age: Option<Duration>,
    ) -> Result<Self, StoreError> {
        let head = events.probe().await?.head;
        Ok(Self { router, events, head, expired: expired(events, max_event_age).await? })
    }

    /// What is left for a cursor.
    pub async fn waiting(&self, cursor: &Cursor) -> Result<Tally, StoreError> {
        let end = EventKey::after(self.head);
        match &cursor.ahead {
            None => self.between(cursor, &cursor.key, &end).await,
            Some(ahead) => Ok(Tally::of(ahead.open.len()).and(self.between(cursor, &ahead.to, &end).await?)),
        }
    }

    /// What moving a cursor would do.
    pub async fn moved(&self, cursor: &Cursor, to: &EventKey) -> Result<Moved, StoreError> {
        let (known, open) = match &cursor.ahead {
            Some(ahead) => ((&ahead.to).max(&cursor.key), ahead.open.as_slice()),
            None => (&cursor.key, &[][..]),
        };
        let (passed, left) = open.split_at(open.partition_point(|key| key <= to));
        Ok(if to < known {
            let sent = self.between(cursor, to, known).await?.without(Tally::of(left.len()));
            Moved { sent, passed: Tally::of(passed.len()) }
        } else {
            let beyond = self.between(cursor, known, to).await?;
            Moved { sent: Tally::default(), passed: Tally::of(passed.len()).and(beyond) }
        })
    }

    /// The events behind `after` up to and including `to` that concern the cursor's target and are young enough.
    async fn between(&self, cursor: &Cursor, after: &EventKey, to: &EventKey) -> Result<Tally, StoreError> {
        if to <= after {
            return Ok(Tally::default());
        }
        let whole = self.up_to(cursor, after, to.position).await?;
        Ok(whole.without(self.up_to(cursor, to, to.position).await?))
    }

    async fn up_to(&self, cursor: &Cursor, after: &EventKey, up_to: Position) -> Result<Tally, StoreError> {
        let (target, instance) = (&cursor.target_id, &cursor.instance_id);
        let Some(filter) = self.router.filter(target, instance) else { return Ok(Tally::default()) };
        let after = after.max(&self.expired);
        let request =
            PageRequest { instance, after, up_to, filter: Some(&filter), limit: usize::MAX, max_bytes: usize::MAX };
        let census = self.events.census(&request, COUNT_CAP).await?;
        let capped = census.iter().map(|(_, events)| events).sum::<u64>() >= COUNT_CAP;
        // A row whose type cannot be read may concern everybody.
        let concerns =
            |one: &Option<EventType>| one.as_ref().is_none_or(|one| self.router.concerns(target, instance, one));
        let events = census.iter().filter(|(one, _)| concerns(one)).map(|(_, events)| events).sum();
        Ok(Tally { events, capped })
    }
}

/// Behind what is settled as `expired` by now, if anything ever is.
pub async fn expired(events: &EventStore, max_event_age: Option<Duration>) -> Result<EventKey, StoreError> {
    let oldest = max_event_age.and_then(|age| {
        let age = SignedDuration::try_from(age).ok()?;
        clock::now().checked_sub(age).ok()
    });
    Ok(EventKey::before(match oldest {
        Some(oldest) => events.position_at(oldest).await?,
        None => Position::ZERO,
    }))
}

#[cfg(test)]
mod tests {
    use domain::{Ahead, CursorId, Definitions, Execution, ExecutionTarget, Target};
    use store::NewEvent;

    use super::*;

    fn cursor(at: &EventKey, ahead: Option<Ahead>) -> Cursor {
        Cursor { ahead, ..Cursor::new(CursorId(1), "crm-id".into(), "one".into(), at.clone()) }
    }

    /// Twenty events at positions 1 to 20, of which those at even positions concern the target.
    async fn check(at: usize, ahead: Option<(usize, &[usize])>, to: usize, sent: u64, passed: u64, waiting: u64) {
        let folder = tempfile::tempdir().expect("there is room");
        let events = EventStore::create_sqlite(&folder.path().join("events.db")).await.expect("a store can be made");
        let event = |number: usize| NewEvent {
            instance_id: "one".into(),
            aggregate_type: "user".into(),
            aggregate_id: "u".into(),
            event_type: if number.is_multiple_of(2) { "user.added".into() } else { "user.removed".into() },
            revision: None,
            payload: None,
            creator: String::new(),
            owner: String::new(),
        };
        let keys = events.append(&(1..=20).map(event).collect::<Vec<_>>()).await.expect("events can be appended");
        let key = |position: usize| keys[position - 1].clone();
        let endpoint = "https://crm.example.com".parse().expect("it is a URL");
        let exclude = vec!["user.removed".parse().expect("it is a pattern")];
        let definitions = Definitions {
            revision: 1,
            targets: vec![Target { exclude, ..Target::new("crm-id".into(), "crm".into(), endpoint) }],
            executions: vec![Execution {
                condition: "event".parse().expect("it is a condition"),
                instance: None,
                targets: vec![ExecutionTarget::Target("crm".into())],
                exclude: Vec::new(),
                source: domain::Source::Api,
            }],
        };
        let router = Router::build(&definitions).expect("they are sound");
        let head = Position::from_integer(20);
        let expired = EventKey::before(Position::ZERO);
        let reckoner = Reckoner { router: &router, events: &events, head, expired };
        let open = |positions: &[usize]| positions.iter().map(|position| key(*position)).collect();
        let ahead = ahead.map(|(to, positions)| Ahead { to: key(to), open: open(positions) });
        let cursor = cursor(&key(at), ahead);
        let moved = reckoner.moved(&cursor, &key(to)).await.expect("it is counted");
        assert_eq!((moved.sent.events, moved.passed.events), (sent, passed), "from {at} to {to}");
        assert_eq!(
            reckoner.waiting(&cursor).await.expect("it is counted"),
            Tally::of(usize::try_from(waiting).expect("few"))
        );
    }

    #[tokio::test]
    async fn a_seek_sends_what_was_settled_and_passes_what_was_not() {
        check(10, None, 4, 3, 0, 5).await;
        check(10, None, 10, 0, 0, 5).await;
        check(10, None, 15, 0, 2, 5).await;
    }

    #[tokio::test]
    async fn what_was_settled_beyond_a_cursor_is_sent_again_after_a_seek() {
        // Open are 12 and 16, settled beyond the cursor are 14 and 18; 20 was not come to.
        let ahead: (usize, &[usize]) = (18, &[12, 16]);
        check(10, Some(ahead), 10, 2, 0, 3).await;
        check(10, Some(ahead), 6, 4, 0, 3).await;
        check(10, Some(ahead), 12, 2, 1, 3).await;
        check(10, Some(ahead), 16, 1, 2, 3).await;
        check(10, Some(ahead), 20, 0, 3, 3).await;
    }
}
