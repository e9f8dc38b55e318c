//! Looking at the store: the events of an instance, the latest first, and which targets got one and when.
//!
//! Reading goes back in steps of a bounded number of rows. A page ends when it is full, or when so many rows were looked at that
//! somebody who waits for it should hear of it; where to go on is told.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use domain::{
    Concern, Event, EventKey, EventType, InstanceId, OutcomeKind, Position, Role, Router, Row, Start, TargetId,
    Timestamp, TypeFilter, TypePattern,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::{AttemptFilter, EventStore, PageRequest, State};

use crate::{
    Caller, Known, OperateError, deliveries, failed,
    place::{instances, resolve},
    words::number,
};

/// Rows of one step back.
const STEP: u32 = 1000;
/// Steps of one page.
const STEPS: usize = 20;
/// Bytes of payloads in one step.
const STEP_BYTES: usize = 8 * 1024 * 1024;

/// Which events; what is `None` does not narrow.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Browse {
    /// On which instance; needed where the caller sees more than one.
    pub instance: Option<String>,
    /// Of one of these types or groups.
    pub types: Vec<TypePattern>,
    /// Of this kind of aggregate.
    pub aggregate_type: Option<String>,
    /// Of this aggregate.
    pub aggregate_id: Option<String>,
    /// Before this place in the store (a time, a position); otherwise from the end.
    pub before: Option<Start>,
    /// Where an earlier page ended: [`EventsPage::next`].
    pub after_page: Option<String>,
    /// At most so many events.
    pub limit: usize,
}

/// A part of the store, the latest event first.
#[derive(Clone, Serialize, Debug, JsonSchema)]
pub struct EventsPage {
    /// On which instance.
    #[schemars(with = "String")]
    pub instance_id: InstanceId,
    /// The events.
    pub events: Vec<EventLine>,
    /// Where to go on, towards the beginning; `None` at the beginning.
    pub next: Option<String>,
}

/// One event of the store.
#[derive(Clone, Serialize, Debug, JsonSchema)]
pub struct EventLine {
    /// By what it is asked for.
    pub key: String,
    /// Where.
    #[schemars(with = "String")]
    pub instance_id: InstanceId,
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
    /// What happened, where that can be read.
    #[schemars(with = "Option<String>")]
    pub event_type: Option<EventType>,
    /// When.
    pub created_at: Option<Timestamp>,
    /// Who did it.
    pub creator: Option<String>,
    /// Whose it is.
    pub owner: Option<String>,
    /// How large its payload is, in bytes.
    pub payload_bytes: Option<usize>,
    /// What is wrong with a row that cannot be read.
    pub unreadable: Option<String>,
}

/// An event with what became of it.
#[derive(Clone, Serialize, Debug, JsonSchema)]
pub struct WholeEvent {
    /// The event.
    #[serde(flatten)]
    pub line: EventLine,
    /// The stored JSON text, for those who may see payloads.
    #[schemars(with = "serde_json::Value")]
    pub payload: Option<Box<RawValue>>,
    /// The payload as text, where it is no JSON.
    pub payload_text: Option<String>,
    /// Every target that the caller sees and that it concerns, or that was sent it.
    pub receipts: Vec<Receipt>,
}

/// What became of an event for one target.
#[derive(Clone, Serialize, Debug, JsonSchema)]
pub struct Receipt {
    /// Its name.
    pub target: String,
    /// Its id.
    #[schemars(with = "String")]
    pub target_id: TargetId,
    /// `pending`, `settled` (delivered, or passed by an operator or by earlier definitions), `delivered` where that is written
    /// down, `failed` with the status of the failed event, or `not_concerned`.
    pub state: &'static str,
    /// The status of a failed event, and the last attempt that is written down.
    pub detail: Option<String>,
    /// When it was delivered, where that is written down.
    pub delivered_at: Option<Timestamp>,
}

/// The key of an event as one word, for a URL.
#[derive(Serialize, Deserialize)]
struct Word(String, i64, String, String, String, i64);

/// As one word.
#[must_use]
pub fn key_as_word(key: &EventKey) -> String {
    word(
        (&key.position.to_string(), key.in_tx_order),
        key.instance_id.as_str(),
        (key.aggregate_type.as_str(), key.aggregate_id.as_str(), key.sequence),
    )
}

/// The event of an attempt, as one word.
#[must_use]
pub fn word_of_attempt(line: &deliveries::Line) -> String {
    let of = (&*line.aggregate_type, &*line.aggregate_id, line.sequence);
    word((&line.position, line.in_tx_order), line.instance_id.as_str(), of)
}

/// A failed event, as one word.
#[must_use]
pub fn word_of_failed(line: &failed::Line) -> String {
    let of = (&*line.aggregate_type, &*line.aggregate_id, line.sequence);
    word((&line.position, line.in_tx_order), line.instance_id.as_str(), of)
}

fn word(
    (position, in_tx_order): (&str, i64),
    instance: &str,
    (aggregate_type, aggregate_id, sequence): (&str, &str, i64),
) -> String {
    let (kind, id) = (aggregate_type.to_owned(), aggregate_id.to_owned());
    let word = Word(position.to_owned(), in_tx_order, instance.to_owned(), kind, id, sequence);
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&word).unwrap_or_default())
}

/// From one word.
pub fn key_of_word(text: &str) -> Result<EventKey, OperateError> {
    let read = || {
        let Word(position, in_tx_order, instance, aggregate_type, aggregate_id, sequence) =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        Some(EventKey {
            position: position.parse().ok()?,
            in_tx_order,
            instance_id: instance.into(),
            aggregate_type: aggregate_type.into(),
            aggregate_id: aggregate_id.into(),
            sequence,
        })
    };
    read().ok_or_else(|| OperateError::Invalid("this is no key of an event; it comes from a list of events".to_owned()))
}

/// Which instance is meant: the one that is named or bound to, or the only one.
async fn instance_of(events: &EventStore, caller: &Caller, named: Option<&str>) -> Result<InstanceId, OperateError> {
    let mut known = instances(events, caller, named).await?;
    match (known.len(), &caller.instance) {
        (_, Some(own)) => Ok(own.clone()),
        (0, None) => Ok(InstanceId::from("")),
        (1, None) => Ok(known.remove(0)),
        (_, None) => {
            let some: Vec<_> = known.iter().take(20).map(InstanceId::as_str).collect();
            Err(OperateError::Invalid(format!("there are several instances; name one: {}", some.join(", "))))
        }
    }
}

/// The instances whose events the caller may look at.
pub async fn list_instances(caller: &Caller, events: &EventStore) -> Result<Vec<InstanceId>, OperateError> {
    instances(events, caller, None).await
}

/// A page of events, the latest first.
pub async fn browse(
    browse: &Browse,
    caller: &Caller,
    (events, state): (&EventStore, &State),
) -> Result<EventsPage, OperateError> {
    let instance = instance_of(events, caller, browse.instance.as_deref()).await?;
    let mut end = match (&browse.after_page, browse.before) {
        (Some(word), _) => key_of_word(word)?,
        (None, Some(place)) => EventKey::before(resolve(events, state, place).await?.position),
        (None, None) => EventKey::after(events.probe().await?.head),
    };
    let filter = filter(&browse.types);
    let mut found: Vec<EventLine> = Vec::new();
    for _ in 0..STEPS {
        let back = events.position_back(&instance, end.position, STEP).await?;
        let begin = back.map_or_else(|| EventKey::before(Position::ZERO), EventKey::before);
        let mut rows = between(events, &instance, &begin, &end, filter.as_ref()).await?;
        rows.retain(|row| {
            let key = row.key();
            browse.aggregate_type.as_ref().is_none_or(|one| key.aggregate_type.as_str() == one)
                && browse.aggregate_id.as_ref().is_none_or(|one| key.aggregate_id.as_str() == one)
                && row.event_type().is_none_or(|one| {
                    browse.types.is_empty() || browse.types.iter().any(|pattern| pattern.matches(one))
                })
        });
        found.extend(rows.iter().rev().map(EventLine::of));
        if found.len() >= browse.limit {
            found.truncate(browse.limit);
            let next = found.last().map(|line| line.key.clone());
            return Ok(EventsPage { instance_id: instance, events: found, next });
        }
        if back.is_none() {
            return Ok(EventsPage { instance_id: instance, events: found, next: None });
        }
        end = begin;
    }
    Ok(EventsPage { instance_id: instance, events: found, next: Some(key_as_word(&end)) })
}

/// Every row behind `begin` and before `end`.
async fn between(
    events: &EventStore,
    instance: &InstanceId,
    begin: &EventKey,
    end: &EventKey,
    filter: Option<&TypeFilter>,
) -> Result<Vec<Row>, OperateError> {
    let (mut all, mut after) = (Vec::new(), begin.clone());
    loop {
        let request = PageRequest {
            instance,
            after: &after,
            up_to: end.position,
            filter,
            limit: STEP as usize,
            max_bytes: STEP_BYTES,
        };
        let page = events.page(&request).await?;
        all.extend(page.rows.into_iter().filter(|row| row.key() < end));
        match page.end {
            Some(last) if page.more && last < *end => after = last,
            _ => return Ok(all),
        }
    }
}

/// For SQL: a superset of what the patterns match.
fn filter(types: &[TypePattern]) -> Option<TypeFilter> {
    if types.is_empty() {
        return None;
    }
    let mut filter = TypeFilter::default();
    for pattern in types.iter().map(ToString::to_string) {
        match pattern.strip_suffix(".*") {
            Some(group) => filter.groups.push(group.to_owned()),
            None if pattern == "*" => return None,
            None => filter.types.push(pattern),
        }
    }
    Some(filter)
}

/// One event in full, with what became of it for every target that the caller sees.
pub async fn show(
    word: &str,
    caller: &Caller,
    (events, state): (&EventStore, &State),
) -> Result<WholeEvent, OperateError> {
    let key = key_of_word(word)?;
    let gone = || OperateError::NotFound("there is no such event in the store".to_owned());
    if !caller.owns(Some(&key.instance_id)) {
        return Err(gone());
    }
    let row = events.event(&key).await?.ok_or_else(gone)?;
    let (payload, payload_text) = match &row {
        Row::Event(Event { payload: Some(payload), .. }) if caller.role >= Role::Operator => readable(payload),
        _ => (None, None),
    };
    let receipts = receipts(&row, caller, state).await?;
    Ok(WholeEvent { line: EventLine::of(&row), payload, payload_text, receipts })
}

fn readable(payload: &[u8]) -> (Option<Box<RawValue>>, Option<String>) {
    let text = String::from_utf8_lossy(payload).into_owned();
    match serde_json::from_str::<Box<RawValue>>(&text) {
        Ok(json) => (Some(json), None),
        Err(_) => (None, Some(text)),
    }
}

async fn receipts(row: &Row, caller: &Caller, state: &State) -> Result<Vec<Receipt>, OperateError> {
    let known = Known::read(state, caller).await?;
    let router = Router::build(&known.definitions)?;
    let (key, instance) = (row.key(), &row.key().instance_id);
    let attempts = AttemptFilter {
        target: None,
        instance: Some(instance.clone()),
        outcome: None,
        event: Some(key.clone()),
        limit: 1000,
    };
    let attempts = state.attempts(&attempts).await?;
    let mut receipts = Vec::new();
    for target in known.targets() {
        let concern = row.event_type().map(|one| router.concern(&target.id, instance, one));
        let concerned = concern.as_ref().is_none_or(Concern::receives);
        let last = attempts.iter().find(|attempt| attempt.attempt.target_id == target.id);
        let standing = state.standing(&target.id).await?;
        let here = standing.iter().find(|(cursor, _)| cursor.instance_id == *instance);
        let failed = here.and_then(|(_, failed)| failed.iter().find(|failed| failed.key == *key));
        if !concerned && last.is_none() && failed.is_none() {
            continue;
        }
        let delivered = last.filter(|last| last.attempt.outcome == OutcomeKind::Delivered);
        let settled = here.is_some_and(|(cursor, _)| cursor.has_settled(key));
        let state = match (failed, delivered) {
            (Some(_), _) => "failed",
            (None, Some(_)) => "delivered",
            (None, None) if settled => "settled",
            (None, None) if concerned => "pending",
            (None, None) => "not_concerned",
        };
        let attempt = last.map(|last| deliveries::sentence(&last.attempt));
        let failed = failed.map(|failed| {
            format!("{} after {}: {}", failed.status, number(failed.failure_count.into(), "failure"), failed.error)
        });
        receipts.push(Receipt {
            target: target.name.to_string(),
            target_id: target.id.clone(),
            state,
            detail: failed.or(attempt),
            delivered_at: delivered.map(|last| last.attempt.started_at),
        });
    }
    Ok(receipts)
}

impl EventLine {
    /// Without its payload.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        let key = row.key();
        let mut line = Self {
            key: key_as_word(key),
            instance_id: key.instance_id.clone(),
            position: key.position,
            in_tx_order: key.in_tx_order,
            aggregate_type: key.aggregate_type.to_string(),
            aggregate_id: key.aggregate_id.to_string(),
            sequence: key.sequence,
            event_type: row.event_type().cloned(),
            created_at: None,
            creator: None,
            owner: None,
            payload_bytes: None,
            unreadable: None,
        };
        match row {
            Row::Event(event) => {
                line.created_at = Some(event.created_at);
                line.creator = Some(event.creator.clone()).filter(|one| !one.is_empty());
                line.owner = Some(event.owner.clone()).filter(|one| !one.is_empty());
                line.payload_bytes = event.payload.as_ref().map(Bytes::len);
            }
            Row::Broken(broken) => line.unreadable = Some(broken.reason.clone()),
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use store::{NewEvent, StateOptions};

    use super::*;

    const EVENTS: usize = 2_500;

    fn new(number: usize) -> NewEvent {
        NewEvent {
            instance_id: "one".into(),
            aggregate_type: "user".into(),
            aggregate_id: format!("u{}", number % 10).as_str().into(),
            event_type: if number.is_multiple_of(5) { "user.added".into() } else { "org.changed".into() },
            revision: None,
            payload: Some(br#"{"a":1}"#.to_vec().into()),
            creator: String::new(),
            owner: String::new(),
        }
    }

    /// Every page, from the end to the beginning.
    async fn all(mut ask: Browse, places: (&EventStore, &State)) -> Vec<Position> {
        let caller = Caller::at_the_command_line("ada");
        let mut seen = Vec::new();
        loop {
            let page = browse(&ask, &caller, places).await.expect("the store can be read");
            assert!(page.events.len() <= ask.limit);
            seen.extend(page.events.iter().map(|event| event.position));
            match page.next {
                Some(next) => ask.after_page = Some(next),
                None => return seen,
            }
        }
    }

    #[tokio::test]
    async fn pages_go_back_to_the_beginning_and_leave_nothing_out() {
        let folder = tempfile::tempdir().expect("there is room");
        let events = EventStore::create_sqlite(&folder.path().join("events.db")).await.expect("a store can be made");
        events.append(&(1..=EVENTS).map(new).collect::<Vec<_>>()).await.expect("events can be appended");
        let url = format!("sqlite://{}/state.db", folder.path().display());
        let state = State::connect(&StateOptions::new(url)).await.expect("a state can be made");
        state.migrate().await.expect("it can be migrated");
        let places = (&events, &state);
        let positions = |step: i64, limit: i64| -> Vec<Position> {
            (1..=limit).rev().filter(|at| at % step == 0).map(Position::from_integer).collect()
        };
        let ask = |limit: usize| Browse { limit, ..Browse::default() };
        assert_eq!(all(ask(70), places).await, positions(1, 2_500));
        assert_eq!(all(ask(5_000), places).await, positions(1, 2_500));
        let of_users = |text: &str| Browse { types: vec![text.parse().expect("a pattern")], ..ask(33) };
        assert_eq!(all(of_users("user.*"), places).await, positions(5, 2_500));
        assert_eq!(all(of_users("user.added"), places).await, positions(5, 2_500));
        assert_eq!(all(Browse { aggregate_id: Some("u0".to_owned()), ..ask(33) }, places).await, positions(10, 2_500));
        assert_eq!(
            all(Browse { before: Some(Start::At(Position::from_integer(101))), ..ask(33) }, places).await,
            positions(1, 100)
        );

        let caller = Caller::at_the_command_line("ada");
        let page = browse(&ask(1), &caller, places).await.expect("the store can be read");
        let whole = show(&page.events[0].key, &caller, places).await.expect("it is there");
        assert_eq!(whole.payload.map(|payload| payload.get().to_owned()).as_deref(), Some(r#"{"a":1}"#));
        assert!(whole.receipts.is_empty(), "no target is defined");
        let viewer = Caller { role: Role::Viewer, ..caller.clone() };
        assert!(show(&page.events[0].key, &viewer, places).await.expect("it is there").payload.is_none());
        let other = Caller { instance: Some("two".into()), ..caller };
        let refused = show(&page.events[0].key, &other, places).await.expect_err("it is another's");
        assert!(matches!(refused, OperateError::NotFound(_)), "{refused}");
    }
}
