//! Who hears of an event, and what a target would receive.
//!
//! Of a stretch of the store two readings are made: pages that are filtered in SQL, for the list, and a count by type of
//! everything, for the sums. Both in statements that look at a bounded number of rows.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use domain::{
    Concern, Condition, EventKey, EventType, Explanation, InstanceId, Position, Router, Row, Start, TargetId, Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;
use store::{EventStore, PageRequest, State};

use crate::{
    Caller, Known, OperateError,
    census::census,
    place::{Span, instances, span},
    reckon::expired,
    words::place,
};

const PAGE: usize = 500;

/// What a target would receive. The names are a promise to scripts.
#[derive(Clone, Serialize, Debug, JsonSchema)]
#[schemars(rename = "ExplainedRange")]
pub struct Answer {
    /// Its name.
    pub target: String,
    /// Its id.
    #[schemars(with = "String")]
    pub target_id: TargetId,
    /// Exclusive.
    pub from: String,
    /// Inclusive.
    pub to: String,
    /// The first of them, up to the limit.
    pub events: Vec<Line>,
    /// All of them.
    pub would_receive: u64,
    /// What it would not receive, by reason.
    pub kept_out: Vec<KeptOut>,
}

/// One event that it would.
#[derive(Clone, Serialize, Debug, JsonSchema)]
#[schemars(rename = "WouldReceive")]
pub struct Line {
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
    /// Why it is sent.
    #[schemars(with = "Option<String>")]
    pub execution: Option<Condition>,
    /// Through which includes.
    #[schemars(with = "Vec<String>")]
    pub via: Vec<Condition>,
    /// What is wrong with a row that the target would halt at.
    pub unreadable: Option<String>,
}

/// Events that it would not.
#[derive(Clone, Serialize, Debug, JsonSchema)]
pub struct KeptOut {
    /// Why, in a word.
    pub reason: &'static str,
    /// Why, in words.
    pub detail: String,
    /// How many.
    pub events: u64,
}

/// Which execution an event of a type fires on an instance, and whom that calls. A caller with an instance asks about that one,
/// and is told of nobody else's targets and executions.
pub async fn event(
    event_type: &str,
    instance: Option<InstanceId>,
    caller: &Caller,
    state: &State,
) -> Result<Explanation, OperateError> {
    let known = Known::read(state, caller).await?;
    let instance = caller.narrow(instance)?.unwrap_or_else(|| InstanceId::from(""));
    let router = Router::build(&known.definitions)?;
    let mut explanation = router.explain(&instance, &EventType::from(event_type));
    if caller.instance.is_some() {
        let own = |instance: Option<&InstanceId>| caller.owns(instance);
        explanation.passed_over.retain(|execution| own(execution.instance.as_ref()));
        explanation.matched = explanation.matched.filter(|execution| own(execution.instance.as_ref()));
        explanation.targets.retain(|target| known.targets().any(|seen| seen.id == target.id));
    }
    Ok(explanation)
}

/// What a target would receive between two places with the definitions now in force, at most `limit` events listed and all
/// counted; and what the operator should know.
pub async fn range(
    name: &str,
    (from, to): (Start, Start),
    instance: Option<&str>,
    limit: usize,
    caller: &Caller,
    (store, state): (&EventStore, &State),
    max_event_age: Option<Duration>,
) -> Result<(Answer, Vec<String>), OperateError> {
    let known = Known::read(state, caller).await?;
    let target = known.target(name)?;
    let router = Router::build(&known.definitions)?;
    let (span, warnings) = span((store, state), (from, to), caller).await?;
    let young = expired(store, max_event_age).await?.clamp(span.after.clone(), span.to.clone());
    let mut answer = Answer {
        target: target.name.to_string(),
        target_id: target.id.clone(),
        from: place(&span.after),
        to: place(&span.to),
        events: Vec::new(),
        would_receive: 0,
        kept_out: Vec::new(),
    };
    let mut kept_out = BTreeMap::new();
    for instance in instances(store, caller, instance).await? {
        let mut reasons = Reasons { router: &router, target: &target.id, instance: &instance, known: HashMap::new() };
        let old = Span { after: span.after.clone(), to: young.clone() };
        for (event_type, count) in census(store, &instance, &old).await? {
            let concern = reasons.of(event_type.as_ref());
            let reason = if concern.receives() { Why::Expired } else { Why::Other(concern) };
            *kept_out.entry(reason).or_default() += count;
        }
        let new = Span { after: young.clone(), to: span.to.clone() };
        for (event_type, count) in census(store, &instance, &new).await? {
            let concern = reasons.of(event_type.as_ref());
            if concern.receives() {
                answer.would_receive += count;
            } else {
                *kept_out.entry(Why::Other(concern)).or_default() += count;
            }
        }
        list(&mut answer.events, limit, &new, store, &mut reasons).await?;
    }
    answer.kept_out = kept_out.into_iter().map(|(why, events)| why.counted(events)).collect();
    Ok((answer, warnings))
}

/// Why an event is kept from the target.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Expired,
    Other(Concern),
}

impl Why {
    fn counted(self, events: u64) -> KeptOut {
        let (reason, detail) = match self {
            Self::Expired => ("expired", "older than projection.max_event_age".to_owned()),
            Self::Other(concern) => (concern.word(), concern.to_string()),
        };
        KeptOut { reason, detail, events }
    }
}

/// Explaining a type once is enough.
struct Reasons<'a> {
    router: &'a Router,
    target: &'a TargetId,
    instance: &'a InstanceId,
    known: HashMap<EventType, Concern>,
}

impl Reasons<'_> {
    fn of(&mut self, event_type: Option<&EventType>) -> Concern {
        let Some(event_type) = event_type else {
            // A row whose type cannot be read stands in everybody's way.
            return Concern::Receives { execution: Condition::All, instance: None, via: Vec::new() };
        };
        let explain = || self.router.concern(self.target, self.instance, event_type);
        self.known.entry(event_type.clone()).or_insert_with(explain).clone()
    }
}

/// Page by page, until there are enough.
async fn list(
    lines: &mut Vec<Line>,
    limit: usize,
    span: &Span,
    store: &EventStore,
    reasons: &mut Reasons<'_>,
) -> Result<(), OperateError> {
    let Some(filter) = reasons.router.filter(reasons.target, reasons.instance) else { return Ok(()) };
    let mut after: EventKey = span.after.clone();
    while lines.len() < limit && after < span.to {
        let request = PageRequest {
            instance: reasons.instance,
            after: &after,
            up_to: span.to.position,
            filter: Some(&filter),
            limit: PAGE,
            max_bytes: 1024 * 1024,
        };
        let page = store.page(&request).await?;
        for row in page.rows.iter().filter(|row| *row.key() <= span.to) {
            let concern = reasons.of(row.event_type());
            if lines.len() < limit && concern.receives() {
                lines.push(Line::of(row, reasons.instance, concern));
            }
        }
        match page.end {
            Some(end) if page.more => after = end,
            _ => break,
        }
    }
    Ok(())
}

impl Line {
    fn of(row: &Row, instance: &InstanceId, concern: Concern) -> Self {
        let key = row.key();
        let (created_at, unreadable) = match row {
            Row::Event(event) => (Some(event.created_at), None),
            Row::Broken(row) => (None, Some(row.reason.clone())),
        };
        let (execution, via) = match concern {
            Concern::Receives { execution, via, .. } if row.event_type().is_some() => (Some(execution), via),
            _ => (None, Vec::new()),
        };
        Self {
            instance_id: instance.clone(),
            position: key.position,
            in_tx_order: key.in_tx_order,
            aggregate_type: key.aggregate_type.to_string(),
            aggregate_id: key.aggregate_id.to_string(),
            sequence: key.sequence,
            event_type: row.event_type().cloned(),
            created_at,
            execution,
            via,
            unreadable,
        }
    }

    /// In words.
    #[must_use]
    pub fn why(&self) -> String {
        let via: Vec<_> = self.via.iter().map(|include| format!(", includes {include}")).collect();
        match (&self.execution, &self.unreadable) {
            (_, Some(unreadable)) => format!("halts the target: {unreadable}"),
            (Some(execution), None) => format!("{execution}{}", via.concat()),
            (None, None) => String::new(),
        }
    }
}
