//! `postrider cursor skip NAME`: parks the event at the head by hand.

use std::process::ExitCode;

use clap::Args;
use domain::{Cursor, EventType, FailedEvent, FailedStatus, Router, Row, Start, Target};
use engine::resolve_start;
use serde_json::json;
use store::{EventStore, FailedFilter, PageRequest, State};

use super::{cursors_of, on};
use crate::{
    clock,
    context::{Context, target_named},
    failure::{FAILED, usage},
};

#[derive(Args)]
pub struct Skip {
    /// The target's name
    name: String,
    /// On this instance; needed where the target has a cursor on more than one
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
}

impl Skip {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let state = context.state(&config).await?;
        let definitions = state.definitions().await?;
        let target = target_named(&definitions, &self.name)?;
        let cursors = cursors_of(&state, target, self.instance.as_deref()).await?;
        let [cursor] = cursors.as_slice() else {
            let instances: Vec<_> = cursors.iter().map(|cursor| cursor.instance_id.as_str()).collect();
            return Err(usage(format!(
                "{:?} has cursors on {} instances; name one with --instance: {}",
                self.name,
                instances.len(),
                instances.join(", ")
            )));
        };
        let events = context.events(&config).await?;
        let router = Router::build(&definitions)?;
        let Some(row) = head(&router, target, cursor, &events, &state).await? else {
            let sentence =
                format!("{} has nothing to skip{}: no event is left for it", self.name, on(&cursor.instance_id));
            context.output.tell(&json!(null), &sentence)?;
            return Ok(ExitCode::from(FAILED));
        };
        let parked = parked(&row, cursor, &state).await?;
        let event_date = match &row {
            Row::Event(event) => Some(event.created_at),
            Row::Broken(_) => None,
        };
        state.skip(cursor.id, &cursor.key, &parked, event_date, &context.actor()).await?;
        let answer = json!({
            "target": self.name,
            "instance_id": cursor.instance_id,
            "event_type": parked.event_type,
            "position": parked.key.position,
            "aggregate_id": parked.key.aggregate_id,
            "sequence": parked.key.sequence,
        });
        let sentence =
            format!("parked {} at {}; `postrider failed retry {}` sends it", parked.event_type, parked.key, self.name);
        context.output.tell(&answer, &sentence)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The first event after the cursor that concerns the target, up to the horizon.
async fn head(
    router: &Router,
    target: &Target,
    cursor: &Cursor,
    events: &EventStore,
    state: &State,
) -> anyhow::Result<Option<Row>> {
    let Some(filter) = router.filter(&target.id, &cursor.instance_id) else { return Ok(None) };
    let up_to = resolve_start(events, state, Start::Now).await?.position;
    let mut after = cursor.key.clone();
    loop {
        let request = PageRequest {
            instance: &cursor.instance_id,
            after: &after,
            up_to,
            filter: Some(&filter),
            limit: 100,
            max_bytes: 1024 * 1024,
        };
        let page = events.page(&request).await?;
        let concerns =
            |row: &Row| row.event_type().is_none_or(|one| router.concerns(&target.id, &cursor.instance_id, one));
        if let Some(row) = page.rows.into_iter().find(concerns) {
            return Ok(Some(row));
        }
        match page.end {
            Some(end) if page.more => after = end,
            _ => return Ok(None),
        }
    }
}

/// As it will stand among the failed events, with the failures it already had.
async fn parked(row: &Row, cursor: &Cursor, state: &State) -> anyhow::Result<FailedEvent> {
    let filter = FailedFilter {
        target: Some(cursor.target_id.clone()),
        instance: Some(cursor.instance_id.clone()),
        aggregate_id: Some(row.key().aggregate_id.to_string()),
        sequence: Some(row.key().sequence),
        ..FailedFilter::default()
    };
    let known = state.failed_events(&filter).await?.into_iter().map(|(_, _, event)| event);
    let known = known.into_iter().find(|event| event.key == *row.key());
    let now = clock::now();
    Ok(FailedEvent {
        key: row.key().clone(),
        event_type: row.event_type().cloned().unwrap_or_else(|| EventType::from("")),
        failure_count: known.as_ref().map_or(0, |event| event.failure_count),
        status: FailedStatus::Parked,
        error: known.as_ref().map_or_else(
            || "skipped by an operator".to_owned(),
            |event| format!("skipped by an operator; before that: {}", event.error),
        ),
        first_failed: known.as_ref().map_or(now, |event| event.first_failed),
        last_failed: known.as_ref().map_or(now, |event| event.last_failed),
    })
}
