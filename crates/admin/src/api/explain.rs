//! Who hears of what, and why.

use aide::axum::{ApiRouter, routing::get_with};
use axum::Json;
use domain::Start;
use operate::explain::{self, Answer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    cursors::OfTarget,
    does,
    extract::{Asked, Desk, In, Look},
};
use crate::{house::House, problem::Problem};

pub(super) fn routes() -> ApiRouter<House> {
    ApiRouter::new()
        .api_route("/explain", get_with(event, does("Which execution an event type fires, and whom that calls")))
        .api_route(
            "/targets/{target}/explain",
            get_with(range, does("What a target would receive between two places, and why")),
        )
}

/// What about.
#[derive(Deserialize, JsonSchema)]
struct OfType {
    /// Such as `user.human.added`.
    event_type: String,
    /// On this instance; otherwise on one that has no executions of its own.
    instance: Option<String>,
}

async fn event(desk: Desk<Look>, Asked(of): Asked<OfType>) -> Result<Json<Value>, Problem> {
    let explained =
        explain::event(&of.event_type, of.instance.map(Into::into), &desk.caller, &desk.operator.state).await?;
    let value = serde_json::to_value(explained);
    Ok(Json(value.map_err(|error| Problem::invalid(error.to_string()))?))
}

/// A stretch of the store.
#[derive(Deserialize, JsonSchema)]
struct Stretch {
    /// From here on: `beginning`, `now`, a position, or a time with its offset.
    #[schemars(with = "String")]
    from: Start,
    /// Up to here; what is at a position belongs to it, what is at a time does not.
    #[schemars(with = "String")]
    to: Start,
    /// On this instance only.
    instance: Option<String>,
    /// List at most so many events; 100 if left out, 1000 at most. All of them are counted.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
}

/// What would be received.
#[derive(Serialize, JsonSchema)]
struct Explained {
    #[serde(flatten)]
    answer: Answer,
    /// What the operator should know.
    warnings: Vec<String>,
}

async fn range(
    desk: Desk<Look>,
    In(of): In<OfTarget>,
    Asked(stretch): Asked<Stretch>,
) -> Result<Json<Explained>, Problem> {
    let Stretch { from, to, instance, limit } = stretch;
    let (limit, operator) = (limit.unwrap_or(100).clamp(1, 1000), &desk.operator);
    let (places, age) = (operator.places(), operator.max_event_age);
    let (answer, warnings) =
        explain::range(&of.target, (from, to), instance.as_deref(), limit, &desk.caller, places, age).await?;
    Ok(Json(Explained { answer, warnings }))
}
