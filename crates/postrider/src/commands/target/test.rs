//! `postrider target test NAME`: one signed call with an event that is in no store.

use std::process::ExitCode;

use bytes::Bytes;
use clap::Args;
use domain::{Condition, Event, EventKey, EventType, Outcome, Position, Target, TargetKind};
use serde_json::json;
use uuid::Uuid;
use webhook::{Call, Keep};

use crate::{
    clock, connect,
    context::{Context, target_named},
    failure::{FAILED, usage},
};

/// Marks the event: no aggregate of a store has this type.
const TEST: &str = "postrider.test";
const PAYLOAD: &str = r#"{"postrider_test":true,"message":"a test of this endpoint; nothing has happened"}"#;

/// Call a target once with a test event, as its next event would be sent
///
/// The event is in no store: its aggregate type is postrider.test, its sequence and position are 0. Cursors and failed
/// events stay as they are. The answer is awaited also where the target's type is async.
#[derive(Args)]
pub struct Test {
    /// The target's name
    name: String,
    /// The event type that it says it is
    #[arg(long, value_name = "TYPE", default_value = TEST)]
    event_type: String,
}

impl Test {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        Condition::event(&self.event_type).map_err(|error| usage(error.to_string()))?;
        let config = context.config()?;
        let state = context.state(&config).await?;
        let definitions = state.definitions().await?;
        let target = Target { kind: TargetKind::Webhook, ..target_named(&definitions, &self.name)?.clone() };
        let event = event(self.event_type.as_str().into());
        let (now, keep) = (event.created_at, Keep::Nothing);
        let call = Call { target: &target, event: &event, attempt: 1, previous: None, generation: 0, now, keep };
        let answer = connect::deliverer(&config)?.deliver(call).await;
        let error = match &answer.outcome {
            Outcome::Delivered => None,
            Outcome::Failed { error } | Outcome::Unavailable { error, .. } => Some(error),
        };
        let millis = u64::try_from(answer.duration.as_millis()).unwrap_or(u64::MAX);
        let outcome = answer.outcome.label();
        let said = answer.status.map_or_else(|| "no answer".to_owned(), |status| format!("answered {status}"));
        let why = error.map(|error| format!(": {error}")).unwrap_or_default();
        context.output.tell(
            &json!({
                "target": self.name,
                "event_type": self.event_type,
                "webhook_id": domain::webhook_id(&target.id, &event.key, 0),
                "outcome": outcome,
                "status": answer.status,
                "duration_ms": millis,
                "error": error,
            }),
            &format!("{outcome}: {said}, {millis} ms{why}"),
        )?;
        Ok(ExitCode::from(if answer.outcome == Outcome::Delivered { 0 } else { FAILED }))
    }
}

/// Of an aggregate of its own, so that a receiver which drops what it has had takes every test for a new one.
fn event(event_type: EventType) -> Event {
    Event {
        key: EventKey {
            position: Position::ZERO,
            in_tx_order: 0,
            instance_id: "".into(),
            aggregate_type: TEST.into(),
            aggregate_id: Uuid::new_v4().to_string().into(),
            sequence: 0,
        },
        event_type,
        revision: None,
        created_at: clock::now(),
        payload: Some(Bytes::from_static(PAYLOAD.as_bytes())),
        creator: "postrider".to_owned(),
        owner: String::new(),
    }
}
