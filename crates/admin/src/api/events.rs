//! Looking at the store.

use aide::axum::{ApiRouter, routing::get_with};
use axum::Json;
use domain::{Start, TypePattern};
use operate::events::{self, Browse, EventsPage, WholeEvent};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    does,
    extract::{Asked, Desk, In, Look},
};
use crate::{house::House, problem::Problem};

pub(super) fn routes() -> ApiRouter<House> {
    ApiRouter::new()
        .api_route("/events", get_with(list, does("A page of the store, the latest event first")))
        .api_route("/events/{key}", get_with(show, does("One event, and what became of it; its payload for operators")))
        .api_route("/instances", get_with(instances, does("The instances that have events")))
}

/// Which events; what is left out does not narrow.
#[derive(Deserialize, JsonSchema)]
struct Which {
    /// On this instance; needed where there is more than one.
    instance: Option<String>,
    /// Of this event type or group (`user.human.*`).
    #[serde(rename = "type")]
    #[schemars(with = "Option<String>")]
    event_type: Option<TypePattern>,
    /// Of this kind of aggregate.
    aggregate_type: Option<String>,
    /// Of this aggregate.
    aggregate_id: Option<String>,
    /// Before this position or time; otherwise from the end.
    #[schemars(with = "Option<String>")]
    before: Option<Start>,
    /// `next` of the page before.
    page: Option<String>,
    /// At most so many; 50 if left out, 500 at most.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
}

async fn list(desk: Desk<Look>, Asked(which): Asked<Which>) -> Result<Json<EventsPage>, Problem> {
    let browse = Browse {
        instance: which.instance,
        types: which.event_type.into_iter().collect(),
        aggregate_type: which.aggregate_type,
        aggregate_id: which.aggregate_id,
        before: which.before,
        after_page: which.page,
        limit: which.limit.unwrap_or(50).clamp(1, 500),
    };
    Ok(Json(events::browse(&browse, &desk.caller, desk.operator.places()).await?))
}

/// An event in a path.
#[derive(Deserialize, JsonSchema)]
struct OfEvent {
    /// `key` of an event in a list.
    key: String,
}

async fn show(desk: Desk<Look>, In(of): In<OfEvent>) -> Result<Json<WholeEvent>, Problem> {
    Ok(Json(events::show(&of.key, &desk.caller, desk.operator.places()).await?))
}

async fn instances(desk: Desk<Look>) -> Result<Json<Vec<String>>, Problem> {
    let known = events::list_instances(&desk.caller, &desk.operator.events).await?;
    Ok(Json(known.iter().map(ToString::to_string).collect()))
}
