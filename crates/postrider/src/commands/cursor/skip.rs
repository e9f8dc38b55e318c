//! `postrider cursor skip NAME`: parks the event at the head by hand.

use std::process::ExitCode;

use clap::Args;
use domain::{Cursor, EventType, FailedEvent, FailedStatus, Router, Row, Start};
use engine::resolve_start;
use serde_json::json;
use store::{FailedFilter, State};

use super::{Chosen, on};
use crate::{
    clock,
    commands::{
        act::{How, told},
        head::first_unsettled,
    },
    context::Context,
    failure::usage,
};

#[derive(Args)]
pub struct Skip {
    /// The target's name
    name: String,
    /// On this instance; needed where the target has a cursor on more than one
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    #[command(flatten)]
    how: How,
}

impl Skip {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let Chosen { config, state, definitions, cursors, .. } =
            Chosen::read(context, &self.name, self.instance.as_deref()).await?;
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
        let up_to = resolve_start(&events, &state, Start::Now).await?.position;
        let Some(row) = first_unsettled(&router, cursor, &events, up_to, usize::MAX).await? else {
            anyhow::bail!("{} has nothing to skip{}: no event is left for it", self.name, on(&cursor.instance_id));
        };
        let parked = parked(&row, cursor, &state).await?;
        let event_date = match &row {
            Row::Event(event) => Some(event.created_at),
            Row::Broken(_) => None,
        };
        let (dry_run, actor) = (self.how.dry_run, context.actor());
        state.skip(cursor, &parked, event_date, self.how.by(&actor)).await?;
        let mut answer = json!({
            "target": self.name,
            "instance_id": cursor.instance_id,
            "event_type": parked.event_type,
            "position": parked.key.position,
            "in_tx_order": parked.key.in_tx_order,
            "aggregate_type": parked.key.aggregate_type,
            "aggregate_id": parked.key.aggregate_id,
            "sequence": parked.key.sequence,
            "dry_run": dry_run,
        });
        if dry_run {
            answer["would_send"] = json!(0);
        }
        let event = format!("{} at {}", parked.event_type, parked.key);
        let sentence = if dry_run {
            format!("{event} would be parked, and not be sent")
        } else {
            format!("parked {event}; `postrider failed retry {}` sends it", self.name)
        };
        told(context, dry_run, &answer, &sentence)?;
        Ok(ExitCode::SUCCESS)
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
