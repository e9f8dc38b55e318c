//! How things stand as a whole: daemons, the horizon, the audit.

use aide::axum::{ApiRouter, routing::get_with};
use axum::Json;
use domain::{Position, Role, Timestamp};
use operate::{Daemon, words};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    does,
    extract::{Asked, Desk, Look},
};
use crate::{house::House, problem::Problem};

pub(super) fn routes() -> ApiRouter<House> {
    ApiRouter::new()
        .api_route("/workers", get_with(workers, does("Every daemon, and how many targets it has leased")))
        .api_route("/horizon", get_with(horizon, does("How far the store is read, and who holds it back")))
        .api_route("/audit", get_with(audit, does("What operators did, the latest first")))
        .api_route("/whoami", get_with(whoami, does("Whose token this is")))
}

/// Daemons are the house's: who is bound to an instance is not told of them.
async fn workers(desk: Desk<Look>) -> Result<Json<Vec<Daemon>>, Problem> {
    if desk.caller.instance.is_some() {
        return Ok(Json(Vec::new()));
    }
    Ok(Json(desk.operator.state.workers().await?.iter().map(Daemon::of).collect()))
}

/// How far it is safe to read.
#[derive(Serialize, JsonSchema)]
struct Horizon {
    /// Where the store ends.
    #[schemars(with = "String")]
    head: Position,
    /// Up to where a daemon has found it safe to read, when it last said so.
    #[schemars(with = "Option<String>")]
    watermark: Option<Position>,
    /// When that was.
    watermark_at: Option<Timestamp>,
    /// The transactions that may still write events, the oldest first.
    writers: Vec<String>,
}

async fn horizon(desk: Desk<Look>) -> Result<Json<Horizon>, Problem> {
    let probe = desk.operator.events.probe().await?;
    let mark = desk.operator.state.horizon().await?;
    let mut writers = probe.writers;
    writers.sort_by_key(|writer| (writer.floor.is_none(), writer.floor, writer.since));
    Ok(Json(Horizon {
        head: probe.head,
        watermark: mark.as_ref().map(|(mark, _)| mark.watermark),
        watermark_at: mark.as_ref().map(|(_, at)| *at),
        writers: writers.iter().map(|writer| words::writer_for(writer, &desk.caller)).collect(),
    }))
}

/// Which acts.
#[derive(Deserialize, JsonSchema)]
struct WhichActs {
    /// On this target: its name now or then, or its id.
    target: Option<String>,
    /// Such as `seek`; or a group such as `target.*`.
    act: Option<String>,
    /// At this time or later.
    since: Option<Timestamp>,
    /// At most so many; 100 if left out, 1000 at most.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
}

async fn audit(desk: Desk<Look>, Asked(which): Asked<WhichActs>) -> Result<Json<Vec<operate::Act>>, Problem> {
    let limit = which.limit.unwrap_or(100).clamp(1, 1000);
    let (caller, state) = (&desk.caller, &desk.operator.state);
    Ok(Json(operate::Act::list(which.target.as_deref(), which.act, which.since, limit, caller, state).await?))
}

/// Who asks.
#[derive(Serialize, JsonSchema)]
struct Whoami {
    /// The token's name.
    name: String,
    /// What its holder may do.
    #[schemars(with = "String")]
    role: Role,
    /// The only instance that its holder sees and changes.
    instance: Option<String>,
}

async fn whoami(desk: Desk<Look>) -> Result<Json<Whoami>, Problem> {
    let instance = desk.caller.instance.map(|instance| instance.to_string());
    Ok(Json(Whoami { name: desk.caller.name, role: desk.caller.role, instance }))
}
