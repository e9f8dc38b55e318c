//! The account of one cursor: every event that concerns its target is in exactly one column.
//!
//! What is settled is counted by type in the event store, not read one by one; only what failed, and what is open beyond the
//! cursor, is looked up.

use std::fmt;

use domain::{Cursor, EventKey, EventType, FailedEvent, FailedStatus, InstanceId, Position, Router, Row};
use schemars::JsonSchema;
use serde::Serialize;
use store::EventStore;

use crate::{
    OperateError, Span,
    census::{Census, census},
};

/// The account of one cursor. The names are a promise to scripts.
#[derive(Serialize, Debug, JsonSchema)]
pub struct Account {
    /// Where.
    #[schemars(with = "String")]
    pub instance_id: InstanceId,
    /// Before the cursor, or settled beyond it, and not among the failed events.
    pub delivered_or_settled: u64,
    /// Given up.
    pub parked: u64,
    /// Kept back by another target.
    pub interrupted: u64,
    /// Tried again.
    pub retrying: u64,
    /// In the way.
    pub halted: u64,
    /// The cursor has not come to them.
    pub pending: u64,
    /// Events that are not for the target.
    pub not_concerning: u64,
    /// What was parked or interrupted.
    pub undelivered: Vec<Entry>,
    /// What does not add up.
    pub inconsistent: Vec<Entry>,
}

/// One event that something is said about.
#[derive(Serialize, Debug, JsonSchema)]
pub struct Entry {
    /// Where it stands in the store.
    #[schemars(with = "String")]
    pub position: Position,
    /// Where it stands in its transaction.
    pub in_tx_order: i64,
    /// What it happened to.
    pub aggregate_type: String,
    /// What it happened to.
    pub aggregate_id: String,
    /// Its number within its aggregate.
    pub sequence: i64,
    /// What happened.
    #[schemars(with = "Option<String>")]
    pub event_type: Option<EventType>,
    /// As a failed event.
    #[schemars(with = "Option<String>")]
    pub status: Option<FailedStatus>,
    /// Why it is told, in a word.
    pub reason: &'static str,
    /// Why, in words.
    pub detail: String,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event_type = self.event_type.as_ref().map_or("an event", EventType::as_str);
        write!(f, "{event_type} at {}/{}", self.position, self.in_tx_order)?;
        write!(f, " ({} {}#{}): {}", self.aggregate_type, self.aggregate_id, self.sequence, self.detail)
    }
}

/// Where a failed event stands to its cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stand {
    /// At or before the cursor, or settled beyond it.
    Settled,
    /// The cursor waits for it, or has yet to come to it.
    Open,
}

/// What a failed event counts as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Column {
    Undelivered,
    Retrying,
    Halted,
    /// It is come to again.
    Pending,
    /// Nobody will ever send or settle it.
    Forgotten,
}

/// The heart of the account.
fn column(status: FailedStatus, stand: Stand) -> Column {
    match (status, stand) {
        (FailedStatus::Parked | FailedStatus::Interrupted, Stand::Settled) => Column::Undelivered,
        (FailedStatus::Parked | FailedStatus::Interrupted, Stand::Open) => Column::Pending,
        // What is settled and retried was asked for by an operator, and the courier takes it from its row.
        (FailedStatus::Retrying, _) => Column::Retrying,
        (FailedStatus::Halted, Stand::Open) => Column::Halted,
        (FailedStatus::Halted, Stand::Settled) => Column::Forgotten,
    }
}

/// Makes the account of a cursor within a span. `open_ended`: what is said to have failed, or to be open, beyond the span must
/// be in the store, too.
pub async fn account(
    router: &Router,
    events: &EventStore,
    span: &Span,
    open_ended: bool,
    cursor: &Cursor,
    failed: Vec<FailedEvent>,
) -> Result<Account, OperateError> {
    let (target, instance) = (&cursor.target_id, &cursor.instance_id);
    let concerns = |one: Option<&EventType>| one.is_none_or(|one| router.concerns(target, instance, one));
    let within = |key: &EventKey| *key > span.after && (open_ended || *key <= span.to);
    let known = cursor.ahead.as_ref().map_or(&cursor.key, |ahead| (&ahead.to).max(&cursor.key));
    let end_of_known = known.clone().clamp(span.after.clone(), span.to.clone());
    let before = census(events, instance, &Span { after: span.after.clone(), to: end_of_known.clone() }).await?;
    let beyond = census(events, instance, &Span { after: end_of_known, to: span.to.clone() }).await?;
    let concerning = |census: &Census| -> u64 {
        census.iter().filter(|(one, _)| concerns(one.as_ref())).map(|(_, count)| count).sum()
    };
    let (mut settled, mut pending) = (concerning(&before), concerning(&beyond));
    let not_concerning = before.values().chain(beyond.values()).sum::<u64>() - settled - pending;
    let mut account = Account {
        instance_id: instance.clone(),
        delivered_or_settled: 0,
        parked: 0,
        interrupted: 0,
        retrying: 0,
        halted: 0,
        pending: 0,
        not_concerning,
        undelivered: Vec::new(),
        inconsistent: Vec::new(),
    };
    for open in cursor.ahead.iter().flat_map(|ahead| &ahead.open).filter(|open| within(open)) {
        match events.event(open).await? {
            // What concerns the target no more is passed by the courier.
            Some(row) if *open <= span.to && concerns(row.event_type()) => {
                settled = settled.saturating_sub(1);
                pending += 1;
            }
            Some(_) => {}
            None => account.inconsistent.push(Entry::of(
                open,
                "open_gone",
                "the cursor waits for it, and it is no longer in the event store; `postrider cursor seek` passes it"
                    .to_owned(),
            )),
        }
    }
    for failed in failed.into_iter().filter(|failed| within(&failed.key)) {
        let row = events.event(&failed.key).await?;
        if let Some(problem) = astray(&failed, row.as_ref(), |row| concerns(row.event_type())) {
            account.inconsistent.push(problem);
            continue;
        }
        // Written since the events were counted.
        if failed.key > span.to {
            continue;
        }
        let stand = if cursor.has_settled(&failed.key) { Stand::Settled } else { Stand::Open };
        let column = column(failed.status, stand);
        let from = if stand == Stand::Open { &mut pending } else { &mut settled };
        if column != Column::Pending {
            *from = from.saturating_sub(1);
        }
        account.enter(&failed, column);
    }
    (account.delivered_or_settled, account.pending) = (settled, pending);
    Ok(account)
}

/// A failed event that is no event of the target's any more.
fn astray(failed: &FailedEvent, row: Option<&Row>, concerns: impl Fn(&Row) -> bool) -> Option<Entry> {
    match row {
        None => Some(Entry::failed(failed, "gone", "it is no longer in the event store")),
        Some(row) if !concerns(row) => {
            Some(Entry::failed(failed, "not_concerning", "it does not concern the target any more"))
        }
        Some(_) => None,
    }
}

impl Account {
    fn enter(&mut self, failed: &FailedEvent, column: Column) {
        match column {
            Column::Undelivered => {
                *(if failed.status == FailedStatus::Parked { &mut self.parked } else { &mut self.interrupted }) += 1;
                self.undelivered.push(Entry::failed(failed, "undelivered", &failed.error));
            }
            Column::Retrying => self.retrying += 1,
            Column::Halted => self.halted += 1,
            Column::Pending => {
                self.undelivered.push(Entry::failed(failed, "come_to_again", "the cursor will come to it again"));
            }
            Column::Forgotten => self.inconsistent.push(Entry::failed(
                failed,
                "nobody_waits",
                "nothing waits for it any more; `postrider failed retry` or `discard` it",
            )),
        }
    }
}

impl Entry {
    fn of(key: &EventKey, reason: &'static str, detail: String) -> Self {
        Self {
            position: key.position,
            in_tx_order: key.in_tx_order,
            aggregate_type: key.aggregate_type.to_string(),
            aggregate_id: key.aggregate_id.to_string(),
            sequence: key.sequence,
            event_type: None,
            status: None,
            reason,
            detail,
        }
    }

    fn failed(failed: &FailedEvent, reason: &'static str, detail: &str) -> Self {
        let detail = format!("{}: {detail}", failed.status);
        let event_type = Some(failed.event_type.clone()).filter(|one| !one.as_str().is_empty());
        Self { event_type, status: Some(failed.status), ..Self::of(&failed.key, reason, detail) }
    }
}

#[cfg(test)]
mod tests {
    use domain::FailedStatus::{Halted, Interrupted, Parked, Retrying};

    use super::{Column, Stand, column};

    #[test]
    fn a_failed_event_counts_once_wherever_its_cursor_stands() {
        for (status, settled, open) in [
            (Parked, Column::Undelivered, Column::Pending),
            (Interrupted, Column::Undelivered, Column::Pending),
            (Retrying, Column::Retrying, Column::Retrying),
            (Halted, Column::Forgotten, Column::Halted),
        ] {
            assert_eq!([Stand::Settled, Stand::Open].map(|stand| column(status, stand)), [settled, open], "{status}");
        }
    }
}
