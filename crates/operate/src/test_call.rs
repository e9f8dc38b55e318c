//! One signed call with an event that is in no store, to try an endpoint.

use bytes::Bytes;
use domain::{Condition, Event, EventKey, EventType, Outcome, Position, Target, TargetKind};
use serde_json::{Value, json};
use store::State;
use uuid::Uuid;
use webhook::{Call, Deliverer, Keep};

use crate::{Caller, Known, OperateError, clock};

/// Marks the event: no aggregate of a store has this type.
pub const TEST: &str = "postrider.test";
const PAYLOAD: &str = r#"{"postrider_test":true,"message":"a test of this endpoint; nothing has happened"}"#;

/// What became of the call.
#[derive(Clone, PartialEq, Debug)]
pub struct Tested {
    /// For programs; its names are a promise to scripts.
    pub answer: Value,
    /// For people.
    pub sentence: String,
    /// Whether the endpoint took it.
    pub delivered: bool,
}

/// Calls a target once with a test event of this type, as its next event would be sent. Its answer is awaited also where the
/// target's type is async; cursors and failed events stay as they are.
pub async fn test_call(
    name: &str,
    event_type: &str,
    caller: &Caller,
    state: &State,
    deliverer: &Deliverer,
) -> Result<Tested, OperateError> {
    Condition::event(event_type)?;
    let known = Known::read_whole(state, caller).await?;
    let target = Target { kind: TargetKind::Webhook, ..known.target(name)?.clone() };
    let event = event(event_type.into());
    let (now, keep) = (event.created_at, Keep::Nothing);
    let call = Call { target: &target, event: &event, attempt: 1, previous: None, generation: 0, now, keep };
    let answer = deliverer.deliver(call).await;
    let error = match &answer.outcome {
        Outcome::Delivered => None,
        Outcome::Failed { error } | Outcome::Unavailable { error, .. } => Some(error),
    };
    let millis = u64::try_from(answer.duration.as_millis()).unwrap_or(u64::MAX);
    let outcome = answer.outcome.label();
    let said = answer.status.map_or_else(|| "no answer".to_owned(), |status| format!("answered {status}"));
    let why = error.map(|error| format!(": {error}")).unwrap_or_default();
    Ok(Tested {
        answer: json!({
            "target": target.name,
            "event_type": event_type,
            "webhook_id": domain::webhook_id(&target.id, &event.key, 0),
            "outcome": outcome,
            "status": answer.status,
            "duration_ms": millis,
            "error": error,
        }),
        sentence: format!("{outcome}: {said}, {millis} ms{why}"),
        delivered: answer.outcome == Outcome::Delivered,
    })
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
        creator: "postrider".into(),
        owner: "".into(),
    }
}
