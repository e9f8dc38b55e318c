//! The overview: what is broken, since when, why, and what to do; then every target, the worst first.

mod standing;
mod surroundings;

use axum::{Router, extract::Query, routing::get};
use domain::Role;
use maud::{Markup, html};
use operate::words::number;

use super::{
    flash::Done,
    frame::{self, Place},
    live::{Part, Topic, part},
    parts::{lag, table},
    pictures::sparkline,
    trouble::Trouble,
    visit::Visit,
};
use crate::house::House;

use standing::{Standing, standings};

pub(super) use standing::advice;

pub(super) fn routes() -> Router<House> {
    Router::new().route("/", get(page))
}

async fn page(visit: Visit, Query(done): Query<Done>) -> Result<Markup, Trouble> {
    let parts = parts(&visit).await?;
    let content = html! {
        h1 { "Overview" }
        (part(&parts, "attention"))
        div.head {
            h2 #targets-head { "Targets" }
            @if visit.who.may(Role::Admin) { a.button href="/targets/new" { "New target" } }
        }
        (part(&parts, "targets"))
        (part(&parts, "horizon"))
        (part(&parts, "daemons"))
    };
    Ok(frame::followed(&visit.who, Place::Overview, "Overview", &Topic::Overview, done.done, &content))
}

/// What is sent again when it has changed.
pub(super) async fn parts(visit: &Visit) -> Result<Vec<Part>, Trouble> {
    let (standings, measured) = standings(visit).await?;
    let around = surroundings::read(visit, measured).await?;
    Ok(vec![
        ("attention", attention(&standings, &around)),
        ("targets", targets(visit, &standings)),
        ("horizon", around.horizon()),
        ("daemons", around.daemons()),
    ])
}

/// What somebody should do something about, in sentences.
fn attention(standings: &[Standing], around: &surroundings::Surroundings) -> Markup {
    let troubled: Vec<&Standing> = standings.iter().filter(|standing| standing.is_troubled()).collect();
    let others = around.troubles();
    html! {
        section #attention aria-labelledby="attention-head" {
            h2.hidden #attention-head { "What needs somebody" }
            @if troubled.is_empty() && others.is_empty() {
                @if !standings.is_empty() { p.note.good { "Every target is served, and nothing waits for anybody." } }
            } @else {
                ul.attention {
                    @for trouble in &others { li.note.(trouble.class()) { (trouble.sentence()) } }
                    @for standing in troubled.iter().take(MOST) {
                        li.note.(standing.class()) data-key=(standing.key()) {
                            a href=(standing.address()) { strong { (standing.name) } } " "
                            (standing.trouble())
                        }
                    }
                    @if troubled.len() > MOST {
                        li.note.warn { "And " (number((troubled.len() - MOST) as u64, "more target")) ", below." }
                    }
                }
            }
        }
    }
}

/// Troubled targets that are told one by one.
const MOST: usize = 10;

fn targets(visit: &Visit, standings: &[Standing]) -> Markup {
    let rows = html! {
        @for standing in standings {
            tr data-key=(standing.key()) {
                th scope="row" {
                    a href=(standing.address()) { (standing.name) }
                    div.quiet.small { (standing.endpoint) }
                }
                td { (standing.state()) @if let Some(why) = standing.why() { div.small.why { (why) } } }
                td.number { (lag(standing.lag_seconds)) }
                td.number { @if standing.failed == 0 { span.quiet { "0" } } @else { (standing.failed) } }
                td.number { (standing.recent.minute().delivered) }
                td { (sparkline(&standing.recent)) }
                td { (standing.served_by()) }
            }
        }
    };
    html! {
        div #targets {
            @if standings.is_empty() {
                p.empty {
                    "No target is defined yet. A target is an endpoint that hears of events. "
                    @if visit.who.may(Role::Admin) {
                        a href="/targets/new" { "Create the first one" } ", then set an execution that names it."
                    } @else {
                        "Somebody with the role admin creates one, here or with " code { "postrider target create" } "."
                    }
                }
            } @else {
                (table("targets-head", &["Target", "State", "#Oldest waiting", "#Failed", "#Sent/min", "Last 10 min", "Daemon"], &rows))
                p.help {
                    "Calls are those of the daemon that shows this page: delivered above the line, failed below it."
                }
            }
        }
    }
}
