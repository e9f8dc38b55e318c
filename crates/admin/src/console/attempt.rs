//! One attempt: what was asked, as far as it is known, and what was answered.
//!
//! Bodies are not written down: what was sent is the event, which is shown on its own page. Of headers the names are told, and of
//! values those that say nothing secret.

use axum::{
    Router,
    extract::{Path, Query},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use domain::Role;
use maud::{Markup, html};
use operate::{
    Known,
    deliveries::{self, Whole},
    events::word_of_attempt,
};

use super::{
    flash::{Done, Flash},
    frame::{self, Place},
    parts::{moment, outcome},
    trouble::Trouble,
    visit::{Act, Posted, Visit},
};
use crate::house::House;

pub(super) fn routes() -> Router<House> {
    Router::new().route("/deliveries/{id}", get(page)).route("/deliveries/{id}/resend", post(resend))
}

async fn page(visit: Visit, Path(id): Path<i64>, Query(done): Query<Done>) -> Result<Markup, Trouble> {
    let state = &visit.operator.state;
    let whole = deliveries::show(id, visit.caller(), state).await?;
    let known = Known::read(state, visit.caller()).await?;
    let target = known.targets().find(|target| target.id == whole.line.target_id);
    let line = &whole.line;
    let title = format!("Attempt {id}");
    let fact = |name: &str, value: &Markup| html! { div { dt { (name) } dd { (value) } } };
    let content = html! {
        @if let Some(flash) = done.done { p.note.good role="status" { (flash.sentence()) } }
        h1 { (title) }
        dl.facts {
            (fact("Target", &html! {
                @match target { Some(target) => a href={ "/targets/" (target.id) } { (target.name) }, None => (line.target) }
            }))
            (fact("Event", &html! { a href={ "/events/" (word_of_attempt(line)) } { (line.event_type) } }))
            (fact("Outcome", &outcome(line.outcome)))
            (fact("Began", &moment(line.started_at)))
            (fact("Took", &html! { (format!("{:.1} ms", line.duration_ms)) }))
        }
        section aria-labelledby="request" {
            h2 #request { "Request" }
            dl.facts.wide {
                @if let Some(target) = target { (fact("POST", &html! { code.long { (target.endpoint.without_query()) } })) }
                (fact("Postrider-Attempt", &html! { code { (line.attempt) } }))
                (fact("Postrider-Position", &html! { code { (line.position) "/" (line.in_tx_order) } }))
                (fact("Webhook-Id", &html! { "one for every attempt of this event to this target" }))
                (fact("ZITADEL-Signature", &html! { "a time, and a signature of the body for each key in force" }))
                @for name in target.iter().flat_map(|target| target.headers.keys()) {
                    (fact(name, &html! { span.quiet { "the target's own; its value is not shown" } }))
                }
                (fact("Body", &html! {
                    "the event " code.long { (line.aggregate_type) " " (line.aggregate_id) "#" (line.sequence) }
                    @if visit.who.may(Role::Operator) { "; its payload is on " a href={ "/events/" (word_of_attempt(line)) } { "its page" } }
                }))
            }
            @if target.is_some() { p.help { "The endpoint and the headers are those that the target has now." } }
        }
        (answer(&visit, &whole))
        @if visit.who.may(Role::Operator) && target.is_some() {
            (visit.who.button(&format!("/deliveries/{id}/resend"), "Send the event again"))
            p.help { "As a call of its own: the cursor does not move." }
        }
    };
    Ok(frame::page(&visit.who, Place::Overview, &title, &content))
}

fn answer(visit: &Visit, whole: &Whole) -> Markup {
    let line = &whole.line;
    html! {
        section aria-labelledby="answer" {
            h2 #answer { "Answer" }
            dl.facts {
                div { dt { "Status" } dd { @match line.status { Some(status) => (status), None => "none came" } } }
                @if let Some(error) = &line.error { div { dt { "Why it does not count" } dd { (error) } } }
            }
            // It may say anything, also what was sent.
            @if visit.who.may(Role::Operator) {
                @match whole.answer.as_deref().filter(|answer| !answer.is_empty()) {
                    Some(answer) => pre.scroll tabindex="0" role="group" aria-label="Beginning of the answer" { code { (answer) } },
                    None => p.empty { "Nothing of the answer's body was kept." },
                }
            } @else { p.empty { "What it said is for operators." } }
        }
    }
}

async fn resend(Path(id): Path<i64>, posted: Posted<Act>) -> Result<Response, Trouble> {
    let visit = &posted.visit;
    deliveries::resend(id, false, visit.caller(), visit.operator.places()).await?;
    Ok(Redirect::to(&Flash::Resent.at(&format!("/deliveries/{id}"))).into_response())
}
