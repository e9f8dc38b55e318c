//! How far a target has come on one instance, and what it could not deliver.

use std::{collections::BTreeSet, fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{EventKey, EventType, InstanceId, TargetId};

/// The number of a cursor's row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CursorId(pub i64);

/// The fencing number of a cursor: raised by a new owner and by an operator's act; every commit must present it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Epoch(pub i64);

/// A cursor as it stands in the state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// Its row.
    pub id: CursorId,
    /// What the next commit must present.
    pub epoch: Epoch,
    /// Whose cursor.
    pub target_id: TargetId,
    /// On which instance.
    pub instance_id: InstanceId,
    /// Everything up to and including this is settled.
    pub key: EventKey,
    /// `created_at` of the event at `key`.
    pub event_date: Option<Timestamp>,
    /// The event that was delivered last, for `Postrider-Previous-Position`.
    pub delivered: Option<(crate::Position, i64)>,
    /// Events parked in a row without a delivery between, so that a restart does not forget them.
    pub parked_in_a_row: u32,
    /// Raised when an operator seeks with new ids: part of every `Webhook-Id`.
    pub generation: i64,
    /// When the row last changed.
    pub last_updated: Timestamp,
    /// What the courier was doing.
    pub state: CursorState,
    /// Why, in a sentence, where the state needs one.
    pub reason: Option<String>,
    /// What is settled beyond `key`.
    pub ahead: Option<Ahead>,
    /// Why an operator halted it, as long as it is halted by one.
    pub halt: Option<String>,
}

impl Cursor {
    /// A cursor that stands at a place and that nothing has happened to.
    #[must_use]
    pub fn new(id: CursorId, target_id: TargetId, instance_id: InstanceId, key: EventKey) -> Self {
        Self {
            id,
            epoch: Epoch(1),
            target_id,
            instance_id,
            key,
            event_date: None,
            delivered: None,
            parked_in_a_row: 0,
            generation: 0,
            last_updated: Timestamp::UNIX_EPOCH,
            state: CursorState::Live,
            reason: None,
            ahead: None,
            halt: None,
        }
    }

    /// Whether this event is settled, behind the cursor or ahead of it.
    #[must_use]
    pub fn has_settled(&self, key: &EventKey) -> bool {
        *key <= self.key || self.ahead.as_ref().is_some_and(|ahead| ahead.settles(key))
    }
}

/// What is settled beyond a cursor: everything after it up to `to`, except what is `open`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ahead {
    /// Nothing is known beyond it.
    pub to: EventKey,
    /// Events between the cursor and `to` that are not settled, in order.
    pub open: Vec<EventKey>,
}

impl Ahead {
    /// Whether this event, which lies beyond the cursor, is settled.
    #[must_use]
    pub fn settles(&self, key: &EventKey) -> bool {
        *key <= self.to && self.open.binary_search(key).is_err()
    }

    /// Where a cursor stands once these are settled, too, and what is left beyond it.
    #[must_use]
    pub fn without(mut self, cursor: &EventKey, settled: &BTreeSet<EventKey>) -> (EventKey, Option<Self>) {
        let Some(left) = self.open.iter().find(|key| !settled.contains(*key)) else {
            return (self.to.max(cursor.clone()), None);
        };
        let passed = self.open.iter().take_while(|key| *key != left).last().cloned();
        let cursor = passed.map_or_else(|| cursor.clone(), |passed| passed.max(cursor.clone()));
        self.open.retain(|key| !settled.contains(key));
        (cursor, Some(self))
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// The word in the state, in tables and in JSON.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(format!("{text:?} is none of {}", [$($word),*].join(", "))),
                }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What a courier is doing.
    CursorState {
        /// At the head of the store, or close to it.
        Live = "live",
        /// Working through events that are older.
        CatchingUp = "catching_up",
        /// The event at the head failed and is tried again.
        Retrying = "retrying",
        /// The endpoint cannot be reached.
        Holding = "holding",
        /// For the verdict of the target before it.
        Waiting = "waiting",
        /// Until an operator acts.
        Halted = "halted",
        /// By an operator.
        Paused = "paused",
    }
}

words! {
    /// What is being done about a failed event.
    FailedStatus {
        /// It is tried again; the cursor waits before it.
        Retrying = "retrying",
        /// Given up: the cursor has passed it.
        Parked = "parked",
        /// Not sent, because a target before this one did not deliver it.
        Interrupted = "interrupted",
        /// Given up, and the cursor waits before it until an operator acts.
        Halted = "halted",
    }
}

/// An event whose call failed (ZITADEL's `failed_events2`, with a status).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailedEvent {
    /// Which event.
    pub key: EventKey,
    /// What happened.
    pub event_type: EventType,
    /// Failures so far.
    pub failure_count: u32,
    /// What is being done about it.
    pub status: FailedStatus,
    /// The last failure, in a sentence.
    pub error: String,
    /// When it failed first.
    pub first_failed: Timestamp,
    /// When it failed last.
    pub last_failed: Timestamp,
}

/// What a courier asks the ledger to commit: the whole cursor row as it shall be, and what became of failed events.
///
/// Of two settlements of one cursor the later one says everything: merging keeps its row, and for each failed event
/// the last change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settlement {
    /// See [`Cursor::key`].
    pub key: EventKey,
    /// See [`Cursor::event_date`].
    pub event_date: Option<Timestamp>,
    /// See [`Cursor::delivered`].
    pub delivered: Option<(crate::Position, i64)>,
    /// See [`Cursor::parked_in_a_row`].
    pub parked_in_a_row: u32,
    /// See [`Cursor::state`].
    pub state: CursorState,
    /// See [`Cursor::reason`].
    pub reason: Option<String>,
    /// What became of failed events, in order.
    pub failed: Vec<FailedChange>,
    /// See [`Cursor::ahead`].
    pub ahead: Option<Ahead>,
    /// What was settled without being delivered since the last settlement: parked or interrupted. Kept where others wait for
    /// this target's verdicts.
    pub denied: Vec<EventKey>,
}

/// What became of a failed event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FailedChange {
    /// Written or overwritten; `first_failed` stays what it was.
    Put(FailedEvent),
    /// Delivered, or discarded.
    Remove(EventKey),
}

#[cfg(test)]
mod tests;
