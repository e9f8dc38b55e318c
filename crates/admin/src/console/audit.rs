//! What operators did: who, what, when, and why.

use axum::{Router, extract::Query, routing::get};
use maud::{Markup, html};
use operate::Act;
use serde::Deserialize;

use super::{
    frame::{self, Place},
    live::{Part, Topic, part},
    parts::{self, instance, moment, table},
    trouble::Trouble,
    visit::Visit,
};
use crate::house::House;

const LIMIT: u32 = 200;

pub(super) fn routes() -> Router<House> {
    Router::new().route("/audit", get(page))
}

/// Which acts; what is empty does not narrow.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    target: String,
    act: String,
}

async fn page(visit: Visit, Query(which): Query<Which>) -> Result<Markup, Trouble> {
    let narrows = !which.target.trim().is_empty() || !which.act.trim().is_empty();
    let (parts, error) = match parts(&visit, &which).await {
        Ok(parts) => (parts, None),
        Err(trouble) if trouble.status().is_client_error() => (Vec::new(), Some(trouble)),
        Err(trouble) => return Err(trouble),
    };
    let content = html! {
        h1 #audit-head { "Audit" }
        form.filter action="/audit" role="search" aria-label="Acts" {
            div.columns {
                (parts::line("target", "Target", &which.target, "Its name now or then, or its id."))
                (parts::line("act", "Act", &which.act, "Such as cursor.seek, or target.* for a group."))
            }
            div.acts {
                button.primary type="submit" { "Show" }
                @if narrows { a.button href="/audit" { "All acts" } }
            }
        }
        (parts::refusal(error.as_ref().map(Trouble::detail)))
        (part(&parts, "acts"))
    };
    // What is narrowed stays as it was asked for.
    if narrows {
        return Ok(frame::page(&visit.who, Place::Audit, "Audit", &content));
    }
    Ok(frame::followed(&visit.who, Place::Audit, "Audit", &Topic::Audit, None, &content))
}

/// What is sent again when it has changed.
pub(super) async fn parts(visit: &Visit, which: &Which) -> Result<Vec<Part>, Trouble> {
    let said = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let (caller, state) = (visit.caller(), &visit.operator.state);
    let acts = Act::list(said(&which.target).as_deref(), said(&which.act), None, LIMIT, caller, state).await?;
    let text = |text: &Option<String>| html! { @match text { Some(text) => (text), None => span.quiet { "–" } } };
    let rows = html! {
        @for act in &acts {
            tr {
                td { (moment(act.at)) }
                td { (act.actor) }
                td { code { (act.act) } }
                td { @match &act.target { Some(target) => (target), None => span.quiet { "–" } } }
                td { (instance(act.instance_id.as_ref().map_or("", domain::InstanceId::as_str))) }
                td.long { (text(&act.from)) }
                td.long { (text(&act.to)) }
                td.why { (text(&act.reason)) }
            }
        }
    };
    let columns = ["When", "Who", "What", "Target", "Instance", "From", "To", "Reason"];
    let part = html! {
        div #acts {
            @if acts.is_empty() { p.empty { "Nobody has done anything that is written down." } }
            @else {
                (table("audit-head", &columns, &rows))
                @if acts.len() as u64 == u64::from(LIMIT) {
                    p.help { "The last " (LIMIT) "; " code { "postrider audit" } " lists more." }
                }
            }
        }
    };
    Ok(vec![("acts", part)])
}
