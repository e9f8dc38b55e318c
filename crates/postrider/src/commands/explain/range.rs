//! `postrider explain --target T --from A --to B`: what a target would receive.
//!
//! Two readings of the same stretch: pages that are filtered in SQL, for the list, and a count by type of everything, for
//! the sums. Both in statements that look at a bounded number of rows.

use std::{
    collections::{BTreeMap, HashMap},
    process::ExitCode,
};

use domain::{Concern, Condition, EventKey, EventType, InstanceId, Position, Router, Row, Start, TargetId, Timestamp};
use serde::Serialize;
use store::{EventStore, PageRequest};

use crate::{
    commands::{
        act::events,
        census::census,
        place::{Span, instances, span},
        reckon::expired,
    },
    context::{Context, target_named},
    output::{Table, Tone, place, time},
};

const PAGE: usize = 500;

/// The names are a promise to scripts.
#[derive(Serialize)]
struct Answer {
    target: String,
    target_id: TargetId,
    from: String,
    to: String,
    /// The first of them, up to the limit.
    events: Vec<Line>,
    /// All of them.
    would_receive: u64,
    kept_out: Vec<KeptOut>,
}

#[derive(Serialize)]
struct Line {
    instance_id: InstanceId,
    position: Position,
    in_tx_order: i64,
    aggregate_type: String,
    aggregate_id: String,
    sequence: i64,
    event_type: Option<EventType>,
    created_at: Option<Timestamp>,
    /// Why it is sent.
    execution: Option<Condition>,
    via: Vec<Condition>,
    /// What is wrong with a row that the target would halt at.
    unreadable: Option<String>,
}

#[derive(Serialize)]
struct KeptOut {
    reason: &'static str,
    detail: String,
    events: u64,
}

/// Lists and counts.
pub async fn run(
    context: &Context,
    name: &str,
    (from, to): (Start, Start),
    instance: Option<&str>,
    limit: usize,
) -> anyhow::Result<ExitCode> {
    let config = context.config()?;
    let state = context.state(&config).await?;
    let definitions = state.definitions().await?;
    let target = target_named(&definitions, name)?;
    let router = Router::build(&definitions)?;
    let store = context.events(&config).await?;
    let span = span(&store, &state, from, to).await?;
    let young = expired(&store, &config).await?.clamp(span.after.clone(), span.to.clone());
    let mut answer = Answer {
        target: name.to_owned(),
        target_id: target.id.clone(),
        from: place(&span.after),
        to: place(&span.to),
        events: Vec::new(),
        would_receive: 0,
        kept_out: Vec::new(),
    };
    let mut kept_out = BTreeMap::new();
    for instance in instances(&store, instance).await? {
        let mut reasons = Reasons { router: &router, target: &target.id, instance: &instance, known: HashMap::new() };
        let old = Span { after: span.after.clone(), to: young.clone() };
        for (event_type, count) in census(&store, &instance, &old).await? {
            let concern = reasons.of(event_type.as_ref());
            let reason = if concern.receives() { Why::Expired } else { Why::Other(concern) };
            *kept_out.entry(reason).or_default() += count;
        }
        let new = Span { after: young.clone(), to: span.to.clone() };
        for (event_type, count) in census(&store, &instance, &new).await? {
            let concern = reasons.of(event_type.as_ref());
            if concern.receives() {
                answer.would_receive += count;
            } else {
                *kept_out.entry(Why::Other(concern)).or_default() += count;
            }
        }
        list(&mut answer.events, limit, &new, &store, &mut reasons).await?;
    }
    answer.kept_out = kept_out.into_iter().map(|(why, events)| why.counted(events)).collect();
    context.output.print(&answer, || table(&answer))?;
    Ok(ExitCode::SUCCESS)
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
) -> anyhow::Result<()> {
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

    fn why(&self) -> String {
        let via: Vec<_> = self.via.iter().map(|include| format!(", includes {include}")).collect();
        match (&self.execution, &self.unreadable) {
            (_, Some(unreadable)) => format!("halts the target: {unreadable}"),
            (Some(execution), None) => format!("{execution}{}", via.concat()),
            (None, None) => String::new(),
        }
    }
}

fn table(answer: &Answer) -> Table {
    let instances = answer.events.iter().any(|line| !line.instance_id.as_str().is_empty());
    let mut header = Vec::new();
    header.extend(instances.then_some("instance"));
    header.extend(["position", "event type", "aggregate", "sequence", "created", "why"]);
    let mut table = Table::new(header, "nothing in there goes to the target");
    for line in &answer.events {
        let mut cells = Vec::new();
        cells.extend(instances.then(|| line.instance_id.to_string()));
        cells.extend([
            format!("{}/{}", line.position, line.in_tx_order),
            line.event_type.as_ref().map(ToString::to_string).unwrap_or_default(),
            line.aggregate_id.clone(),
            line.sequence.to_string(),
            line.created_at.map(time).unwrap_or_default(),
            line.why(),
        ]);
        table.row(if line.unreadable.is_some() { Tone::Bad } else { Tone::Plain }, cells);
    }
    let listed = answer.events.len() as u64;
    let more = if listed < answer.would_receive { format!(", of which {listed} are listed") } else { String::new() };
    table.note(format!("{} would receive {}{more}", answer.target, events(answer.would_receive)));
    for kept_out in &answer.kept_out {
        table.note(format!("{} kept out: {}", events(kept_out.events), kept_out.detail));
    }
    table
}
