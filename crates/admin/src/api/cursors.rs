//! Cursors, and acts on them and their targets.

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::Json;
use domain::Start;
use operate::{
    How,
    account::{Account, account},
    cursors::{self, Line, Moved, cursors_of},
    test_call::{TEST, test_call},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    acts::{Done, Manner},
    does,
    extract::{Act, Asked, Body, Desk, In, Look},
};
use crate::{house::House, problem::Problem};

pub(super) fn routes() -> ApiRouter<House> {
    ApiRouter::new()
        .api_route("/cursors", get_with(list, does("Every cursor, with how far it lags behind")))
        .api_route("/targets/{target}/cursors", get_with(of_target, does("The cursors of one target")))
        .api_route("/targets/{target}/pause", post_with(pause, does("Send nothing until it is resumed")))
        .api_route("/targets/{target}/resume", post_with(resume, does("Go on where it was paused")))
        .api_route("/targets/{target}/seek", post_with(seek, does("Put its cursors elsewhere, all or none")))
        .api_route("/targets/{target}/skip", post_with(skip, does("Park the event at the head by hand")))
        .api_route("/targets/{target}/halt", post_with(halt, does("Stop until it is unhalted; a reason is needed")))
        .api_route("/targets/{target}/unhalt", post_with(unhalt, does("Go on from where it was halted")))
        .api_route("/targets/{target}/test", post_with(test, does("One signed call with a test event")))
        .api_route("/targets/{target}/account", get_with(accounts, does("What became of every event that concerns it")))
}

/// A target in a path.
#[derive(Deserialize, JsonSchema)]
pub(super) struct OfTarget {
    /// Its name or id.
    pub(super) target: String,
}

/// How much is told.
#[derive(Deserialize, JsonSchema)]
struct HowMuch {
    /// Count the events that are left, up to 100000.
    #[serde(default)]
    count: bool,
    /// Of targets that were removed, instead of those that are there.
    #[serde(default)]
    removed: bool,
}

async fn list(desk: Desk<Look>, Asked(how): Asked<HowMuch>) -> Result<Json<Vec<Line>>, Problem> {
    let operator = &desk.operator;
    let (overview, mut lines) = cursors::list(&operator.state, &desk.caller, how.removed).await?;
    cursors::measure(&operator.events, operator.max_event_age, &overview, &mut lines, how.count).await?;
    Ok(Json(lines))
}

async fn of_target(
    desk: Desk<Look>,
    In(of): In<OfTarget>,
    Asked(how): Asked<HowMuch>,
) -> Result<Json<Vec<Line>>, Problem> {
    let operator = &desk.operator;
    let (overview, mut lines) = cursors::list(&operator.state, &desk.caller, false).await?;
    let owner = overview.known.any(&of.target)?;
    if owner.removed_at.is_some() {
        lines = cursors::list(&operator.state, &desk.caller, true).await?.1;
    }
    lines.retain(|line| line.target_id == owner.id);
    cursors::measure(&operator.events, operator.max_event_age, &overview, &mut lines, how.count).await?;
    Ok(Json(lines))
}

/// An act on the cursors of a target.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
struct OnInstance {
    /// On this instance only; otherwise on every one where the target has a cursor.
    instance: Option<String>,
    #[serde(flatten)]
    act: Manner,
}

async fn pause(desk: Desk<Act>, In(of): In<OfTarget>, Body(act): Body<Manner>) -> Result<Json<Done>, Problem> {
    set_paused(desk, of, true, act).await
}

async fn resume(desk: Desk<Act>, In(of): In<OfTarget>, Body(act): Body<Manner>) -> Result<Json<Done>, Problem> {
    set_paused(desk, of, false, act).await
}

async fn set_paused(desk: Desk<Act>, of: OfTarget, paused: bool, act: Manner) -> Result<Json<Done>, Problem> {
    let (how, operator) = (How::from(act), &desk.operator);
    let places = (Some(&operator.events), &operator.state);
    let told = cursors::set_paused(&of.target, paused, &how, &desk.caller, places, operator.max_event_age).await?;
    Ok(Done::of(told))
}

/// Where cursors shall stand.
#[derive(Deserialize, JsonSchema)]
struct Seek {
    /// `now`, `beginning`, a position (the event there is sent again), or a time with its offset (`2025-03-27T10:00:00Z`).
    #[schemars(with = "String")]
    to: Start,
    /// Events get a new `Webhook-Id`, for receivers that would take them for duplicates.
    #[serde(default)]
    new_ids: bool,
    #[serde(flatten)]
    on: OnInstance,
}

/// Where cursors stand now, or would.
#[derive(Serialize, JsonSchema)]
struct Sought {
    /// Each cursor.
    moved: Vec<Moved>,
    /// What the operator should know.
    warnings: Vec<String>,
}

async fn seek(desk: Desk<Act>, In(of): In<OfTarget>, Body(seek): Body<Seek>) -> Result<Json<Sought>, Problem> {
    let (how, operator) = (How::from(seek.on.act), &desk.operator);
    let seek = cursors::Seek {
        target: of.target,
        instance: seek.on.instance,
        to: seek.to,
        new_ids: seek.new_ids,
        accept_lost: false,
    };
    let sought = cursors::seek(&seek, &how, &desk.caller, operator.places(), operator.max_event_age).await?;
    Ok(Json(Sought { moved: sought.moved, warnings: sought.warnings }))
}

async fn skip(desk: Desk<Act>, In(of): In<OfTarget>, Body(on): Body<OnInstance>) -> Result<Json<Done>, Problem> {
    let how = How::from(on.act);
    let told = cursors::skip(&of.target, on.instance.as_deref(), &how, &desk.caller, desk.operator.places()).await?;
    Ok(Done::of(told))
}

async fn halt(desk: Desk<Act>, In(of): In<OfTarget>, Body(on): Body<OnInstance>) -> Result<Json<Done>, Problem> {
    let (how, operator) = (How::from(on.act), &desk.operator);
    let places = (Some(&operator.events), &operator.state);
    let (instance, age) = (on.instance.as_deref(), operator.max_event_age);
    Ok(Done::of(cursors::halt(&of.target, instance, &how, &desk.caller, places, age).await?))
}

async fn unhalt(desk: Desk<Act>, In(of): In<OfTarget>, Body(on): Body<OnInstance>) -> Result<Json<Done>, Problem> {
    let (how, operator) = (How::from(on.act), &desk.operator);
    let places = (Some(&operator.events), &operator.state);
    let (instance, age) = (on.instance.as_deref(), operator.max_event_age);
    Ok(Done::of(cursors::unhalt(&of.target, instance, &how, &desk.caller, places, age).await?))
}

/// A test call.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
struct Test {
    /// The event type that it says it is; `postrider.test` if left out.
    event_type: Option<String>,
}

async fn test(desk: Desk<Act>, In(of): In<OfTarget>, Body(test): Body<Test>) -> Result<Json<Done>, Problem> {
    let event_type = test.event_type.as_deref().unwrap_or(TEST);
    let operator = &desk.operator;
    let tested = test_call(&of.target, event_type, &desk.caller, &operator.state, &operator.deliverer).await?;
    let told = operate::Told { answer: tested.answer, sentence: tested.sentence, dry_run: false };
    Ok(Done::of(told))
}

/// A stretch of the store.
#[derive(Deserialize, JsonSchema)]
struct Stretch {
    /// From here on; `beginning` if left out.
    #[schemars(with = "Option<String>")]
    from: Option<Start>,
    /// Up to here; `now` if left out.
    #[schemars(with = "Option<String>")]
    to: Option<Start>,
}

async fn accounts(
    desk: Desk<Look>,
    In(of): In<OfTarget>,
    Asked(stretch): Asked<Stretch>,
) -> Result<Json<Vec<Account>>, Problem> {
    let (events, state) = desk.operator.places();
    let known = operate::Known::read(state, &desk.caller).await?;
    let target = known.target(&of.target)?;
    cursors_of(state, &target.id, target.name.as_str(), None).await?;
    let router = domain::Router::build(&known.definitions).map_err(operate::OperateError::from)?;
    let to = stretch.to.unwrap_or(Start::Now);
    let (span, _) =
        operate::span((events, state), (stretch.from.unwrap_or(Start::Beginning), to), &desk.caller).await?;
    let mut accounts = Vec::new();
    for (cursor, failed) in state.standing(&target.id).await? {
        accounts.push(account(&router, events, &span, to == Start::Now, &cursor, failed).await?);
    }
    Ok(Json(accounts))
}
