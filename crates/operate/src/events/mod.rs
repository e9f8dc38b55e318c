//! Looking at the store: the events of an instance, the latest first, and which targets got one and when.
//!
//! Reading goes back in steps of a bounded number of rows. A page ends when it is full, or when so many rows were looked at that
//! somebody who waits for it should hear of it; where to go on is told.

mod key;
mod show;

use std::collections::VecDeque;

use bytes::Bytes;
use domain::{
    EventKey, EventType, InstanceId, Position, Row, SignedDuration, Start, Timestamp, TypeFilter, TypePattern,
};
use schemars::JsonSchema;
use serde::Serialize;
use store::{EventStore, HorizonSource, PageRequest, State};

pub use key::{key_as_word, key_of_word, word_of_attempt, word_of_failed};
pub use show::{Receipt, WholeEvent, show};

use crate::{
    Caller, OperateError, clock,
    place::{instances, resolve},
};

/// Rows of one step back.
const STEP: u32 = 1000;
/// Steps of one page.
const STEPS: usize = 20;
/// How far the clock of a database may be before ours.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);
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
        (None, Some(place)) => resolve(events, state, place).await?.key,
        (None, None) => EventKey::after(end_of(events).await?),
    };
    let filter = filter(&browse.types);
    let mut found: Vec<EventLine> = Vec::new();
    for _ in 0..STEPS {
        let back = events.position_back(&instance, end.position, STEP).await?;
        let begin = back.map_or_else(|| EventKey::before(Position::ZERO), EventKey::before);
        let wanted = |row: &Row| browse.takes(row);
        let keep = browse.limit - found.len();
        found.extend(
            last_between(events, &instance, (&begin, &end), filter.as_ref(), wanted, keep).await?.into_iter().rev(),
        );
        if found.len() >= browse.limit {
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

/// Behind everything that is there. Where positions are times, the horizon lags behind what can be seen already, and somebody who
/// looks wants to see it.
async fn end_of(events: &EventStore) -> Result<Position, OperateError> {
    let head = events.probe().await?.head;
    let soon = clock::now().checked_add(AHEAD).ok().filter(|_| events.source() != HorizonSource::Sequence);
    Ok(soon.map_or(head, |soon| head.max(Position::from_micros(soon.as_microsecond()))))
}

/// The last of the rows behind one key and before another that are wanted, at most so many: without their payloads, since any number of
/// events may share a position and be read together.
async fn last_between(
    events: &EventStore,
    instance: &InstanceId,
    (begin, end): (&EventKey, &EventKey),
    filter: Option<&TypeFilter>,
    wanted: impl Fn(&Row) -> bool,
    most: usize,
) -> Result<VecDeque<EventLine>, OperateError> {
    let (mut last, mut after) = (VecDeque::new(), begin.clone());
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
        for row in page.rows.iter().filter(|row| row.key() < end && wanted(row)) {
            if last.len() == most {
                last.pop_front();
            }
            last.push_back(EventLine::of(row));
        }
        match page.end {
            Some(reached) if page.more && reached < *end => after = reached,
            _ => return Ok(last),
        }
    }
}

impl Browse {
    /// What SQL does not decide.
    fn takes(&self, row: &Row) -> bool {
        let key = row.key();
        let is = |asked: &Option<String>, found: &str| asked.as_ref().is_none_or(|asked| asked == found);
        is(&self.aggregate_type, key.aggregate_type.as_str())
            && is(&self.aggregate_id, key.aggregate_id.as_str())
            && row.event_type().is_none_or(|one| self.types.is_empty() || self.types.iter().any(|all| all.matches(one)))
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
                line.creator = Some(event.creator.to_string()).filter(|one| !one.is_empty());
                line.owner = Some(event.owner.to_string()).filter(|one| !one.is_empty());
                line.payload_bytes = event.payload.as_ref().map(Bytes::len);
            }
            Row::Broken(broken) => line.unreadable = Some(broken.reason.clone()),
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use domain::Role;
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
        let before = |place: Start| Browse { before: Some(place), ..ask(2_500) };
        assert_eq!(all(before(Start::Now), places).await, positions(1, 2_500), "the newest is before now");
        let beyond: Start = "99999999999999999999".parse().expect("a place");
        assert_eq!(all(before(beyond), places).await, positions(1, 2_500));

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
