//! The daemons that share the targets.

use axum::{Router, routing::get};
use maud::{Markup, html};
use operate::{Daemon, runs_too_long, words::age};

use super::{
    frame::{self, Place},
    live::{Part, Topic, part},
    parts::{self, table, time},
    trouble::{Trouble, sentence},
    visit::Visit,
};
use crate::house::House;

pub(super) fn routes() -> Router<House> {
    Router::new().route("/workers", get(page))
}

async fn page(visit: Visit) -> Result<Markup, Trouble> {
    let parts = parts(&visit).await?;
    let content = html! {
        h1 #workers-head { "Workers" }
        p.lead { "Daemons that run, or have run lately. Each target is leased to one of them." }
        (part(&parts, "workers"))
    };
    Ok(frame::followed(&visit.who, Place::Workers, "Workers", &Topic::Workers, None, &content))
}

/// What is sent again when it has changed.
pub(super) async fn parts(visit: &Visit) -> Result<Vec<Part>, Trouble> {
    // Daemons are the house's: who is bound to an instance is not told of them.
    if visit.caller().instance.is_some() {
        return Ok(vec![("workers", html! { div #workers { p.empty { "Daemons are not part of an instance." } } })]);
    }
    let (workers, now) = (visit.operator.state.workers().await?, operate::now());
    let daemons: Vec<Daemon> = workers.iter().map(Daemon::of).collect();
    let rows = html! {
        @for daemon in &daemons {
            tr data-key=(daemon.worker) {
                th scope="row" { code.long { (daemon.worker) } }
                td {
                    @match daemon.state {
                        "live" => (parts::word(true, "live")),
                        "left" => (parts::calm("left")),
                        other => (parts::word(false, other)),
                    }
                }
                td { (daemon.host) }
                td.number { (daemon.pid) }
                td { (daemon.version) }
                td.number { (daemon.targets) }
                td { (time(daemon.started_at, now)) }
                td.number { (lease(daemon)) }
            }
        }
    };
    let columns = ["Worker", "State", "Host", "#Process", "Version", "#Targets", "Started", "#Lease"];
    let part = html! {
        div #workers {
            @for warning in workers.iter().filter_map(runs_too_long) { p.note.warn { (sentence(&warning)) } }
            @if daemons.is_empty() { p.empty { "No daemon has run yet. " code { "postrider run" } " starts one." } }
            @else { (table("workers-head", &columns, &rows)) }
        }
    };
    Ok(vec![("workers", part)])
}

/// In steps: it is renewed all the time.
fn lease(daemon: &Daemon) -> Markup {
    let runs = daemon.state == "live" && daemon.expires_in_seconds > 0.0;
    html! { @if runs { "under " (age((daemon.expires_in_seconds / 10.0).ceil() * 10.0)) } @else { span.quiet { "–" } } }
}
