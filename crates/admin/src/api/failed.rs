//! Failed events.

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::Json;
use domain::{FailedStatus, Timestamp, TypePattern};
use operate::{
    How,
    failed::{self, Line, Narrow},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    acts::{Done, Manner},
    cursors::OfTarget,
    does,
    extract::{Act, Asked, Body, Desk, In, Look},
};
use crate::{house::House, problem::Problem};

pub(super) fn routes() -> ApiRouter<House> {
    ApiRouter::new()
        .api_route("/failed", get_with(list, does("Failed events, by target and key")))
        .api_route("/targets/{target}/failed/retry", post_with(retry, does("Send failed events again")))
        .api_route(
            "/targets/{target}/failed/discard",
            post_with(discard, does("Give failed events up for good; a reason is needed")),
        )
}

/// Which events; what is left out does not narrow.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
struct Which {
    /// On this instance only.
    instance: Option<String>,
    /// Of this aggregate.
    aggregate: Option<String>,
    /// With this number within the aggregate.
    sequence: Option<i64>,
    /// Of this event type or group (`user.human.*`).
    #[serde(rename = "type")]
    #[schemars(with = "Option<String>")]
    event_type: Option<TypePattern>,
    /// Failed last at this time or later.
    since: Option<Timestamp>,
    /// Failed last before this time.
    until: Option<Timestamp>,
    /// With this text in the error, in whatever case.
    error: Option<String>,
    /// `retrying`, `parked`, `interrupted` or `halted`.
    #[schemars(with = "Option<String>")]
    status: Option<FailedStatus>,
}

impl Which {
    fn narrow(self) -> Narrow {
        Narrow {
            instance: self.instance,
            aggregate: self.aggregate,
            sequence: self.sequence,
            event_type: self.event_type,
            since: self.since,
            until: self.until,
            error: self.error,
            status: self.status,
        }
    }

    fn is_nothing(&self) -> bool {
        self.aggregate.is_none()
            && self.event_type.is_none()
            && self.since.is_none()
            && self.until.is_none()
            && self.error.is_none()
            && self.status.is_none()
    }
}

/// Which events are looked at.
#[derive(Deserialize, JsonSchema)]
struct Looked {
    /// Of this target: its name, or the id of one that was removed.
    target: Option<String>,
    /// Of targets that were removed, instead of those that are there.
    #[serde(default)]
    removed: bool,
    /// On this instance only.
    instance: Option<String>,
    /// Of this aggregate.
    aggregate: Option<String>,
    /// With this number within the aggregate.
    sequence: Option<i64>,
    /// Of this event type or group (`user.human.*`).
    #[serde(rename = "type")]
    #[schemars(with = "Option<String>")]
    event_type: Option<TypePattern>,
    /// Failed last at this time or later.
    since: Option<Timestamp>,
    /// Failed last before this time.
    until: Option<Timestamp>,
    /// With this text in the error, in whatever case.
    error: Option<String>,
    /// `retrying`, `parked`, `interrupted` or `halted`.
    #[schemars(with = "Option<String>")]
    status: Option<FailedStatus>,
    /// At most so many; 1000 if left out, and at most.
    limit: Option<usize>,
}

async fn list(desk: Desk<Look>, Asked(looked): Asked<Looked>) -> Result<Json<Vec<Line>>, Problem> {
    // A query cannot be nested: its numbers would be texts.
    let Looked { target, removed, instance, aggregate, sequence, event_type, since, until, error, status, limit } =
        looked;
    let narrow = Narrow { instance, aggregate, sequence, event_type, since, until, error, status };
    let mut lines = failed::list(target.as_deref(), narrow, removed, &desk.caller, &desk.operator.state).await?;
    lines.truncate(limit.unwrap_or(1000).min(1000));
    Ok(Json(lines))
}

/// Which events are acted on: one, those that match, or, if it is said, all.
#[derive(Deserialize, JsonSchema)]
struct Chosen {
    /// All of the target; never by leaving something out.
    #[serde(default)]
    all: bool,
    #[serde(flatten)]
    which: Which,
    #[serde(flatten)]
    act: Manner,
}

impl Chosen {
    fn checked(self) -> Result<(Narrow, How), Problem> {
        match (self.all, self.which.is_nothing()) {
            (false, true) => {
                Err(Problem::invalid("say which: aggregate and sequence, type, since, until, error, status, or all"))
            }
            (true, false) => Err(Problem::invalid("all is all: leave out what narrows, or all")),
            _ => Ok((self.which.narrow(), self.act.into())),
        }
    }
}

async fn retry(desk: Desk<Act>, In(of): In<OfTarget>, Body(chosen): Body<Chosen>) -> Result<Json<Done>, Problem> {
    let (narrow, how) = chosen.checked()?;
    Ok(Done::of(failed::retry(&of.target, narrow, &how, &desk.caller, &desk.operator.state).await?))
}

async fn discard(desk: Desk<Act>, In(of): In<OfTarget>, Body(chosen): Body<Chosen>) -> Result<Json<Done>, Problem> {
    let (narrow, how) = chosen.checked()?;
    Ok(Done::of(failed::discard(&of.target, narrow, &how, &desk.caller, &desk.operator.state).await?))
}
