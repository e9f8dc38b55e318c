//! The last attempts.

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::Json;
use domain::OutcomeKind;
use operate::{
    How,
    deliveries::{self, Line, Whole},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    acts::{Done, Manner},
    does,
    extract::{Act, Asked, Body, Desk, In, Look},
};
use crate::{house::House, problem::Problem};

pub(super) fn routes() -> ApiRouter<House> {
    ApiRouter::new()
        .api_route("/deliveries", get_with(list, does("The last attempts, the latest first")))
        .api_route("/deliveries/{id}", get_with(show, does("One attempt, with the beginning of its answer")))
        .api_route(
            "/deliveries/{id}/resend",
            post_with(resend, does("Send the event of an attempt again; the cursor does not move")),
        )
}

/// Which attempts.
#[derive(Deserialize, JsonSchema)]
struct Which {
    /// To this target: its name or id.
    target: Option<String>,
    /// On this instance.
    instance: Option<String>,
    /// `delivered`, `failed` or `unavailable`.
    #[schemars(with = "Option<String>")]
    outcome: Option<OutcomeKind>,
    /// At most so many; 100 if left out, 1000 at most.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
}

async fn list(desk: Desk<Look>, Asked(which): Asked<Which>) -> Result<Json<Vec<Line>>, Problem> {
    let limit = which.limit.unwrap_or(100).clamp(1, 1000);
    let Which { target, instance, outcome, .. } = which;
    let which = deliveries::Which { target, instance, outcome, limit };
    Ok(Json(deliveries::list(which, &desk.caller, &desk.operator.state).await?))
}

/// An attempt in a path.
#[derive(Deserialize, JsonSchema)]
struct OfAttempt {
    /// Its number.
    id: i64,
}

async fn show(desk: Desk<Act>, In(of): In<OfAttempt>) -> Result<Json<Whole>, Problem> {
    // What was answered may say anything, also what was sent.
    Ok(Json(deliveries::show(of.id, &desk.caller, &desk.operator.state).await?))
}

async fn resend(desk: Desk<Act>, In(of): In<OfAttempt>, Body(act): Body<Manner>) -> Result<Json<Done>, Problem> {
    let how = How::from(act);
    Ok(Done::of(deliveries::resend(of.id, how.dry_run, &desk.caller, desk.operator.places()).await?))
}
